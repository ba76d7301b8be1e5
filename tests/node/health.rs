//! The health endpoint: made by `weir node init` as a pod is made, kept from everybody who is not its operator, mended
//! whatever became of it, and gone without a trace.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use ep_builder::whole_file;
use serde_json::{Value, json};
use weir_tests::plugin::{Call, Sandbox};
use weir_tests::pods::{command, run};
use weir_tests::residue::Snapshot;
use weir_tests::trace::{self, Places};

use crate::needs;
use crate::plugin::Plugin;
use crate::world::World;

/// So many places to kill at are tried, dealt out over all there are.
const KILLS: usize = 10;

/// A node whose runtime would call weir-cni with the configuration in a file.
struct Node {
    world: World,
    configuration: Value,
    conflist: PathBuf,
}

impl Node {
    fn new(lines: &str) -> Self {
        let world = World::with(&format!("{lines}{}", weir_tests::pods::MAPS));
        let configuration = Plugin::Weir.configuration(&world);
        let conflist = world.lab.node().state().with_file_name("10-weir.conflist");
        let list = json!({
            "cniVersion": "1.1.0",
            "name": configuration["name"],
            "plugins": [configuration, { "type": "portmap" }],
        });
        whole_file::write(&conflist, list.to_string().as_bytes()).unwrap();
        Self {
            world,
            configuration,
            conflist,
        }
    }

    fn init(&self, more: &[&str]) -> String {
        let conflist = self.conflist.to_str().unwrap();
        let arguments = [&["node", "init", "--conflist", conflist], more].concat();
        let finished = self.world.lab.weir(&arguments);
        let said = finished.stderr.clone();
        finished.expect_success();
        said
    }

    /// The health endpoint as `weir endpoint list` has it.
    fn endpoint(&self) -> Option<Value> {
        let finished = self.world.lab.weir(&["endpoint", "list", "-o", "json"]);
        let all: Vec<Value> = serde_json::from_str(&finished.expect_success()).unwrap();
        let mut ours = all
            .into_iter()
            .filter(|it| it["hostIfname"] == "lxc_health");
        let one = ours.next();
        assert!(ours.next().is_none(), "there is one health endpoint");
        one
    }

    #[track_caller]
    fn assert_answers(&self, what: &str) {
        let endpoint = self.endpoint();
        let endpoint = endpoint.unwrap_or_else(|| panic!("{what}: there is no health endpoint"));
        for family in ["ipv4", "ipv6"] {
            let address = endpoint[family].as_str().unwrap();
            let finished = command(&format!("ping -n -c 1 -W 5 {address}"));
            assert_eq!(finished.code, Some(0), "{what}: {finished:?}");
        }
    }

    #[track_caller]
    fn assert_nothing_is_left(&self, before: &Snapshot, what: &str) {
        if let Some(change) = self.snapshot().since(before) {
            panic!("{what}:\n{change}");
        }
        assert_eq!(kept(), 0, "{what}: a namespace is kept");
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot::of(&self.world.lab, &[], &BTreeSet::new())
    }

    fn apply(&self, document: &str) {
        self.world.lab.node().write_policy("all.yaml", document);
        self.world.lab.weir(&["policy", "apply"]).expect_success();
    }
}

/// How many namespaces are kept for health endpoints where the test is.
fn kept() -> usize {
    let mounts = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    mounts.matches("/health/netns ").count()
}

#[test]
fn it_is_a_pod_that_answers_and_is_made_once() {
    needs!();
    let node = Node::new("");
    let said = node.init(&["--health"]);
    assert!(said.contains("lxc_health was made from"), "{said}");
    node.assert_answers("made");
    let made = node.endpoint().unwrap();
    assert_eq!(
        (&made["identity"], &made["state"]),
        (&4.into(), &"ready".into())
    );
    assert_eq!(
        made["labels"],
        json!([{ "key": "health", "source": "reserved" }])
    );
    for more in [&[][..], &["--health"], &["--health=true"]] {
        assert_eq!(node.init(more), "", "{more:?}");
        assert_eq!(node.endpoint().as_ref(), Some(&made), "{more:?}");
    }
    assert_eq!(kept(), 1);
}

