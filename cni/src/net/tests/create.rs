//! The pair itself: what is made in one message, and what stands in its way.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use ep_builder::endpoint::MacAddr;
use weir_tests::need;
use weir_tests::need::Need;
use weir_tests::pods::{fd_path, run};

use super::super::{Class, NetError, Owner, Removal};
use super::{Netns, Pod, Wire, become_host, outcome};

#[test]
fn both_ends_are_born_named_addressed_sized_and_down() {
    need!(Need::Root, Need::Tool("ip"));
    become_host();
    let pod = Pod::new(9);
    let netns = pod.netns();
    let wire = Wire::open(&netns).unwrap();
    // With the first, the links have no IPv6 half to be set.
    for mtu in [576, 1280, 9000, 65_535] {
        let pair = pod.create(&wire, mtu, false);
        let host = wire.host().find(&pair.host_name).unwrap().unwrap();
        let inner = wire.pod_link("eth0").unwrap().unwrap();
        assert_eq!((host.mtu, inner.mtu), (mtu, mtu));
        assert_eq!(host.mac, Some(MacAddr([2, 0, 0, 2, 0, 9])));
        assert_eq!(inner.mac, Some(MacAddr([2, 0, 0, 1, 0, 9])));
        assert_eq!(
            (host.index, inner.index),
            (pair.host_ifindex, pair.pod_ifindex)
        );
        assert_eq!(
            (host.peer, inner.peer),
            (Some(inner.index), Some(host.index))
        );
        assert!(host.is_veth && inner.is_veth && !host.is_up && !inner.is_up);
        assert_eq!(host.owner(), Owner::Marked(&pod.alias()));
        let said = run(&format!("ip -d link show {}", pair.host_name));
        let inside = pod.run("ip -d link show eth0");
        // The group that marked it until it had its alias is taken back. Queues that are not used are not made.
        for kept in [
            "group default",
            "numtxqueues 1 ",
            "numrxqueues 1 ",
            "gso_max_size 65536",
            "gso_max_segs 65535",
            "gro_max_size 65536",
        ] {
            assert!(said.contains(kept), "{kept}: {said}");
            assert!(inside.contains(kept), "{kept}: {inside}");
        }
        assert_eq!(
            wire.host().remove(&pod.attachment).unwrap(),
            Removal::Removed
        );
    }
}

#[test]
fn a_taken_name_is_told_apart_by_its_side_and_owner() {
    need!(Need::Root, Need::Tool("ip"));
    become_host();
    let pod = Pod::new(9);
    let netns = pod.netns();
    let wire = Wire::open(&netns).unwrap();
    let again = || {
        pod.with_spec(1500, false, |spec| wire.create_pair(spec))
            .unwrap_err()
    };

    pod.run("ip link add eth0 type veth");
    let error = again();
    assert!(
        matches!(&error, NetError::PodLinkExists(name) if name == "eth0"),
        "{error}"
    );
    assert_eq!(error.class(), Class::Exists);
    pod.run("ip link del eth0");

    let name = pod.attachment.host_name();
    run(&format!("ip link add {name} type veth"));
    let NetError::HostLinkExists(link) = again() else {
        panic!("a foreign link has the name");
    };
    assert_eq!(link.owner(), Owner::Foreign);
    run(&format!("ip link del {name}"));

    pod.create(&wire, 1500, false);
    let NetError::HostLinkExists(link) = again() else {
        panic!("our own link has the name");
    };
    assert_eq!(link.owner(), Owner::Marked(&pod.alias()));
}

#[test]
fn what_is_no_pods_namespace_is_refused() {
    need!(Need::Root, Need::Tool("mkfifo"));
    become_host();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    ep_builder::whole_file::write(&at("file"), b"").unwrap();
    run(&format!("mkfifo {}", at("fifo").display()));
    let own = PathBuf::from("/proc/thread-self/ns/net");
    let other_kind = PathBuf::from("/proc/thread-self/ns/mnt");
    let class = |path: &Path| Netns::open(path, false).map_err(|e| (e.class(), kind(&e)));
    for (path, expected) in [
        (at("missing"), "missing"),
        (at("file").join("below"), "missing"),
        (PathBuf::from("/proc/4194304/ns/net"), "missing"),
        (at("file"), "other"),
        (at("fifo"), "other"),
        (folder.path().to_owned(), "other"),
        (PathBuf::from("/proc/version"), "other"),
        (other_kind, "other"),
        (own.clone(), "own"),
    ] {
        assert_eq!(
            class(&path).unwrap_err(),
            (Class::Namespace, expected),
            "{path:?}"
        );
    }
    Netns::open(&own, true).expect("the caller may mean it");
    assert!(class(Path::new(std::ffi::OsStr::from_bytes(b"/\xff"))).is_err());
}

fn kind(error: &NetError) -> &'static str {
    match error {
        NetError::NoNamespace(_) => "missing",
        NetError::NotNamespace { .. } => "other",
        NetError::OwnNamespace(_) => "own",
        _ => "unexpected",
    }
}

#[test]
fn a_visit_ends_at_home_even_by_a_panic() {
    need!(Need::Root);
    become_host();
    let here = || std::fs::read_link("/proc/thread-self/ns/net").unwrap();
    let (home, pod) = (here(), Pod::new(3));
    let netns = pod.netns();
    let inside = netns.within(here).unwrap();
    assert_ne!(inside, home);
    assert_eq!(here(), home);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        netns.within(|| panic!("a test's own"))
    }));
    assert!(panicked.is_err());
    assert_eq!(here(), home);
}

#[test]
fn a_pair_that_cannot_come_up_says_which_address_is_taken() {
    need!(Need::Root, Need::Tool("ip"));
    become_host();
    let (first, second) = (Pod::new(1), Pod::new(2));
    let taken = outcome(&["10.88.0.7/16"], &[]);
    first.wire(&taken, 1500);
    let netns = second.netns();
    let wire = Wire::open(&netns).unwrap();
    let pair = second.create(&wire, 1500, false);
    let plan = super::Plan::new(&taken, 1500).unwrap();
    let error = wire.bring_up(&pair, &plan, &second.bandwidth).unwrap_err();
    assert_eq!(error.class(), Class::Exists);
    assert!(error.to_string().contains("10.88.0.7"), "{error}");
    assert!(error.advice().unwrap().contains("in use"));
}

#[test]
fn a_pod_that_is_gone_is_no_namespace() {
    need!(Need::Root);
    become_host();
    let pod = Pod::new(4);
    let path = fd_path(&pod.namespace);
    drop(pod);
    let error = Netns::open(Path::new(&path), false).unwrap_err();
    assert_eq!(error.class(), Class::Namespace);
    let said = format!("{error}: {}", error.advice().unwrap());
    assert!(
        !said.contains("not found") && !said.contains("o such file"),
        "{said}"
    );
}
