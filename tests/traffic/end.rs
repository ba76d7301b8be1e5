//! An endpoint that is deleted leaves nothing, and its successor inherits nothing.

use weir_tests::Lab;
use weir_tests::need::Need;
use weir_tests::pods::run;

use crate::talk::{At, Connection, PATIENCE, needs, reaches};

#[test]
fn a_deleted_endpoint_leaves_no_pin_filter_or_entry() {
    needs!(Need::Tool("tc"));
    let lab = Lab::new();
    let (a, b) = (lab.pod(1), lab.pod(2));
    reaches(At::In(&a), At::In(&b));
    let connection = Connection::open(At::In(&a), At::In(&b), 0, 0, PATIENCE).unwrap();
    let filters = || {
        let sides = ["ingress", "egress"];
        sides.map(|side| run(&format!("tc filter show dev lxc1 {side}")))
    };
    assert!(filters().iter().all(|text| text.contains("bpf_lxc.o")));
    lab.weir(&["endpoint", "delete", "1"]).expect_success();

    assert_eq!(filters(), ["", ""]);
    let pins = lab.pins();
    assert!(!pins.iter().any(|name| name.contains("00001")), "{pins:?}");
    assert!(
        pins.iter().any(|name| name == "weir_policy_00002"),
        "{pins:?}"
    );
    for table in ["ipcache", "endpoint", "ct", "policy"] {
        let text = lab
            .weir(&["bpf", table, "list", "-o", "json"])
            .expect_success();
        for address in a.addresses() {
            assert!(!text.contains(&format!("\"{address}")), "{table}: {text}");
        }
    }
    let list = lab
        .weir(&["endpoint", "list", "-o", "json"])
        .expect_success();
    assert!(
        !list.contains("container-1") && list.contains("container-2"),
        "{list}"
    );
    drop(connection);

    // The last one takes its own pins along; those that all share may stay for the next.
    lab.weir(&["endpoint", "delete", "2"]).expect_success();
    let pins = lab.pins();
    let own = pins.iter().find(|name| name.contains("_0000"));
    assert_eq!(own, None);
    lab.attach(&a.endpoint);
    lab.attach(&b.endpoint);
    reaches(At::In(&a), At::In(&b));
}
