//! Many pods come and go, many at a time: no address and no id twice, one compile, and in the end what was
//! there in the beginning.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Barrier, Mutex};
use std::thread;

use ep_builder::whole_file;
use serde_json::Value;
use weir_tests::Lab;
use weir_tests::plugin::{Call, Sandbox, configuration};
use weir_tests::pods::{run, set_sysctl};
use weir_tests::residue::{Snapshot, ids_on};

use crate::kill::tell;
use crate::stage::needs;

/// Sizes that no other test has tell our maps from those of tests beside this one. Enough for every pod.
const POLICIES: u64 = 61;
const MAPS: &str = "[maps]\nendpoints = 263\nipcache = 269\npolicy = 61\nmetrics = 257\nevents = 1048576\nfragments = 67\nct_tcp = 4099\nct_any = 4111\n";
/// Without the counters: those grow with the reasons that packets are counted for, not with pods.
const SIZES: [u64; 6] = [263, 269, POLICIES, 67, 4099, 4111];

/// How many pods are there at a time.
const AT_ONCE: usize = 64;

/// How many come and go: `WEIR_SOAK=10000` is the long form.
fn pairs() -> usize {
    let asked = std::env::var("WEIR_SOAK").ok();
    asked.map_or(256, |text| text.parse().expect("WEIR_SOAK is a number"))
}

/// Everything that is in use now.
#[derive(Default)]
struct InUse {
    addresses: BTreeSet<String>,
}

struct Soak {
    lab: Lab,
    configuration: Value,
    pods: Vec<Sandbox>,
    in_use: Mutex<InUse>,
}

impl Soak {
    fn new() -> Self {
        let lab = Lab::with(MAPS);
        set_sysctl("ipv6/conf/default/addr_gen_mode", "1");
        // Without the bundle the first pods need a compile, all at the same time.
        fs::remove_dir_all(lab.node().bundle()).unwrap();
        counting_compiler(&lab);
        let pods = (0..AT_ONCE)
            .map(|number| Sandbox::new(&format!("pod{number}")))
            .collect();
        Self {
            configuration: configuration(&lab),
            pods,
            in_use: Mutex::default(),
            lab,
        }
    }

    /// A pod comes and goes. All of a round are there before the first one goes.
    fn pod(&self, place: usize, number: usize, all_there: &Barrier) {
        let sandbox = &self.pods[place];
        let call = |verb| {
            Call::about(verb, sandbox, &self.configuration)
                .env("CNI_CONTAINERID", format!("c{number}"))
        };
        let result = call("ADD").run();
        let added = result.finished.code == Some(0);
        let addresses: Vec<_> = result.body["ips"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|ip| ip["address"].to_string())
            .collect();
        let is_new = self.take(&addresses);
        all_there.wait();
        // Between the two nobody goes: one of them looks.
        let ids = (place == 0).then(|| (ids_on(&self.lab).len(), Self::links()));
        all_there.wait();
        assert!(added, "{result:?}");
        assert_eq!(
            (addresses.len(), is_new),
            (2, true),
            "pod {number}: {addresses:?}"
        );
        assert!(
            ids.is_none_or(|found| found == (AT_ONCE, AT_ONCE)),
            "{ids:?}"
        );
        self.give_back(&addresses);
        call("DEL").run().expect_success();
    }

    fn take(&self, addresses: &[String]) -> bool {
        let mut in_use = self.in_use.lock().unwrap();
        addresses
            .iter()
            .all(|address| in_use.addresses.insert(address.clone()))
    }

    /// Before DEL: another pod may have it while our DEL has not answered yet.
    fn give_back(&self, addresses: &[String]) {
        let mut in_use = self.in_use.lock().unwrap();
        for address in addresses {
            in_use.addresses.remove(address);
        }
    }

    /// How many different endpoints the marks of the links name.
    fn links() -> usize {
        let said: Value = serde_json::from_str(&run("ip -j link")).unwrap();
        let aliases = said
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|link| link["ifalias"].as_str());
        let ids = aliases.filter_map(|alias| alias.split(':').nth(1));
        ids.collect::<BTreeSet<_>>().len()
    }

    fn round(&self, round: usize) {
        let all_there = Barrier::new(AT_ONCE);
        thread::scope(|scope| {
            for place in 0..AT_ONCE {
                let all_there = &all_there;
                scope.spawn(move || self.pod(place, round * AT_ONCE + place, all_there));
            }
        });
    }

    fn namespaces(&self) -> Vec<&fs::File> {
        self.pods.iter().map(|pod| &pod.namespace).collect()
    }
}

