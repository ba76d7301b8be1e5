//! `weir endpoint attach` and `delete`, killed at every place: what hooks of an operator may meet.

use std::path::{Path, PathBuf};

use ep_builder::whole_file;
use weir_tests::need::Need;
use weir_tests::pods::{command, set_sysctl};
use weir_tests::trace::{self, Places, Traced};
use weir_tests::{Lab, Pod, need};

use crate::kill::{Watch, at_every_place};

fn described(lab: &Lab, pod: &Pod) -> PathBuf {
    let file = lab.node().config().with_file_name("killed.json");
    whole_file::write(&file, &serde_json::to_vec(&pod.endpoint).unwrap()).unwrap();
    file
}

fn traced(lab: &Lab, arguments: &[&str], kill_at: Option<usize>) -> Traced {
    let mut command = lab.node().command();
    trace::run(
        command.args(arguments),
        b"",
        Places::from_environment(),
        kill_at,
    )
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A node with an endpoint that is not attached any more. Links get no address by themselves, some time later.
fn node_with_pod(id: u16) -> (Lab, Pod) {
    let lab = Lab::new();
    set_sysctl("ipv6/conf/default/addr_gen_mode", "1");
    let pod = lab.pod(id);
    delete(&lab, &pod);
    (lab, pod)
}

/// One that is not there any more is deleted too; what has no record is for `gc`.
fn delete(lab: &Lab, pod: &Pod) {
    lab.weir(&["endpoint", "delete", &pod.id()]);
    lab.weir(&["gc"]).expect_success();
    // An empty queue does nothing. Whose it is nobody knows, so a second delete leaves it alone.
    command(&format!("tc qdisc del dev lxc{} clsact", pod.id()));
}

#[test]
fn an_endpoint_that_was_half_attached_can_be_deleted_and_attached() {
    need!(
        Need::Root,
        Need::Templates,
        Need::Tool("ip"),
        Need::Tool("tc")
    );
    let (lab, pod) = node_with_pod(7);
    let file = described(&lab, &pod);
    let mut watch = Watch::new(&lab, &[]);
    at_every_place("weir endpoint attach", 0, |place| {
        let cut = traced(&lab, &["endpoint", "attach", text(&file)], Some(place));
        watch.note_ids();
        delete(&lab, &pod);
        let mut defect = watch.residue();
        if defect.is_none() {
            lab.attach(&pod.endpoint);
            delete(&lab, &pod);
            defect = watch
                .residue()
                .map(|left| format!("after another one:\n{left}"));
        }
        (cut, defect)
    });
    watch.assert_nothing();
}

#[test]
fn an_endpoint_that_was_half_deleted_can_be_deleted() {
    need!(
        Need::Root,
        Need::Templates,
        Need::Tool("ip"),
        Need::Tool("tc")
    );
    let (lab, pod) = node_with_pod(8);
    let mut watch = Watch::new(&lab, &[]);
    at_every_place("weir endpoint delete", 0, |place| {
        lab.attach(&pod.endpoint);
        let cut = traced(&lab, &["endpoint", "delete", &pod.id()], Some(place));
        watch.note_ids();
        delete(&lab, &pod);
        (cut, watch.residue())
    });
    watch.assert_nothing();
}
