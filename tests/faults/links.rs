//! Symbolic links, second names, FIFOs, devices and folders at every name that weir makes or opens: a call says so or
//! goes on, ends, and does nothing to what lies elsewhere; when they are gone the next one works.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use weir_tests::Lab;
use weir_tests::plugin::{Call, Sandbox, configuration};
use weir_tests::pods::{MAPS, set_sysctl};
use weir_tests::trace::{self, Places, Traced};

use crate::links_plant::{Plant, Victims, is_random};

/// Of so many cases one is tried, unless all are wanted.
const STRIDE: usize = 4;

/// Enough to see what is wrong.
const ENOUGH: usize = 8;

/// Nobody reaches pods with `app: db`.
const CLOSED: &str = "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed}
spec:
  podSelector: {matchLabels: {app: db}}
  policyTypes: [Ingress]
";

/// A node, a pod that may be wired on it, and what is not weir's.
pub(crate) struct Scene {
    pub(crate) lab: Lab,
    pub(crate) pod: Sandbox,
    configuration: Value,
    pub(crate) victims: Victims,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let lab = Lab::with(MAPS);
        set_sysctl("ipv6/conf/default/addr_gen_mode", "1");
        let scene = Self {
            pod: Sandbox::new("c1"),
            configuration: configuration(&lab),
            victims: Victims::new(lab.node().state().with_file_name("victims")),
            lab,
        };
        scene.lab.node().write_policy("closed.yaml", CLOSED);
        scene
    }

    /// Where all is that weir writes to.
    fn root(&self) -> PathBuf {
        self.lab.node().state().parent().unwrap().to_owned()
    }

    pub(crate) fn call(&self, verb: &str) -> Traced {
        let call = Call::about(verb, &self.pod, &self.configuration);
        call.trace(Places::Effects, None)
    }

    pub(crate) fn succeed(&self, verb: &str) {
        let finished = self.call(verb).finished;
        assert_eq!(finished.code, Some(0), "{verb}: {finished:?}");
    }

    pub(crate) fn weir(&self, arguments: &[&str]) -> Traced {
        let mut command = self.lab.node().command();
        trace::run(command.args(arguments), b"", Places::Effects, None)
    }

    /// The names that calls make or open, of those that a person can foretell.
    fn names(&self, traced: &[Traced]) -> BTreeSet<PathBuf> {
        let (state, log) = (self.lab.node().state(), self.lab.node().log());
        let paths = traced.iter().flat_map(|it| it.calls.iter());
        let paths = paths.filter_map(|call| call.path().map(Path::to_owned));
        let mut names: BTreeSet<_> = paths
            .filter(|path| path.starts_with(&state) || path.starts_with(&log))
            .filter(|path| !is_random(path) && !path.to_string_lossy().ends_with(" (deleted)"))
            .collect();
        collect(&state, &mut names);
        names
    }
}

fn collect(folder: &Path, names: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, names);
        }
        names.insert(path);
    }
}

/// Puts everything to every name, calls, and looks at what became of what lies elsewhere. `again` follows when the
/// thing has been taken away, and must succeed.
fn check(
    what: &str,
    scene: &Scene,
    names: &BTreeSet<PathBuf>,
    call: impl Fn() -> Traced,
    again: impl Fn() -> Option<String>,
) {
    let all = Places::from_environment() == Places::Every;
    let mut defects = Vec::new();
    let mut tried = 0;
    for (number, path) in names.iter().enumerate() {
        for (kind, plant) in Plant::ALL.into_iter().enumerate() {
            if !all && (number + kind) % STRIDE != 0 {
                continue;
            }
            let Some(planted) = scene.victims.plant(plant, path) else {
                continue;
            };
            tried += 1;
            let finished = call().finished;
            let name = path.strip_prefix(scene.root()).unwrap().display();
            let harm = scene.victims.harm(&planted);
            let harm = harm.map(|harm| format!("did harm:\n{harm}"));
            planted.lift();
            let defect = harm.into_iter().chain(again()).next();
            defects.extend(
                defect.map(|it| format!("{what}, {plant:?} at {name}: {it}\n  {finished:?}")),
            );
        }
        if defects.len() >= ENOUGH {
            break;
        }
    }
    assert!(defects.is_empty(), "\n{}", defects.join("\n"));
    assert!(tried > 20, "{what}: {tried} cases");
}

/// What every test here needs.
macro_rules! needs {
    () => {
        weir_tests::need!(
            weir_tests::need::Need::Root,
            weir_tests::need::Need::Tool("clang"),
            weir_tests::need::Need::Tool("ip")
        )
    };
}
pub(crate) use needs;

fn failed(traced: &Traced, what: &str) -> Option<String> {
    let finished = &traced.finished;
    (finished.code != Some(0)).then(|| format!("{what} afterwards: {finished:?}"))
}

#[test]
fn an_add_meets_them() {
    needs!();
    let scene = Scene::new();
    let first = scene.call("ADD");
    scene.succeed("DEL");
    let second = scene.call("ADD");
    let mut names = scene.names(&[first, second]);
    let deleted = scene.call("DEL");
    names.extend(scene.names(&[deleted]));
    check(
        "ADD",
        &scene,
        &names,
        || scene.call("ADD"),
        || {
            let round = ["DEL", "ADD", "DEL"].map(|verb| failed(&scene.call(verb), verb));
            round.into_iter().flatten().next()
        },
    );
}

#[test]
fn a_del_meets_them() {
    needs!();
    let scene = Scene::new();
    scene.succeed("ADD");
    let mut names = scene.names(&[]);
    let traced = scene.call("DEL");
    names.extend(scene.names(&[traced]));
    scene.succeed("ADD");
    check(
        "DEL",
        &scene,
        &names,
        || scene.call("DEL"),
        || {
            let round = ["DEL", "ADD"].map(|verb| failed(&scene.call(verb), verb));
            round.into_iter().flatten().next()
        },
    );
}

/// A command of the operator's, on a node with a pod.
fn check_command(ready: &[&str], arguments: &[&str]) {
    let scene = Scene::new();
    scene.succeed("ADD");
    if !ready.is_empty() {
        scene.lab.weir(ready).expect_success();
    }
    let names = scene.names(&[scene.weir(arguments), scene.weir(arguments)]);
    let what = arguments.join(" ");
    check(
        &what,
        &scene,
        &names,
        || scene.weir(arguments),
        || failed(&scene.weir(arguments), &what),
    );
    scene.succeed("DEL");
}

#[test]
fn an_apply_meets_them() {
    needs!();
    check_command(&[], &["policy", "apply"]);
}

#[test]
fn a_regeneration_meets_them() {
    needs!();
    check_command(&["policy", "apply"], &["endpoint", "regenerate", "--all"]);
}

#[test]
fn a_collection_meets_them() {
    needs!();
    check_command(&["policy", "apply"], &["gc"]);
}

#[test]
fn a_setup_of_the_node_meets_them() {
    needs!();
    check_command(&[], &["node", "init"]);
}

#[test]
fn a_build_of_templates_meets_them() {
    needs!();
    check_command(&[], &["template", "build"]);
}
