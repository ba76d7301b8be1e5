//! What a node has because of its pods: before the first and after the last it is the same.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use weir_tests::binaries;

use crate::host::Host;
use crate::until::until;

/// Kept on purpose: templates, facts of the compiler, of the headers and of the sources, and identities serve the next pod, and allocators remember
/// where they were.
const KEPT: [&str; 9] = [
    "templates",
    "clang.json",
    "headers.json",
    "sources.json",
    "identities",
    "locks",
    "lock",
    "last_reserved_ip",
    ".index-",
];

/// Everything that pods leave traces in, one line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Residue(BTreeSet<String>);

impl Residue {
    /// As it is now.
    pub(crate) fn of(host: &Host<'_>) -> Self {
        let mut lines = BTreeSet::new();
        for (what, command) in [
            ("link", "ip -o -br link"),
            ("address", "ip -o -br address"),
            ("route", "ip route show table all"),
            ("route", "ip -6 route show table all"),
            ("rule", "ip rule"),
            ("namespace", "ls /run/netns"),
            ("mount", "findmnt -n -l -o TARGET -t nsfs"),
        ] {
            let said = host.try_run(command).stdout;
            lines.extend(said.lines().map(|line| format!("{what} {}", line.trim())));
        }
        for folder in [host.folder("host-local"), host.lab.node().state()] {
            files(&folder, &mut lines);
        }
        let pins = host.lab.pins();
        let own = pins.iter().filter(|name| is_of_one_pod(name));
        lines.extend(own.map(|name| format!("pin {name}")));
        lines.extend(programs(host));
        Self(lines)
    }

    /// Asserts that this is how it is again. The kernel takes a namespace's devices away some time after the
    /// namespace's end.
    #[track_caller]
    pub(crate) fn assert_again(&self, host: &Host<'_>) {
        // What the node got for its pods outlives them, until an operator says otherwise.
        let weir = binaries::weir();
        let (weir, config) = (weir.get_program().display(), host.lab.node().config());
        host.run(&format!(
            "{weir} --config {} node cleanup",
            config.display()
        ));
        until(|| {
            let now = Self::of(host);
            let more: Vec<_> = now.0.difference(&self.0).collect();
            let less: Vec<_> = self.0.difference(&now.0).collect();
            let same = more.is_empty() && less.is_empty();
            let said = || format!("left behind: {more:#?}\ngone: {less:#?}");
            same.then_some(()).ok_or_else(said)
        });
    }
}

fn files(folder: &Path, lines: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if KEPT.iter().any(|kept| name.starts_with(kept)) {
            continue;
        }
        if entry.path().is_dir() {
            files(&entry.path(), lines);
        } else {
            lines.insert(format!("file {}", entry.path().display()));
        }
    }
}

/// The maps of all pods stay from the first one on.
fn is_of_one_pod(pin: &str) -> bool {
    let id = pin.rsplit('_').next().unwrap_or_default();
    id.len() == 5 && id.bytes().all(|byte| byte.is_ascii_digit())
}

/// Programs that use a map which is pinned on this node: those of other nodes, in tests beside this one, do not.
/// Tail programs serve the next pod of their template.
fn programs(host: &Host<'_>) -> Vec<String> {
    let list = |what: &str| -> Vec<Value> {
        let said = host.try_run(&format!("bpftool -j {what}")).stdout;
        serde_json::from_str(&said).unwrap_or_default()
    };
    let maps: BTreeSet<u64> = host
        .lab
        .pins()
        .iter()
        .filter_map(|pin| {
            let said = host.try_run(&format!(
                "bpftool -j map show pinned /sys/fs/bpf/tc/globals/{pin}"
            ));
            serde_json::from_str::<Value>(&said.stdout).ok()?["id"].as_u64()
        })
        .collect();
    let uses = |program: &Value| {
        let ids = program["map_ids"].as_array().into_iter().flatten();
        ids.filter_map(Value::as_u64).any(|id| maps.contains(&id))
    };
    let is_shared = |program: &Value| {
        let name = program["name"].as_str();
        name.is_some_and(|name| name.starts_with("tail_"))
    };
    let own = list("prog show").into_iter().filter(uses);
    let own = own.filter(|program| !is_shared(program));
    own.map(|program| format!("program {} {}", program["id"], program["name"]))
        .collect()
}
