//! The table in a terminal, drawn anew with every look, and what is typed.

use std::io;
use std::time::{Duration, Instant};

use super::source::{Source, Woken};
use super::terminal::{Size, Terminal, keyboard, size, typed};
use super::{Asked, Between, Shown};
use crate::cli::Sort;
use crate::failure::Failure;
use crate::monitor::signals::Signals;
use crate::screen::Screen;

const KEYS: &str = "p packets  b bytes  d drops  m map  n name  / filter  j k scroll  q quit";
/// Spaces between columns.
const GAP: usize = 2;

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    GoOn,
    Quit,
}

/// The state of the page.
struct Page {
    asked: Asked,
    /// The filter while it is typed.
    typing: Option<String>,
    first: usize,
}

/// Until `q`, a signal, or a terminal that is gone.
pub(super) fn run(
    source: &mut Source<'_>,
    asked: Asked,
    interval: Duration,
    signals: &Signals,
    screen: &Screen,
) -> Result<(), Failure> {
    let mut between = Between::begin(source, asked.programs)?;
    let terminal = Terminal::enter(screen)?;
    let mut page = Page {
        asked,
        typing: None,
        first: 0,
    };
    let mut shown = between.nothing();
    loop {
        let drawn = size();
        if !terminal.draw(&page.lines(&shown, drawn), drawn)? {
            return Ok(());
        }
        let until = between.began() + interval;
        match wait(source, signals, until, &mut page, drawn)? {
            Reason::Look => shown = between.next(source)?,
            Reason::Redraw => {}
            Reason::End => return Ok(()),
        }
    }
}

/// Why the page is drawn anew, or not any more.
enum Reason {
    Look,
    Redraw,
    End,
}

fn wait(
    source: &mut Source<'_>,
    signals: &Signals,
    until: Instant,
    page: &mut Page,
    drawn: Size,
) -> Result<Reason, Failure> {
    let stdin = io::stdin();
    loop {
        let woken = source.wait(signals, &[keyboard(&stdin)], until)?;
        if woken == Woken::Signal {
            return Ok(Reason::End);
        }
        // Before the look, which may be due every time.
        let typed = typed();
        if page.typed(&typed) == Next::Quit {
            return Ok(Reason::End);
        }
        if woken == Woken::Time {
            return Ok(Reason::Look);
        }
        if !typed.is_empty() || size() != drawn {
            return Ok(Reason::Redraw);
        }
    }
}

impl Page {
    fn typed(&mut self, bytes: &[u8]) -> Next {
        for byte in bytes {
            if self.key(*byte) == Next::Quit {
                return Next::Quit;
            }
        }
        Next::GoOn
    }

    fn key(&mut self, byte: u8) -> Next {
        const INTERRUPT: u8 = 3;
        if byte == INTERRUPT {
            return Next::Quit;
        }
        if let Some(text) = self.typing.take() {
            self.filter_key(byte, text);
            return Next::GoOn;
        }
        match byte {
            b'q' => return Next::Quit,
            b'p' => self.asked.sort = Sort::Packets,
            b'b' => self.asked.sort = Sort::Bytes,
            b'd' => self.asked.sort = Sort::Drops,
            b'm' => self.asked.sort = Sort::Map,
            b'n' => self.asked.sort = Sort::Name,
            b'/' => self.typing = Some(String::new()),
            b'j' => self.first += 1,
            b'k' => self.first = self.first.saturating_sub(1),
            _ => {}
        }
        Next::GoOn
    }

    fn filter_key(&mut self, byte: u8, mut text: String) {
        const ESCAPE: u8 = 0x1b;
        match byte {
            b'\r' | b'\n' => {
                self.asked.filter = text;
                self.first = 0;
                return;
            }
            ESCAPE => return,
            0x7f | 0x08 => {
                text.pop();
            }
            other if other.is_ascii_graphic() => text.push(char::from(other)),
            _ => {}
        }
        self.typing = Some(text);
    }

    fn lines(&mut self, shown: &Shown, size: Size) -> Vec<String> {
        let rows = shown.rows(&self.asked);
        self.first = self.first.min(rows.len().saturating_sub(1));
        let head = format!(
            "weir top  {} of {}  by {:?}{}",
            rows.len(),
            shown.len(),
            self.asked.sort,
            match self.asked.filter.as_str() {
                "" => String::new(),
                filter => format!("  with {filter:?}"),
            }
        );
        let last = match &self.typing {
            Some(text) => format!("filter: {text}_"),
            None => KEYS.to_owned(),
        };
        let room = size.rows.saturating_sub(4);
        let visible = rows.into_iter().skip(self.first).take(room).collect();
        let mut lines = vec![head, String::new()];
        lines.extend(table(shown.headings(), visible));
        lines.push(last);
        lines
    }
}

/// Columns as wide as their widest cell; numbers stand at the right.
fn table(headings: &[&str], rows: Vec<Vec<String>>) -> Vec<String> {
    let heading: Vec<String> = headings.iter().map(|&text| text.to_owned()).collect();
    let all: Vec<_> = [heading].into_iter().chain(rows).collect();
    let width = |column: usize| {
        let cells = all.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..headings.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate();
        let cells = cells.map(|(column, (cell, &width))| {
            // The second column has names.
            if column == 1 {
                format!("{cell:width$}")
            } else {
                format!("{cell:>width$}")
            }
        });
        cells.collect::<Vec<_>>().join(&" ".repeat(GAP))
    };
    all.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Page {
        Page {
            asked: Asked {
                programs: false,
                sort: Sort::Packets,
                filter: String::new(),
            },
            typing: None,
            first: 0,
        }
    }

    #[test]
    fn keys_do_what_the_page_says() {
        for (keys, sort, filter, next) in [
            ("d", Sort::Drops, "", Next::GoOn),
            ("bm", Sort::Map, "", Next::GoOn),
            ("n/shop\r", Sort::Name, "shop", Next::GoOn),
            ("/shop\x1bp", Sort::Packets, "", Next::GoOn),
            ("/qx\x7f\r", Sort::Packets, "q", Next::GoOn),
            ("/a\r/\r", Sort::Packets, "", Next::GoOn),
            ("xyz", Sort::Packets, "", Next::GoOn),
            ("bq", Sort::Bytes, "", Next::Quit),
            ("/a\x03", Sort::Packets, "", Next::Quit),
        ] {
            let mut page = page();
            assert_eq!(page.typed(keys.as_bytes()), next, "{keys:?}");
            let asked = (page.asked.sort, page.asked.filter.as_str());
            assert_eq!(asked, (sort, filter), "{keys:?}");
        }
    }

    #[test]
    fn columns_are_aligned() {
        let rows = [["1", "a/long"], ["20", "b"]].map(|row| row.map(str::to_owned).to_vec());
        let lines = table(&["ID", "POD"], rows.to_vec());
        assert_eq!(lines, ["ID  POD   ", " 1  a/long", "20  b     "]);
    }
}
