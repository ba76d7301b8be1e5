//! ADDs that find a bare node, and set it up for a pod that leaves it with its address and has a port of it: killed
//! at every place, and nothing is left after DEL and `weir node cleanup`.

use serde_json::json;
use weir_tests::plugin::Call;
use weir_tests::pods::{GATEWAYS, run};
use weir_tests::trace::Places;

use crate::kill::{Share, at_places};
use crate::stage::{Stage, needs};
use crate::verbs::add_again;

/// How many tests share the places: each takes several commands, and they run side by side.
const PARTS: usize = 4;

/// A node with a device that leads outside, of which nothing is made yet.
fn stage() -> Stage {
    let mut stage = Stage::alone();
    for gateway in GATEWAYS {
        run(&format!("ip addr del {gateway} dev lo"));
    }
    run("ip link add up0 type veth peer name far0");
    for device in ["far0", "up0"] {
        run(&format!("ip link set {device} up"));
    }
    run("ip addr add 192.0.2.1/24 dev up0");
    run("ip addr add 2001:db8:2::1/64 dev up0 nodad");
    for router in ["192.0.2.254", "2001:db8:2::fe"] {
        run(&format!("ip route add default via {router}"));
    }
    stage.change(|configuration| {
        let port = json!({"hostPort": 8_080, "containerPort": 80, "protocol": "tcp"});
        configuration["ipMasq"] = true.into();
        configuration["runtimeConfig"] = json!({ "portMappings": [port] });
    });
    // The state folder gets what stays in it.
    stage.add();
    clean(&stage);
    stage
}

/// As a runtime and an operator do.
fn clean(stage: &Stage) {
    stage.del();
    stage.lab.weir(&["node", "cleanup"]).expect_success();
}

/// Every other place of a part is followed by an ADD, which finishes what was begun, and every other one by none.
fn check(part: usize) {
    let stage = stage();
    let mut watch = stage.watch();
    let share = Share {
        first: part,
        step: PARTS,
    };
    at_places("ADD on a bare node", 0, share, |place| {
        let add: Call = stage.call("ADD");
        let cut = add.trace(Places::from_environment(), Some(place));
        watch.note_ids();
        if (place / PARTS).is_multiple_of(2) {
            add_again(&stage);
        }
        clean(&stage);
        (cut, watch.residue())
    });
    watch.assert_nothing();
    stage.add();
    clean(&stage);
}

#[test]
fn a_killed_setup_leaves_nothing_first_part() {
    needs!();
    check(0);
}

#[test]
fn a_killed_setup_leaves_nothing_second_part() {
    needs!();
    check(1);
}

#[test]
fn a_killed_setup_leaves_nothing_third_part() {
    needs!();
    check(2);
}

#[test]
fn a_killed_setup_leaves_nothing_fourth_part() {
    needs!();
    check(3);
}
