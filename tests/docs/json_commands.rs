//! What is run for the page of JSON: every command, on one of two nodes.

use Row::{Json, Prepare, Text};

/// A line of the session.
pub(crate) enum Row {
    /// What the next command needs.
    Prepare(&'static str),
    /// A command that prints JSON, as the page names it, with words for the arguments that change what is printed; and
    /// what is typed.
    Json(&'static str, &'static str),
    /// A command that prints none, and what is typed.
    Text(&'static str, &'static str),
}

/// On a node with pods, with the variables of `pods.sh`. Those that look come first, then those that change something.
pub(crate) const WITH_PODS: [Row; 64] = [
    Json("monitor", "monitor --backlog --for 1s"),
    Json("bpf ct list", "bpf ct list"),
    Json("bpf endpoint get", "bpf endpoint get 10.88.0.3"),
    Json("bpf endpoint list", "bpf endpoint list"),
    Json("bpf ipcache get", "bpf ipcache get 10.88.0.3"),
    Json("bpf ipcache list", "bpf ipcache list"),
    Json("bpf metrics list", "bpf metrics list"),
    Json("bpf nat list", "bpf nat list"),
    Json("bpf policy get", "bpf policy get $ID"),
    Json("bpf policy list", "bpf policy list"),
    Json("bpf ports list", "bpf ports list"),
    Json("calls list", "calls list"),
    Json("calls phases", "calls phases"),
    Json("calls show", "calls show"),
    Json("doctor", "doctor"),
    Json("endpoint compile", "endpoint compile $ID"),
    Json("endpoint diff", "endpoint diff $ID"),
    Json("endpoint get", "endpoint get $ID"),
    Json("endpoint list", "endpoint list"),
    Json("explain", "explain --from shop/web --to shop/db:9090"),
    Json("identity get", "identity get 1"),
    Json("identity list", "identity list"),
    Json("ip list", "ip list"),
    Json("map get", "map get weir_metrics"),
    Json("map list", "map list"),
    Json("metrics", "metrics"),
    Json("metrics --describe", "metrics --describe"),
    Json("node status", "node status"),
    Json("policy diff", "policy diff"),
    Json("policy get", "policy get"),
    Json("policy get ID", "policy get $ID"),
    Json("policy show", "policy show"),
    Json("policy status", "policy status"),
    Json("policy validate", "policy validate $FILE"),
    Json("policy verify", "policy verify --cases 2 --seed 1"),
    Json("show", "show"),
    Json("show ID", "show $ID"),
    Json("status", "status"),
    Json("template list", "template list"),
    Json("template show", "template show $KEY"),
    Json("top", "top --once"),
    Json("top --programs", "top --once --programs"),
    Json("version", "version"),
    Json("template build", "template build"),
    Json("template verify", "template verify"),
    Json("template gc", "template gc --all --dry-run"),
    Prepare("printf '[cache]\\nkeep_unused_hours = 0\\n' >>/etc/weir/weir.toml"),
    Json("gc", "gc"),
    Json("endpoint attach", "endpoint attach pod.json"),
    Json("endpoint delete", "endpoint delete 2665"),
    Json("endpoint regenerate", "endpoint regenerate $ID"),
    Json(
        "endpoint regenerate --prove",
        "endpoint regenerate $ID --prove 1",
    ),
    Json("endpoint rollback", "endpoint rollback $ID"),
    Json("endpoint label", "endpoint label $ID new=yes"),
    Json("policy apply", "policy apply"),
    Json(
        "bpf policy set",
        "bpf policy set $ID ingress --traffic 80/tcp",
    ),
    Json(
        "bpf policy unset",
        "bpf policy unset $ID ingress --traffic 80/tcp",
    ),
    Json("bpf nat flush", "bpf nat flush"),
    Json("policy delete", "policy delete shop/db"),
    Json("node init", "node init"),
    Json("node cleanup", "node cleanup --force"),
    Text("policy confirm", "policy confirm"),
    Text("endpoint log", "endpoint log $ID"),
    Text("completion", "completion bash"),
];

/// On a node without, as `bare.sh` has it.
pub(crate) const BARE: [Row; 9] = [
    Json("selftest", "selftest"),
    Json("bench template", "bench template --rounds 10"),
    Json("bench load", "bench load --endpoints 2"),
    Json("bench datapath", "bench datapath --rounds 3"),
    Json(
        "bench policy",
        "bench policy --endpoints 2 --policies 3 --rounds 3",
    ),
    Json(
        "bench cni",
        "bench cni --rounds 2 --at-once 1,2 --pods 2 --plugin /opt/cni/bin/weir-cni",
    ),
    Json(
        "bench all",
        "bench all --quick --plugin /opt/cni/bin/weir-cni",
    ),
    Json("install", "install --from /run/release --root /run/image"),
    Json("uninstall", "uninstall --root /run/image"),
];
