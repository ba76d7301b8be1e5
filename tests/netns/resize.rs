//! Maps get another size under running pods: no connection and no rule is lost.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use ep_builder::maps::{Conntrack, MapName};
use weir_tests::pods::MAPS;
use weir_tests::{Lab, Pod};

use crate::lifecycle::needs;
use crate::policy::{CLOSED, Stage};
use crate::regenerate::{fault, generation, in_force, number, regenerate};

const PATIENCE: Duration = Duration::from_secs(5);
const SILENCE: Duration = Duration::from_millis(400);

/// An open connection to a pod that sends back what it gets.
struct Open(TcpStream);

impl Open {
    fn new(from: &Pod, to: &Pod, family: usize) -> Self {
        let place = SocketAddr::new(to.addresses()[family], 80);
        let stream = from.inside(|| TcpStream::connect_timeout(&place, PATIENCE).unwrap());
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    fn talks(&mut self, when: &str) {
        self.0.write_all(when.as_bytes()).unwrap();
        let mut heard = vec![0; when.len()];
        self.0
            .read_exact(&mut heard)
            .unwrap_or_else(|error| panic!("{when}: {error}"));
        assert_eq!(heard, when.as_bytes());
    }
}

fn size(lab: &Lab, map: MapName) -> u32 {
    lab.maps().facts(map).unwrap().max_entries
}

fn lines(tcp: u32, any: u32, policy: u32) -> String {
    MAPS.replace("ct_tcp = 4096", &format!("ct_tcp = {tcp}"))
        .replace("ct_any = 4096", &format!("ct_any = {any}"))
        .replace("policy = 64", &format!("policy = {policy}"))
}

/// The pod whose replies come back only while its connections are remembered: nobody may reach it.
fn resized(owns_its_conntrack: bool) {
    let stage = Stage::new();
    let (mut closed, server) = (
        stage.pod(1, &[("app", "db")]),
        stage.pod(2, &[("app", "web")]),
    );
    let options = &mut closed.endpoint.options;
    options
        .set("ConntrackLocal", u8::from(owns_its_conntrack))
        .unwrap();
    stage.lab.attach(&closed.endpoint);
    stage.write("a.yaml", &[CLOSED]);
    let lab = &stage.lab;
    lab.weir(&["policy", "apply"]).expect_success();
    let mut open = [0, 1].map(|family| Open::new(&closed, &server, family));
    let rules = || {
        let policy = lab.maps().policy(number(1)).unwrap();
        policy.entries().unwrap().len()
    };
    let before = rules();
    let owner = owns_its_conntrack.then(|| number(1));
    for (tcp, any, policy) in [(8192, 2048, 128), (1024, 4096, 32)] {
        lab.configure(&lines(tcp, any, policy));
        for it in &mut open {
            it.talks("before");
        }
        for row in regenerate(lab, &["--all"]) {
            assert_eq!(row["done"], "template", "{row}");
        }
        for it in &mut open {
            it.talks("after");
        }
        for map in Conntrack::all(owner) {
            let wanted = if map.tcp { tcp } else { any };
            assert_eq!(size(lab, MapName::Conntrack(map)), wanted, "{map:?}");
        }
        assert_eq!(size(lab, MapName::Policy(number(1))), policy);
        assert_eq!(rules(), before);
        for id in [1, 2] {
            assert_eq!(fault(lab, id), None);
        }
        assert!(
            !lab.pins().iter().any(|name| name.ends_with("__new")),
            "{:?}",
            lab.pins()
        );
        // It is closed as before.
        let place = SocketAddr::new(closed.addresses()[0], 80);
        let reached = server.inside(|| TcpStream::connect_timeout(&place, SILENCE));
        assert!(reached.is_err());
    }
}

#[test]
fn connections_and_rules_move_to_maps_of_another_size() {
    needs!();
    resized(false);
}

#[test]
fn connections_of_one_endpoint_alone_move_too() {
    needs!();
    resized(true);
}

#[test]
fn what_does_not_fit_or_cannot_move_changes_nothing() {
    needs!();
    let stage = Stage::new();
    let (a, b) = (stage.pod(1, &[("app", "db")]), stage.pod(2, &[]));
    let lab = &stage.lab;
    let mut open = Open::new(&a, &b, 0);
    let now = || (in_force(lab, 1), generation(lab, 1), lab.pins());
    let before = now();
    for (lines, arguments, part) in [
        // The two entries that let everybody in.
        (lines(4096, 4096, 1), &["1"][..], "weir_policy_00001"),
        (
            MAPS.replace("ipcache = 64", "ipcache = 128"),
            &["1"],
            "weir_ipcache",
        ),
        // Others would be left on a map without a name.
        (
            lines(8192, 4096, 64),
            &["1"],
            "weir endpoint regenerate --all",
        ),
    ] {
        lab.configure(&lines);
        let words = [&["endpoint", "regenerate"], arguments].concat();
        let finished = lab.weir(&words);
        assert_eq!(finished.code, Some(8), "{part}: {finished:?}");
        assert!(finished.stderr.contains(part), "{part}: {finished:?}");
        assert_eq!(now(), before, "{part}");
        open.talks(part);
    }
}
