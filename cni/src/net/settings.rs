//! Settings below `/proc/sys/net`: read first, written only where they differ.
//!
//! Reading first is what lets the plugin run where `/proc/sys` is read-only and right; and some of these files
//! take the kernel's lock of all links when they are written. What netlink can set is not here: `link.rs`.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::error::NetError;

/// The settings of the calling thread's namespace.
pub(super) const ROOT: &str = "/proc/sys/net";

/// What a file must say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    file: String,
    wanted: &'static str,
    /// Whether a kernel without it does what is wanted.
    is_optional: bool,
}

/// Of the pod end, before it is up. Only a pod with an IPv6 address has some.
///
/// A runtime may have switched IPv6 off for new links. Without a search for duplicates the link-local address
/// is usable at once as well. Addresses outlive a link that is set down, as another plugin of the chain does
/// to change it.
pub(super) fn of_pod(link: &str, has_ipv6: bool) -> Vec<Setting> {
    if !has_ipv6 {
        return Vec::new();
    }
    vec![
        must(format!("ipv6/conf/{link}/disable_ipv6"), "0"),
        must(format!("ipv6/conf/{link}/accept_dad"), "0"),
        must(format!("ipv6/conf/{link}/keep_addr_on_down"), "1"),
    ]
}

/// Of the host end, before it is up.
///
/// A pod must not become the host's router by advertising itself (CVE-2020-10749). With IPv6, the host end
/// asks for its pod from a link-local address, which must not wait for a search for duplicates.
pub(super) fn of_host_end(link: &str, has_ipv6: bool) -> Vec<Setting> {
    let mut settings = vec![Setting {
        is_optional: true,
        ..must(format!("ipv6/conf/{link}/accept_ra"), "0")
    }];
    if has_ipv6 {
        settings.push(must(format!("ipv6/conf/{link}/disable_ipv6"), "0"));
        settings.push(must(format!("ipv6/conf/{link}/accept_dad"), "0"));
    }
    settings
}

fn must(file: String, wanted: &'static str) -> Setting {
    Setting {
        file,
        wanted,
        is_optional: false,
    }
}

/// Makes settings what they must be.
pub(super) fn apply(root: &Path, settings: &[Setting]) -> Result<(), NetError> {
    settings.iter().try_for_each(|setting| setting.apply(root))
}

/// Lets the host forward packets.
pub(super) fn forward(root: &Path, has_ipv4: bool, has_ipv6: bool) -> Result<(), NetError> {
    if has_ipv4 {
        must("ipv4/ip_forward".to_owned(), "1").apply(root)?;
    }
    if has_ipv6 {
        let forwarding = must("ipv6/conf/all/forwarding".to_owned(), "1");
        if forwarding.differs(root)?.is_some() {
            keep_routers(root)?;
            forwarding.apply(root)?;
        }
    }
    Ok(())
}

/// A host that forwards drops the default routes that routers advertised to it, unless the link says 2: the
/// host's own way out would be lost to its first pod.
fn keep_routers(root: &Path) -> Result<(), NetError> {
    let links = root.join("ipv6/conf");
    let entries = fs::read_dir(&links).map_err(|source| NetError::NoSetting {
        path: links,
        wanted: "a folder",
        source: Some(source),
    })?;
    for entry in entries.flatten() {
        let folder = entry.path();
        let says = |file: &str, value: &str| {
            fs::read_to_string(folder.join(file)).is_ok_and(|text| text.trim() == value)
        };
        let is_link = !["all", "default"].iter().any(|name| folder.ends_with(name));
        if is_link && says("accept_ra", "1") && says("forwarding", "0") {
            must("accept_ra".to_owned(), "2").apply(&folder)?;
        }
    }
    Ok(())
}