/// Programs, and maps with their bytes, of this test on the whole machine, held by whatever holds them.
#[derive(Debug, PartialEq, Eq)]
struct Objects {
    /// The bytes of each map, by its name.
    maps: Vec<(String, u64)>,
    policies: usize,
    programs: usize,
}

impl Objects {
    fn now() -> Self {
        let list = |what: &str| -> Vec<Value> {
            serde_json::from_str(&run(&format!("bpftool -j {what} show"))).unwrap()
        };
        let number = |object: &Value, key: &str| object[key].as_u64().unwrap_or_default();
        let maps: Vec<_> = list("map").into_iter().filter(is_ours).collect();
        let ids: BTreeSet<_> = maps.iter().map(|map| number(map, "id")).collect();
        let uses = |program: &&Value| {
            let used = program["map_ids"].as_array().into_iter().flatten();
            used.filter_map(Value::as_u64).any(|id| ids.contains(&id))
        };
        let mut named: Vec<_> = maps
            .iter()
            .map(|map| (map["name"].to_string(), number(map, "bytes_memlock")))
            .collect();
        named.sort();
        Self {
            maps: named,
            policies: maps
                .iter()
                .filter(|map| number(map, "max_entries") == POLICIES)
                .count(),
            programs: list("prog").iter().filter(uses).count(),
        }
    }
}

fn is_ours(map: &Value) -> bool {
    let is_named = map["name"]
        .as_str()
        .is_some_and(|name| name.starts_with("weir_"));
    let size = map["max_entries"].as_u64().unwrap_or_default();
    is_named && SIZES.contains(&size)
}

/// A compiler that writes a line for each time it compiles.
fn counting_compiler(lab: &Lab) {
    let file = lab.node().config().with_file_name("clang");
    let (real, lines) = (run("which clang"), compiles_of(lab));
    let text = format!(
        "#!/bin/sh\n[ \"$1\" = --version ] || echo $$ >> {}\nexec {} \"$@\"\n",
        lines.display(),
        real.trim()
    );
    whole_file::write(&file, text.as_bytes()).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    lab.configure(&format!("{MAPS}[clang]\npath = {file:?}\n"));
}

fn compiles_of(lab: &Lab) -> PathBuf {
    lab.node().config().with_file_name("compiles")
}

fn compiles(lab: &Lab) -> usize {
    fs::read_to_string(compiles_of(lab))
        .unwrap()
        .lines()
        .count()
}

#[test]
fn pods_come_and_go_and_nothing_grows() {
    needs!("clang", "bpftool");
    let soak = Soak::new();
    let rounds = pairs().div_ceil(AT_ONCE).max(2);
    let pristine = Snapshot::thorough(&soak.lab, &soak.namespaces());
    soak.round(0);
    assert_eq!(compiles(&soak.lab), 1);
    let before = settled(None);
    for round in 1..rounds {
        soak.round(round);
    }
    let left = Snapshot::thorough(&soak.lab, &soak.namespaces()).since(&pristine);
    assert!(left.is_none(), "left behind:\n{}", left.unwrap());
    assert_eq!(settled(Some(&before)), before);
    // What pods share may stay; of each pod's own there is nothing.
    assert!(
        before.policies == 0 && before.programs < AT_ONCE,
        "{before:?}"
    );
    assert_eq!(compiles(&soak.lab), 1);
    tell(&format!(
        "{} pods came and went, {AT_ONCE} at a time\n",
        rounds * AT_ONCE
    ));
}

/// The kernel frees programs and maps some time after their last holder.
fn settled(expected: Option<&Objects>) -> Objects {
    let mut now = Objects::now();
    for _ in 0..100 {
        let is_settled = expected.map_or_else(
            || now.policies == 0 && Objects::now() == now,
            |expected| *expected == now,
        );
        if is_settled {
            break;
        }
        thread::sleep(std::time::Duration::from_millis(50));
        now = Objects::now();
    }
    now
}
