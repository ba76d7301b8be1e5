//! The terminal as a page that is drawn over: no echo, no lines, no cursor. It is put back by whatever way this goes
//! away, a panic among them.
#![expect(
    unsafe_code,
    reason = "no crate at hand asks for the size of a terminal"
)]

use std::io::{self, IsTerminal, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::termios::{
    SetArg, SpecialCharacterIndices, Termios, cfmakeraw, tcgetattr, tcsetattr,
};

use crate::failure::Failure;
use crate::screen::{Screen, printable};

/// The other page of the terminal, without a cursor; and back.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
const HOME: &str = "\x1b[H";
const REST_OF_LINE: &str = "\x1b[K\r\n";
const REST_OF_PAGE: &str = "\x1b[J";

/// Of a terminal that does not say.
const USUAL: Size = Size {
    columns: 80,
    rows: 24,
};

/// Columns and rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) columns: usize,
    pub(super) rows: usize,
}

/// The terminal while it is ours.
pub(super) struct Terminal<'a> {
    screen: &'a Screen,
    before: Termios,
}

/// Whether there is somebody who sees and types.
pub(super) fn is_there() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

impl<'a> Terminal<'a> {
    pub(super) fn enter(screen: &'a Screen) -> Result<Self, Failure> {
        let failed = |errno: Errno| Failure::System {
            what: "cannot set up the terminal".to_owned(),
            source: errno.into(),
        };
        let before = tcgetattr(io::stdin()).map_err(failed)?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        // A read gives what is there, and waits for nothing.
        for (index, value) in [
            (SpecialCharacterIndices::VMIN, 0),
            (SpecialCharacterIndices::VTIME, 0),
        ] {
            if let Some(place) = raw.control_chars.get_mut(index as usize) {
                *place = value;
            }
        }
        let terminal = Self { screen, before };
        tcsetattr(io::stdin(), SetArg::TCSAFLUSH, &raw).map_err(failed)?;
        screen.data(ENTER)?;
        Ok(terminal)
    }

    /// Draws lines, each cut at the right edge; those below the lower one are left out. Whether anybody sees it.
    pub(super) fn draw(&self, lines: &[String], size: Size) -> Result<bool, Failure> {
        let shown = lines.iter().take(size.rows.saturating_sub(1));
        let cut = |line: &String| {
            printable(line)
                .chars()
                .take(size.columns)
                .collect::<String>()
        };
        let page: String = shown.map(|line| cut(line) + REST_OF_LINE).collect();
        self.screen.more(&format!("{HOME}{page}{REST_OF_PAGE}"))
    }
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        // There is nobody left to be told.
        let _gone = self.screen.more(LEAVE);
        let _kept = tcsetattr(io::stdin(), SetArg::TCSAFLUSH, &self.before);
    }
}

/// What was typed since the last time, while the terminal is ours: elsewhere it would be waited for.
pub(super) fn typed() -> Vec<u8> {
    let mut buffer = [0; 64];
    let length = io::stdin().lock().read(&mut buffer).unwrap_or(0);
    buffer.get(..length).unwrap_or_default().to_vec()
}

/// The descriptor that is readable when something was typed.
pub(super) fn keyboard(stdin: &io::Stdin) -> BorrowedFd<'_> {
    stdin.as_fd()
}

/// The size now.
pub(super) fn size() -> Size {
    let mut size = libc::winsize {
        ws_row: 0,
        ws_col: 0,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let fd = io::stdout().as_raw_fd();
    // SAFETY: the call writes one structure of this type to `size`, which is borrowed for it.
    let result = unsafe { libc::ioctl(fd, libc::TIOCGWINSZ, &raw mut size) };
    if result != 0 || size.ws_col == 0 || size.ws_row == 0 {
        return USUAL;
    }
    Size {
        columns: size.ws_col.into(),
        rows: size.ws_row.into(),
    }
}
