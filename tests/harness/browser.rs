//! Pages in a real browser without a screen: what it says of them, what they ask for, and what they look like.

use std::fs;
use std::path::Path;
use std::process::Command;

use ep_builder::whole_file;

use crate::process;

/// The browser.
pub const BROWSER: &str = "chromium-headless-shell";

/// A picture of nothing is so many times smaller than one of a page, at least.
const MORE_THAN_NOTHING: usize = 4;

/// What the reader likes better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Dark words on light ground.
    Light,
    /// Light words on dark ground.
    Dark,
}

/// A page that was opened.
#[derive(Clone, Debug)]
pub struct Seen {
    /// What it looks like, as PNG.
    pub picture: Vec<u8>,
    /// What the browser complained about: errors, and what a policy forbids.
    pub complaints: Vec<String>,
    /// The addresses it asked for over a network.
    pub asked: Vec<String>,
}

/// Opens a file in a browser of its own, which leaves nothing but what is in the folder.
pub fn open(page: &Path, scheme: Scheme, folder: &Path) -> Seen {
    let (picture, network) = (folder.join("picture.png"), folder.join("network.json"));
    let in_folder = |option: &str, path: &Path| format!("--{option}={}", path.display());
    let mut command = Command::new(BROWSER);
    // It refuses root its sandbox; nothing but our own pages is opened in it.
    command.args(["--no-sandbox", "--disable-gpu", "--hide-scrollbars"]);
    command.args(["--disable-background-networking", "--no-first-run"]);
    command.args([
        "--window-size=1600,1200",
        "--timeout=5000",
        "--enable-logging=stderr",
    ]);
    command.arg(match scheme {
        Scheme::Light => "--blink-settings=preferredColorScheme=1",
        Scheme::Dark => "--blink-settings=preferredColorScheme=0",
    });
    command.arg(in_folder("user-data-dir", &folder.join("profile")));
    command.arg(in_folder("log-net-log", &network));
    command.arg(in_folder("screenshot", &picture));
    command.arg(format!("file://{}", page.display()));
    let finished = process::run(&mut command);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let said = finished.stderr.lines();
    Seen {
        picture: fs::read(&picture)
            .unwrap_or_else(|error| panic!("no picture: {error}: {finished:?}")),
        complaints: said
            .filter(|line| line.contains("CONSOLE"))
            .map(str::to_owned)
            .collect(),
        asked: asked(&fs::read_to_string(&network).expect("the browser writes what it asked for")),
    }
}

/// Files are no network.
fn asked(log: &str) -> Vec<String> {
    let urls = log.split("\"url\":\"").skip(1);
    let urls = urls.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()));
    urls.filter(|url| !url.starts_with("file:")).collect()
}

/// Holds that a page, or a picture, is whole in one file, and looks like something in light and in dark.
pub fn check(text: &str, ending: &str) {
    let folder = tempfile::tempdir().expect("a folder for the page");
    let page = |name: &str, text: &str| {
        let path = folder.path().join(format!("{name}.{ending}"));
        whole_file::write(&path, text.as_bytes()).expect("a page can be written");
        path
    };
    let nothing = folder.path().join("nothing.html");
    whole_file::write(&nothing, b"<!doctype html><title>nothing</title>")
        .expect("a page can be written");
    let nothing = open(&nothing, Scheme::Light, folder.path()).picture;
    let page = page("page", text);
    let [light, dark] = [Scheme::Light, Scheme::Dark].map(|scheme| {
        let seen = open(&page, scheme, folder.path());
        assert_eq!(seen.complaints, Vec::<String>::new(), "{scheme:?}");
        assert_eq!(seen.asked, Vec::<String>::new(), "{scheme:?}");
        let size = seen.picture.len();
        assert!(
            size > MORE_THAN_NOTHING * nothing.len(),
            "{scheme:?}: {size}"
        );
        seen.picture
    });
    assert_ne!(light, dark, "it looks the same in light and in dark");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::need;
    use crate::need::Need;

    #[test]
    fn what_a_page_does_is_seen() {
        need!(Need::Tool(BROWSER));
        let folder = tempfile::tempdir().unwrap();
        let look = |body: &str| {
            let page = folder.path().join("page.html");
            let text = format!("<!doctype html><title>page</title>{body}");
            whole_file::write(&page, text.as_bytes()).unwrap();
            open(&page, Scheme::Light, folder.path())
        };
        let good = look("<p>good</p>");
        assert!(
            good.complaints.is_empty() && good.asked.is_empty(),
            "{good:?}"
        );
        assert!(good.picture.starts_with(b"\x89PNG"));
        let throws = look("<script>throw new Error('boom')</script>");
        assert!(
            throws.complaints.iter().any(|line| line.contains("boom")),
            "{:?}",
            throws.complaints
        );
        let asks = look("<img src='http://127.0.0.1:9/x.png' alt=''>");
        assert!(
            asks.asked.iter().any(|url| url.contains("/x.png")),
            "{:?}",
            asks.asked
        );
        assert_ne!(good.picture, look("<p>other</p>").picture);
    }
}
