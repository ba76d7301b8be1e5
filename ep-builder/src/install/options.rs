//! What the operator asked for, and the places that follow from it.

use std::path::{Path, PathBuf};

use super::error::InstallError;
use super::record::{Places, Record};
use crate::maps::Prefix;

/// What was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Where the command, the data and the pages go instead of the usual places.
    pub prefix: Option<PathBuf>,
    /// Where runtimes look for plugins.
    pub plugins: Option<PathBuf>,
    /// Where runtimes look for network configurations.
    pub networks: Option<PathBuf>,
    /// The ranges of pods, instead of those of the release.
    pub ranges: Vec<Prefix>,
    /// Whether ours is to be the first network configuration.
    pub is_first: bool,
    /// Whether to go on where there are reasons not to.
    pub force: bool,
}

impl Default for Places {
    /// The command where nobody else's package puts one; the data where weir and weir-cni look for it without any
    /// configuration.
    fn default() -> Self {
        Self {
            command: "/usr/local/bin".into(),
            data: "/usr/lib/weir".into(),
            share: "/usr/local/share".into(),
            plugins: "/opt/cni/bin".into(),
            networks: "/etc/cni/net.d".into(),
        }
    }
}

impl Places {
    /// Those that were asked for; what was not asked for is as it was installed, or as usual.
    pub(super) fn wanted(options: &Options, record: Option<&Record>) -> Result<Self, InstallError> {
        let mut places = record.map_or_else(Self::default, |record| record.places.clone());
        if let Some(prefix) = &options.prefix {
            places.command = prefix.join("bin");
            places.data = prefix.join("lib/weir");
            places.share = prefix.join("share");
        }
        for (place, wanted) in [
            (&mut places.plugins, &options.plugins),
            (&mut places.networks, &options.networks),
        ] {
            if let Some(wanted) = wanted {
                place.clone_from(wanted);
            }
        }
        match record {
            Some(record) if record.places != places => Err(InstallError::Refused {
                what: "install",
                reasons: vec![format!(
                    "weir {} is installed at other places (data in {}, plugin in {}, network in {}): `weir uninstall` first",
                    record.version,
                    record.places.data.display(),
                    record.places.plugins.display(),
                    record.places.networks.display(),
                )],
            }),
            _ => Ok(places),
        }
    }
}

/// `weir.toml` of a release, with the places of the data where they are not the usual ones.
pub(super) fn configuration(shipped: &[u8], data: &Path) -> Vec<u8> {
    if data == Places::default().data {
        return shipped.to_owned();
    }
    let mut text = String::from_utf8_lossy(shipped).into_owned();
    let usual = Places::default().data;
    for (key, name) in [
        ("bpf_dir", "bpf"),
        ("bpf_templates_dir", "bpf-templates"),
        ("bundle_dir", "templates"),
    ] {
        let shown = |folder: &Path| format!("{:?}", folder.join(name).display().to_string());
        let commented = format!("# {key} = {}", shown(&usual));
        text = text.replace(&commented, &format!("{key} = {}", shown(data)));
    }
    text.into_bytes()
}

/// The keys of a `weir.toml` that another one has no line for, be it a comment: what a kept file does not tell.
pub(super) fn new_keys(shipped: &str, kept: &str) -> Vec<String> {
    let there = keys(kept);
    let mut new = keys(shipped);
    new.retain(|key| !there.contains(key));
    new
}

/// The keys with their tables, set or shown as a comment.
fn keys(text: &str) -> Vec<String> {
    let mut table = String::new();
    let mut found = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
            table = format!("{name}.");
        }
        let line = line.strip_prefix("# ").unwrap_or(line);
        let key = line.split_once(" =").map(|(key, _)| key.trim());
        let is_key = |key: &&str| {
            let is_of_one = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            !key.is_empty() && key.chars().all(is_of_one)
        };
        found.extend(key.filter(is_key).map(|key| format!("{table}{key}")));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    const SHIPPED: &str = include_str!("../../../conf/weir.toml");

    #[test]
    fn other_places_of_the_data_are_configured() {
        let usual = configuration(SHIPPED.as_bytes(), Path::new("/usr/lib/weir"));
        assert_eq!(usual, SHIPPED.as_bytes());
        let text = configuration(SHIPPED.as_bytes(), Path::new("/opt/weir/lib/weir"));
        let text = String::from_utf8(text).unwrap();
        let paths = Settings::from_toml(&text, Path::new("x")).unwrap().paths;
        assert_eq!(paths.bpf_dir, Path::new("/opt/weir/lib/weir/bpf"));
        assert_eq!(
            paths.bpf_templates_dir,
            Path::new("/opt/weir/lib/weir/bpf-templates")
        );
        assert_eq!(paths.bundle_dir, Path::new("/opt/weir/lib/weir/templates"));
        assert_eq!(paths.policy_dir, Path::new("/etc/weir/policy.d"));
    }

    #[test]
    fn keys_that_a_kept_file_lacks_are_told() {
        let all = keys(SHIPPED);
        assert!(
            all.len() > 30 && all.contains(&"paths.state_dir".to_owned()),
            "{all:?}"
        );
        for (kept, want) in [
            ("a = 1\n[t]\n# b = 2\n", &[][..]),
            ("# a = 1\n", &["t.b"]),
            ("[t]\nb = 1\na = 2", &["a"]),
            ("", &["a", "t.b"]),
        ] {
            let new = new_keys("# A sentence: x is = y.\n# a = 0\n[t]\n# b = 0\n", kept);
            assert_eq!(new, want, "{kept:?}");
        }
    }
}
