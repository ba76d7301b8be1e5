//! Everything works with three capabilities, or two; and where one of these lacks, whoever fails says which.

use std::process::Command;

use serde_json::Value;
use weir_tests::need::Need;
use weir_tests::plugin::{Answer, Call, Sandbox, configuration};
use weir_tests::pods::{MAPS, set_sysctl};
use weir_tests::{Finished, Lab, need, process};

const POLICY: &str = "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed}
spec:
  podSelector: {}
  policyTypes: [Ingress]
";

/// What every test here needs.
macro_rules! needs {
    () => {
        need!(
            Need::Root,
            Need::Tool("clang"),
            Need::Tool("ip"),
            Need::Tool("setpriv")
        )
    };
}

/// A node, and a pod that is wired or not.
struct Scene {
    lab: Lab,
    pod: Sandbox,
    configuration: Value,
}

impl Scene {
    fn new() -> Self {
        let lab = Lab::with(MAPS);
        set_sysctl("ipv6/conf/default/addr_gen_mode", "1");
        Self {
            pod: Sandbox::new("c1"),
            configuration: configuration(&lab),
            lab,
        }
    }

    fn with_all(&self, verb: &str) -> Value {
        let call = Call::about(verb, &self.pod, &self.configuration);
        call.run().expect_success()
    }

    /// A call of a runtime that has these rights alone.
    fn call(&self, rights: &str, verb: &str) -> Answer {
        let call = Call::about(verb, &self.pod, &self.configuration);
        call.under(&setpriv(rights)).run()
    }

    /// A command of an operator who has these rights alone.
    fn weir(&self, rights: &str, line: &str) -> Finished {
        let own = self.lab.node().command();
        let [program, before @ ..] = setpriv(rights);
        let mut command = Command::new(program);
        command
            .args(before)
            .arg(own.get_program())
            .args(own.get_args())
            .args(line.split_whitespace());
        for variable in ["WEIR_CONFIG", "CLANG"] {
            command.env_remove(variable);
        }
        process::run(&mut command)
    }

    /// The number of the wired pod.
    fn id(&self) -> String {
        let listed = self.lab.weir(&["endpoint", "list", "-o", "json"]);
        let rows: Value = serde_json::from_str(&listed.expect_success()).unwrap();
        rows[0]["id"].as_u64().unwrap().to_string()
    }
}

/// Root without any right but these: what root starts has no more than the bounding set.
fn setpriv(rights: &str) -> [&str; 5] {
    ["setpriv", "--inh-caps", "-all", "--bounding-set", rights]
}

/// With state of its own, compiling its templates, from the first pod to the last command.
fn check_enough(rights: &str) {
    let scene = Scene::new();
    std::fs::remove_dir_all(scene.lab.node().bundle()).unwrap();
    let call = |verb| scene.call(rights, verb).expect_success();
    let weir = |line: &str| {
        let finished = scene.weir(rights, line);
        assert_eq!(finished.code, Some(0), "{line}: {finished:?}");
        finished.stdout
    };
    call("STATUS");
    let mut configuration = scene.configuration.clone();
    configuration["prevResult"] = call("ADD");
    let check = Call::about("CHECK", &scene.pod, &configuration).under(&setpriv(rights));
    check.run().expect_success();
    let id = scene.id();
    scene.lab.node().write_policy("a.yaml", POLICY);
    for line in [
        "policy apply",
        "endpoint regenerate --all --force",
        &format!("endpoint label {id} a=b"),
        &format!("endpoint rollback {id}"),
        "node init",
        "template verify",
        "gc",
        "node cleanup",
    ] {
        weir(line);
    }
    assert!(weir("doctor").contains("all that are needed"));
    call("DEL");
}

#[test]
fn three_capabilities_are_enough() {
    needs!();
    check_enough("-all,+bpf,+net_admin,+sys_admin");
}

/// What runtimes give that are older than `CAP_BPF`.
#[test]
fn two_are_since_one_has_others_in_it() {
    needs!();
    check_enough("-all,+net_admin,+sys_admin");
}

/// Without a right, what each fails with; DEL may be done without, if there is nothing to do.
const LACKS: [(&str, &str, &[&str]); 3] = [
    (
        "-all,+bpf,+net_admin",
        "CAP_SYS_ADMIN",
        &["endpoint regenerate --all --force", "node init"],
    ),
    (
        "-all,+bpf,+sys_admin",
        "CAP_NET_ADMIN",
        &["endpoint regenerate --all --force", "node init"],
    ),
    (
        "-all",
        "CAP_NET_ADMIN",
        &["endpoint regenerate --all --force", "node init"],
    ),
];

#[test]
fn the_one_that_lacks_is_named_and_nothing_changes() {
    needs!();
    let scene = Scene::new();
    let mut configuration = scene.configuration.clone();
    for (rights, name, lines) in LACKS {
        for verb in ["STATUS", "ADD"] {
            let answer = scene.call(rights, verb);
            answer.expect_failure();
            let said = answer.body.to_string();
            assert!(said.contains(name), "{rights}: {verb}: {said}");
        }
        configuration["prevResult"] = scene.with_all("ADD");
        for line in lines {
            let finished = scene.weir(rights, line);
            let said = &finished.stderr;
            let refused = finished.code != Some(0) && said.contains(name);
            assert!(refused, "{rights}: {line}: {finished:?}");
        }
        let doctor = scene.weir(rights, "doctor").stdout;
        assert!(doctor.contains(&format!("without {name}")), "{doctor}");
        // What was in force is in force.
        let check = Call::about("CHECK", &scene.pod, &configuration);
        check.run().expect_success();
        scene.with_all("DEL");
    }
}