impl Setting {
    fn apply(&self, root: &Path) -> Result<(), NetError> {
        let Some(found) = self.differs(root)? else {
            return Ok(());
        };
        let path = self.path(root);
        let opened = OpenOptions::new().write(true).open(&path);
        let written = opened.and_then(|mut file| file.write_all(self.wanted.as_bytes()));
        written.map_err(|source| NetError::Setting {
            path,
            found,
            wanted: self.wanted,
            source,
        })
    }

    /// What it says, where that is not what it must say.
    fn differs(&self, root: &Path) -> Result<Option<String>, NetError> {
        let path = self.path(root);
        let source = match fs::read_to_string(&path) {
            Ok(text) => {
                let found = text.trim();
                return Ok((found != self.wanted).then(|| found.to_owned()));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => Some(error),
        };
        if self.is_optional && source.is_none() {
            return Ok(None);
        }
        Err(NetError::NoSetting {
            path,
            wanted: self.wanted,
            source,
        })
    }

    fn path(&self, root: &Path) -> PathBuf {
        root.join(&self.file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder like `/proc/sys/net` with these files.
    fn settings(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (file, value) in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            ep_builder::whole_file::write(&path, format!("{value}\n").as_bytes()).unwrap();
        }
        root
    }

    fn text(root: &Path, file: &str) -> String {
        fs::read_to_string(root.join(file)).unwrap()
    }

    #[test]
    fn only_what_differs_is_written() {
        let root = settings(&[("a", "1"), ("b", "0")]);
        let both = [must("a".into(), "1"), must("b".into(), "1")];
        apply(root.path(), &both).unwrap();
        // A written file has lost its line's end.
        assert_eq!(text(root.path(), "a"), "1\n");
        assert!(text(root.path(), "b").starts_with('1'));
    }

    #[test]
    fn a_setting_that_is_not_there_is_an_error_unless_it_is_optional() {
        let root = settings(&[]);
        let error = apply(root.path(), &of_host_end("lxc1", true)).unwrap_err();
        let said = format!("{error}: {}", error.advice().unwrap());
        assert!(
            said.contains("lxc1/disable_ipv6") && said.contains("IPv6"),
            "{said}"
        );
        apply(root.path(), &of_host_end("lxc1", false)).unwrap();
        apply(root.path(), &of_pod("eth0", false)).unwrap();
        assert!(apply(root.path(), &of_pod("eth0", true)).is_err());
    }

    #[test]
    fn a_host_that_begins_to_forward_keeps_the_routers_it_listens_to() {
        let links = [
            // Name, accept_ra and forwarding, accept_ra afterwards.
            ("all", "1", "0", "1"),
            ("default", "1", "0", "1"),
            ("eth0", "1", "0", "2"),
            ("eth1", "0", "0", "0"),
            ("eth2", "2", "0", "2"),
            ("eth3", "1", "1", "1"),
        ];
        for (forwards, is_first) in [("0", true), ("1", false)] {
            let root = settings(&[("ipv4/ip_forward", "0")]);
            for (link, accept, forwarding, _) in links {
                let folder = root.path().join("ipv6/conf").join(link);
                fs::create_dir_all(&folder).unwrap();
                for (file, value) in [("accept_ra", accept), ("forwarding", forwarding)] {
                    let value = if link == "all" && file == "forwarding" {
                        forwards
                    } else {
                        value
                    };
                    ep_builder::whole_file::write(&folder.join(file), value.as_bytes()).unwrap();
                }
            }
            forward(root.path(), false, true).unwrap();
            assert_eq!(text(root.path(), "ipv6/conf/all/forwarding"), "1");
            assert_eq!(text(root.path(), "ipv4/ip_forward"), "0\n");
            for (link, before, _, after) in links {
                let found = text(root.path(), &format!("ipv6/conf/{link}/accept_ra"));
                assert_eq!(found, if is_first { after } else { before }, "{link}");
            }
            forward(root.path(), true, false).unwrap();
            assert!(text(root.path(), "ipv4/ip_forward").starts_with('1'));
        }
    }
}
