//! What a state root has, without what belongs to the node and not to a pod.

use std::fs;
use std::path::Path;

/// Everything below a state root that a pod may have left.
pub(super) fn lines(root: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    collect(root, "", &mut lines);
    lines.retain(|path| !is_of_the_node(path));
    lines
}

fn collect(root: &Path, below: &str, lines: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(root.join(below)) else {
        return; // A state root that was wiped has nothing.
    };
    for entry in entries {
        let entry = entry.expect("a folder can be listed");
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if below.is_empty() {
            name
        } else {
            format!("{below}/{name}")
        };
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(root, &path, lines);
        }
        lines.push(path);
    }
}

/// What stays when the last pod is gone, and why nobody wants it removed.
fn is_of_the_node(path: &str) -> bool {
    let parts: Vec<_> = path.split('/').collect();
    match parts.as_slice() {
        // Folders of what is in them; the compiler's version, how headers are rendered and the sources' digest, which take
        // long to ask for.
        [
            "templates" | "clang.json" | "headers.json" | "sources.json" | "locks" | "attachments" | "ipam"
            | "identities" | "policy" | "node",
        ]
        // What the operator put in force is no pod's; the lock is never removed.
        | ["policy", "lock" | "current"]
        // The node's own part serves every pod, and stays for the next one.
        | ["node", "lock" | "node.json" | "node.json.new"] => true,
        // Sets of labels with their numbers: kept a while, because the next pod of a deployment has the same.
        ["identities", name] => !name.starts_with('.'),
        // Compiled once, used by every pod of the shape. One that is being compiled has more in its name.
        ["templates", key] | ["templates", key, _] => is_key(key),
        // A network, and what is derived from it. The addresses and owners in them are pods'.
        ["ipam", network] => !network.starts_with('.') || network.starts_with(".index-"),
        // host-local's own: the one is locked and never removed, the other says where the next search begins.
        ["ipam", _, name] => {
            matches!(*name, "lock" | "index") || name.starts_with("last_reserved_ip.")
        }
        _ => false,
    }
}

fn is_key(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_pod_leaves_is_told_from_what_the_node_keeps() {
        let key = "0a".repeat(32);
        for (path, stays) in [
            ("templates", true),
            (&format!("templates/{key}") as &str, true),
            (&format!("templates/{key}/bpf_lxc.o"), true),
            (&format!("templates/{key}.building"), false),
            (&format!("templates/{key}.lock"), false),
            (&format!("templates/{key}.building/bpf_lxc.o"), false),
            ("templates/.tmp-1", false),
            ("clang.json", true),
            ("headers.json", true),
            ("sources.json", true),
            (".tmp-1", false),
            ("locks", true),
            ("locks/00007", false),
            ("00007", false),
            ("00007_next", false),
            ("attachments/lxc0123456789ab.json", false),
            ("ipam/pods", true),
            ("ipam/.tmp-1", false),
            ("ipam/pods/lock", true),
            ("ipam/pods/last_reserved_ip.0", true),
            ("ipam/pods/10.0.0.7", false),
            ("ipam/pods/.tmp-1", false),
            ("ipam/.index-pods", true),
            ("ipam/.index-pods/index", true),
            ("ipam/.index-pods/0a0a.0", false),
            ("policy/lock", true),
            ("policy/.tmp-1", false),
            ("node/node.json", true),
            ("node/.tmp-1", false),
            ("policy/unsettled", false),
            ("identities/by-number", true),
            ("identities/.tmp-1", false),
        ] {
            assert_eq!(is_of_the_node(path), stays, "{path}");
        }
    }
}
