//! What `weir install` put on this node, and whether runtimes come to weir.

use std::path::PathBuf;

use ep_builder::error::chain;
use ep_builder::install::{Record, Root, Stage, Standing};

use super::finding::{Check, Finding};

const INSTALLED: Check = Check {
    name: "install",
    why: "a runtime calls the plugin that is installed, and it finds sources and templates where they were put",
};
const NETWORK: Check = Check {
    name: "network",
    why: "containerd and CRI-O take the first configuration of their folder, by name: pods of another one never come to weir",
};

/// Looks at this node. Where nothing names weir, there is nothing to say: other callers bring their own configuration.
pub(super) fn look() -> Vec<Finding> {
    let looked = Standing::of(&Root::Live).and_then(|standing| {
        let changed = standing.changed(&Root::Live)?;
        Ok((standing, changed))
    });
    match looked {
        Ok((standing, changed)) => of(&standing, &changed, env!("CARGO_PKG_VERSION")),
        Err(error) => {
            let advice = error.advice().unwrap_or("`weir install` puts it right");
            vec![INSTALLED.fail(chain(&error), advice)]
        }
    }
}

fn of(standing: &Standing, changed: &[PathBuf], version: &str) -> Vec<Finding> {
    let Some(record) = &standing.record else {
        return network(standing).into_iter().collect();
    };
    let installed = installed(&standing.missing, changed, record, version);
    installed.into_iter().chain(network(standing)).collect()
}

fn installed(
    missing: &[PathBuf],
    changed: &[PathBuf],
    record: &Record,
    version: &str,
) -> Vec<Finding> {
    let begun = match record.stage {
        Stage::Installed => None,
        Stage::Begun => Some(INSTALLED.fail(
            "an installation was begun and has not ended",
            "`weir install` goes on where it stopped",
        )),
        Stage::Leaving => Some(INSTALLED.fail(
            "a removal was begun and has not ended",
            "`weir uninstall` goes on where it stopped, `weir install` puts all back",
        )),
    };
    let missing = first(missing)
        .map(|what| INSTALLED.fail(format!("{what} not there"), "`weir install` puts it back"));
    let changed = first(changed).map(|what| {
        INSTALLED.warn(
            format!("{what} not as installed"),
            "`weir install` of a release puts its own back; nothing is wrong if it was built here",
        )
    });
    let other = (record.version != version).then(|| {
        INSTALLED.warn(
            format!(
                "weir {} is installed, and this is weir {version}",
                record.version
            ),
            "`weir install` of the release that is wanted makes them one",
        )
    });
    let wrong: Vec<_> = [begun, missing, changed, other]
        .into_iter()
        .flatten()
        .collect();
    if wrong.is_empty() {
        let count = record.files.len();
        return vec![INSTALLED.ok(format!("weir {version}, {count} files"))];
    }
    wrong
}

/// The first of some files, and how many there are; begins a sentence that ends with how they are.
fn first(files: &[PathBuf]) -> Option<String> {
    let first = files.first()?.display();
    Some(match files.len() {
        1 => format!("{first} is"),
        count => format!("{first} and {} more are", count - 1),
    })
}

fn network(standing: &Standing) -> Option<Finding> {
    let folder = standing.folder.display();
    let first = standing.first();
    match (standing.ours(), first) {
        (Some(ours), Some(first)) if first == ours => Some(NETWORK.ok(format!(
            "{folder}/{} is the first of {}",
            ours.name,
            standing.lists.len()
        ))),
        (Some(ours), Some(first)) => Some(NETWORK.warn(
            format!(
                "{folder}/{} comes before {}, which is weir's",
                first.name, ours.name
            ),
            "move it away, or have ours first with `weir install --first`",
        )),
        _ => standing.record.as_ref().map(|_| {
            NETWORK.fail(
                format!("no configuration in {folder} names weir-cni"),
                "`weir install` puts ours back",
            )
        }),
    }
}

#[cfg(test)]
mod tests {
    use ep_builder::install::List;

    use super::super::finding::Health;
    use super::*;

    fn list(name: &str, is_ours: bool) -> List {
        List {
            name: name.to_owned(),
            is_ours,
            networks: Vec::new(),
        }
    }

    fn standing(lists: Vec<List>) -> Standing {
        Standing {
            record: None,
            missing: Vec::new(),
            folder: "/etc/cni/net.d".into(),
            lists,
        }
    }

    #[test]
    fn whose_network_a_runtime_takes_is_said() {
        for (lists, expected) in [
            (vec![], None),
            (vec![list("87-bridge.conflist", false)], None),
            (vec![list("10-weir.conflist", true)], Some(Health::Ok)),
            (
                vec![list("05-other.conf", false), list("10-weir.conflist", true)],
                Some(Health::Warn),
            ),
        ] {
            let found = of(&standing(lists), &[], "1.0.0");
            let results: Vec<_> = found.iter().map(|it| it.result).collect();
            assert_eq!(results, Vec::from_iter(expected), "{found:?}");
        }
    }

    #[test]
    fn what_is_not_as_installed_is_said() {
        let record = r#"{"format": 1, "version": "1.0.0", "stage": "installed", "places": {"command": "/usr/local/bin",
            "data": "/usr/lib/weir", "share": "/usr/local/share", "plugins": "/opt/cni/bin", "networks": "/etc/cni/net.d"},
            "network": "10-weir.conflist", "ranges": [], "folders": [], "files": {}, "links": {}}"#;
        let record: Record = serde_json::from_str(record).unwrap();
        let good = Standing {
            record: Some(record),
            ..standing(vec![list("10-weir.conflist", true)])
        };
        let plugin = || vec![PathBuf::from("/opt/cni/bin/weir-cni")];
        let with = |change: &dyn Fn(&mut Standing)| {
            let mut standing = good.clone();
            change(&mut standing);
            standing
        };
        let stage = |stage| {
            with(&move |it| {
                if let Some(record) = &mut it.record {
                    record.stage = stage;
                }
            })
        };
        let check = |(standing, changed): (Standing, Vec<PathBuf>), expected, says| {
            let found = of(&standing, &changed, "1.0.0");
            let worst = found.iter().max_by_key(|it| it.result).unwrap();
            assert_eq!(worst.result, expected, "{found:?}");
            let is_said = found.iter().any(|it| it.found.contains(says));
            assert!(is_said, "{says}: {found:?}");
        };
        let version = |version: &str| {
            with(&|it| {
                if let Some(record) = &mut it.record {
                    version.clone_into(&mut record.version);
                }
            })
        };
        let missing = with(&|it| it.missing = plugin());
        let unlisted = with(&|it| it.lists.clear());
        for (standing, expected, says) in [
            (good.clone(), Health::Ok, "weir 1.0.0"),
            (version("1.1.0"), Health::Warn, "weir 1.1.0 is installed"),
            (stage(Stage::Begun), Health::Fail, "begun"),
            (stage(Stage::Leaving), Health::Fail, "removal"),
            (missing, Health::Fail, "weir-cni is not there"),
            (unlisted, Health::Fail, "names weir-cni"),
        ] {
            check((standing, Vec::new()), expected, says);
        }
        check((good.clone(), plugin()), Health::Warn, "not as installed");
    }
}
