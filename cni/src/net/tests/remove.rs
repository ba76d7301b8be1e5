//! Removing: what is ours goes, what is not stays.

use std::collections::BTreeSet;
use std::thread;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use weir_tests::need;
use weir_tests::need::Need;
use weir_tests::pods::{command, inside, run};

use super::super::error::Task;
use super::super::link;
use super::super::socket::Request;
use super::super::{HostSide, Owner, Removal};
use super::{Pod, Wire, attachment, become_host, outcome};

#[test]
fn a_pod_goes_with_its_routes_and_once() {
    need!(Need::Root, Need::Tool("ip"));
    become_host();
    let before = run("ip route show table all") + &run("ip -6 route show table all");
    let pod = Pod::new(5);
    pod.wire(&outcome(&["10.88.0.5/16", "fd88::5/64"], &[]), 1500);
    let host = HostSide::open().unwrap();
    assert_eq!(host.remove(&pod.attachment).unwrap(), Removal::Removed);
    assert_eq!(host.remove(&pod.attachment).unwrap(), Removal::Absent);
    assert_eq!(host.find(&pod.attachment.host_name()).unwrap(), None);
    let after = run("ip route show table all") + &run("ip -6 route show table all");
    assert_eq!(after, before);
    assert!(!pod.run("ip link").contains("eth0"));
}

#[test]
fn a_link_that_is_not_ours_is_left_alone() {
    need!(Need::Root, Need::Tool("ip"));
    become_host();
    let host = HostSide::open().unwrap();
    let ours = attachment("container", "eth0");
    let name = ours.host_name();
    let strangers = [
        // Another kind, no alias, another's alias, another attachment's of ours.
        ("bridge", ""),
        ("veth", ""),
        ("veth", "cali:1:container:eth0"),
        ("veth", "weir:7:another:eth0"),
        ("veth", "weir:7:container:eth1"),
        ("veth", "weir"),
    ];
    for (kind, alias) in strangers {
        run(&format!("ip link add {name} type {kind}"));
        if !alias.is_empty() {
            run(&format!("ip link set {name} alias {alias}"));
        }
        let removal = host.remove(&ours).unwrap();
        assert!(
            matches!(removal, Removal::Foreign(_)),
            "{kind} {alias:?}: {removal:?}"
        );
        run(&format!("ip link del {name}"));
    }
    run(&format!("ip link add {name} type veth"));
    run(&format!("ip link set {name} alias weir:7:container:eth0"));
    assert_eq!(host.remove(&ours).unwrap(), Removal::Removed);
}

#[test]
fn a_pair_of_a_process_that_died_before_its_mark_is_known_and_goes() {
    need!(Need::Root, Need::Tool("ip"));
    become_host();
    let pod = Pod::new(8);
    let netns = pod.netns();
    let host = HostSide::open().unwrap();
    // The first message of an ADD, and no second one.
    let request = pod.with_spec(1500, false, |spec| Request {
        task: Task::CreatePair,
        link: spec.host_name.to_owned(),
        flags: NLM_F_CREATE | NLM_F_EXCL,
        message: link::pair(
            spec,
            std::os::fd::AsRawFd::as_raw_fd(&std::os::fd::AsFd::as_fd(&netns)),
        ),
    });
    host.socket.demand(vec![request]).unwrap();
    let name = pod.attachment.host_name();
    let found = host.find(&name).unwrap().unwrap();
    assert_eq!(found.owner(), Owner::Unfinished);
    assert_eq!(host.ours().unwrap(), std::slice::from_ref(&found));
    // The same link under a name that no ADD gives, or with somebody's alias, is somebody's.
    run(&format!("ip link set {name} name lxcabc"));
    assert_eq!(
        host.find("lxcabc").unwrap().unwrap().owner(),
        Owner::Foreign
    );
    run(&format!("ip link set lxcabc name {name}"));
    run(&format!("ip link set {name} alias mine"));
    assert_eq!(host.find(&name).unwrap().unwrap().owner(), Owner::Foreign);
    run(&format!("ip link set {name} alias weir:8:container-8:eth0"));
    assert_eq!(host.remove_link(&found).unwrap(), Removal::Removed);
    assert_eq!(host.remove_link(&found).unwrap(), Removal::Absent);
    assert_eq!(host.ours().unwrap(), []);
}

#[test]
fn the_list_of_ours_has_no_stranger() {
    need!(Need::Root, Need::Tool("ip"));
    become_host();
    let pods = [1, 2, 3].map(Pod::new);
    for pod in &pods {
        let v4 = format!("10.88.0.{}/16", pod.id);
        pod.wire(&outcome(&[&v4], &[]), 1500);
    }
    run("ip link add lxc0123456789ab type veth peer name other");
    run("ip link add weird type bridge");
    run("ip link set weird alias weir:5:x:y");
    let host = HostSide::open().unwrap();
    let found = host.ours().unwrap();
    let names: BTreeSet<_> = found.iter().map(|link| link.name.clone()).collect();
    let expected = pods.iter().map(|pod| pod.attachment.host_name()).collect();
    assert_eq!(names, expected);
    for link in &found {
        assert_eq!(host.remove_link(link).unwrap(), Removal::Removed);
    }
    assert_eq!(host.ours().unwrap(), []);
    assert!(command("ip link show lxc0123456789ab").code == Some(0));
}

#[test]
fn twenty_at_a_time_leave_nothing() {
    need!(Need::Root, Need::Tool("ip"));
    become_host();
    let host = std::fs::File::open("/proc/thread-self/ns/net").unwrap();
    let pods: Vec<_> = (1..=20).map(Pod::new).collect();
    thread::scope(|scope| {
        for pod in &pods {
            let host = &host;
            scope.spawn(move || {
                inside(host, || {
                    let (v4, v6) = (
                        format!("10.88.1.{}/16", pod.id),
                        format!("fd88::1:{}/64", pod.id),
                    );
                    for _ in 0..3 {
                        pod.wire(&outcome(&[&v4, &v6], &[]), 1500);
                        let side = HostSide::open().unwrap();
                        assert_eq!(side.remove(&pod.attachment).unwrap(), Removal::Removed);
                    }
                });
            });
        }
    });
    assert!(!run("ip link").contains("lxc"));
    for pod in &pods {
        assert!(!pod.run("ip link").contains("eth0"));
        let netns = pod.netns();
        assert_eq!(Wire::open(&netns).unwrap().pod_link("eth0").unwrap(), None);
    }
}