#[test]
fn many_at_once_make_one() {
    needs!();
    let node = Node::new("");
    let conflist = node.conflist.to_str().unwrap();
    let init = || {
        let mut command = node.world.lab.node().command();
        command.args(["node", "init", "--health", "--conflist", conflist]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let running: Vec<_> = (0..6).map(|_| init().spawn().unwrap()).collect();
    for mut child in running {
        assert!(child.wait().unwrap().success());
    }
    node.assert_answers("raced for");
    assert_eq!(kept(), 1);
}

#[test]
fn nobody_but_the_operator_removes_it_or_takes_its_name() {
    needs!();
    let node = Node::new("");
    node.init(&["--health"]);
    let made = node.endpoint().unwrap();
    let mut collecting = node.configuration.clone();
    collecting["cni.dev/valid-attachments"] = json!([]);
    // The second takes away what the first has condemned.
    for _ in 0..3 {
        Call::of("GC", &collecting).run().expect_success();
    }
    node.world.lab.weir(&["gc"]).expect_success();
    let sandbox = Sandbox::new("weir_health");
    let answer = Call::about("ADD", &sandbox, &node.configuration).run();
    let (code, message) = answer.expect_failure();
    assert_eq!(code, 7);
    assert!(message.contains("health endpoint"), "{message}");
    let id = made["id"].to_string();
    let label = node.world.lab.weir(&["endpoint", "label", &id, "app=web"]);
    assert_eq!(label.code, Some(1), "{label:?}");
    assert_eq!(node.endpoint(), Some(made));
    node.assert_answers("collected");
}

#[test]
fn no_policy_selects_it() {
    needs!();
    let node = Node::new("[policy]\nallow_localhost = \"policy\"\n");
    node.init(&["--health"]);
    for document in [
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: all, namespace: default}\nspec: {podSelector: {}, policyTypes: [Ingress, Egress]}\n",
        "apiVersion: weir.dev/v1alpha1\nkind: WeirPolicy\nmetadata: {name: all}\nspec: {policyTypes: [Ingress, Egress]}\n",
    ] {
        node.apply(document);
        node.assert_answers(document);
    }
}

#[test]
fn it_goes_as_it_came() {
    needs!();
    let node = Node::new("");
    // What the state folder has before anything else, and the templates.
    node.init(&["--health"]);
    node.world.lab.weir(&["node", "cleanup"]).expect_success();
    let before = node.snapshot();
    node.init(&["--health"]);
    let said = node.init(&["--health=false"]);
    assert!(said.contains("was removed"), "{said}");
    assert_eq!(node.endpoint(), None);
    assert_eq!(node.init(&[]), "", "what was taken back stays away");
    node.world.lab.weir(&["node", "cleanup"]).expect_success();
    node.assert_nothing_is_left(&before, "taken back");
    node.init(&["--health"]);
    let cleaned = node.world.lab.weir(&["node", "cleanup"]).expect_success();
    assert!(cleaned.contains("lxc_health"), "{cleaned}");
    node.assert_nothing_is_left(&before, "cleaned up");
}

#[test]
fn a_key_of_the_configuration_makes_it_and_takes_it_away() {
    needs!();
    let maps = weir_tests::pods::MAPS;
    let node = Node::new("[node]\nhealth = true\n");
    node.init(&[]);
    node.assert_answers("by the key");
    node.world
        .lab
        .configure(&format!("[node]\nhealth = false\n{maps}"));
    node.init(&[]);
    assert_eq!(node.endpoint(), None);
    // What a command asked for stays without a key.
    node.init(&["--health"]);
    node.init(&[]);
    node.assert_answers("by a command");
}

#[test]
fn whatever_became_of_it_is_mended() {
    needs!();
    let node = Node::new("");
    node.init(&["--health"]);
    let netns = node.world.lab.node().state().join("health/netns");
    let netns = netns.to_str().unwrap();
    let record = netns.replace("/netns", "/health.json");
    run(&format!("mount --bind {netns} {netns}"));
    let unbind = format!("umount -l {netns}");
    let forget = format!("rm {record}");
    for harm in [
        "ip link set lxc_health down",
        "ip link del lxc_health",
        "tc qdisc del dev lxc_health clsact",
        &unbind,
        &forget,
    ] {
        run(harm);
        node.init(&["--health"]);
        node.assert_answers(harm);
        assert_eq!(kept(), 1, "{harm}");
    }
    let id = node.endpoint().unwrap()["id"].to_string();
    node.world
        .lab
        .weir(&["endpoint", "delete", &id])
        .expect_success();
    node.init(&["--health"]);
    node.assert_answers("deleted");
}

#[test]
fn an_init_that_was_killed_is_finished_or_undone() {
    needs!();
    let node = Node::new("");
    node.init(&["--health"]);
    node.world.lab.weir(&["node", "cleanup"]).expect_success();
    let before = node.snapshot();
    let conflist = node.conflist.to_str().unwrap();
    let dying = |place| {
        let mut dying = node.world.lab.node().command();
        dying.args(["node", "init", "--health", "--conflist", conflist]);
        trace::run(&mut dying, b"", Places::Effects, place)
    };
    let places = dying(None).points;
    assert!(places > KILLS, "{places}");
    node.world.lab.weir(&["node", "cleanup"]).expect_success();
    for place in (0..places).step_by(places / KILLS) {
        let killed = dying(Some(place)).killed_before;
        let what = format!("place {place} of {places}, {killed:?}");
        if place % 2 == 0 {
            node.init(&["--health"]);
            node.assert_answers(&what);
            assert_eq!(kept(), 1, "{what}");
        }
        node.world.lab.weir(&["node", "cleanup"]).expect_success();
        node.assert_nothing_is_left(&before, &what);
    }
}

#[test]
fn a_health_endpoint_that_is_silent_makes_the_node_wrong() {
    needs!();
    let node = Node::new("");
    let status = || node.world.lab.weir(&["status", "-o", "json"]);
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    node.init(&["--health"]);
    let fine = read(&status().expect_success());
    assert_eq!(fine["fine"], true, "{fine:#}");
    let pings = fine["health"]["pings"].as_array().unwrap();
    assert_eq!(pings.len(), 2, "{fine:#}");
    assert!(
        pings.iter().all(|ping| ping["microseconds"].is_u64()),
        "{fine:#}"
    );
    run("ip link set lxc_health down");
    let silent = status();
    let report = read(&silent.stdout);
    assert_eq!(
        (silent.code, &report["fine"]),
        (Some(1), &false.into()),
        "{report:#}"
    );
    let problems = report["problems"].as_array().unwrap();
    assert!(
        problems.iter().any(|it| it["part"] == "health"),
        "{report:#}"
    );
    node.init(&[]);
    status().expect_success();
    node.init(&["--health=false"]);
    assert_eq!(
        read(&status().expect_success())["health"]["isWanted"],
        false
    );
}
