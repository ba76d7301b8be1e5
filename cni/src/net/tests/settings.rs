//! Settings: of the pod, of the host end, of the host.

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use weir_tests::need;
use weir_tests::need::Need;
use weir_tests::pods::{inside, run, set_sysctl};

use super::super::{HostSide, NetError};
use super::check::difference;
use super::{Plan, Pod, Wire, become_host, outcome};

#[test]
fn ipv6_comes_up_where_new_links_have_none() {
    need!(Need::Root, Need::Tool("ip"));
    become_host();
    set_sysctl("ipv6/conf/default/disable_ipv6", "1");
    let pod = Pod::new(5);
    inside(&pod.namespace, || {
        set_sysctl("ipv6/conf/default/disable_ipv6", "1");
    });
    let given = outcome(&["fd88::5/64"], &[]);
    pod.wire(&given, 1400);
    assert_eq!(difference(&pod, &given), None);
}

#[test]
fn a_host_end_without_ipv6_has_no_address_and_never_listens_to_routers() {
    need!(Need::Root, Need::Tool("ip"));
    become_host();
    let (v4, v6) = (Pod::new(5), Pod::new(6));
    let silent = v4.wire(&outcome(&["10.88.0.5/16"], &[]), 1400).host_name;
    let speaking = v6.wire(&outcome(&["fd88::6/64"], &[]), 1400).host_name;
    assert_eq!(run(&format!("ip -6 addr show dev {silent}")), "");
    assert!(run(&format!("ip -6 addr show dev {speaking}")).contains("fe80::"));
    let says = |file: String| {
        std::fs::read_to_string(format!("/proc/thread-self/root/proc/sys/net/{file}")).unwrap()
    };
    for link in [&silent, &speaking] {
        assert_eq!(says(format!("ipv6/conf/{link}/accept_ra")).trim(), "0");
        assert_eq!(says(format!("ipv4/conf/{link}/rp_filter")).trim(), "0");
        assert_eq!(says(format!("ipv4/conf/{link}/forwarding")).trim(), "1");
    }
}

/// `/proc/sys` becomes read-only for the test's thread, in a mount namespace of its own.
fn make_sysctls_read_only() {
    const NONE: Option<&str> = None;
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE).unwrap();
    mount(Some("/proc/sys"), "/proc/sys", NONE, MsFlags::MS_BIND, NONE).unwrap();
    let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    mount(NONE, "/proc/sys", NONE, flags, NONE).unwrap();
}

#[test]
fn settings_that_are_right_are_not_written() {
    need!(Need::Root, Need::Tool("ip"));
    become_host();
    let right = [
        ("ipv4/ip_forward", "1"),
        ("ipv6/conf/all/forwarding", "1"),
        ("ipv6/conf/default/accept_ra", "0"),
        ("ipv6/conf/default/accept_dad", "0"),
        ("ipv6/conf/default/keep_addr_on_down", "1"),
    ];
    let pods = [Pod::new(5), Pod::new(6)];
    for (file, value) in right {
        set_sysctl(file, value);
        inside(&pods[0].namespace, || set_sysctl(file, value));
    }
    make_sysctls_read_only();
    let given = outcome(&["10.88.0.5/16", "fd88::5/64"], &[]);
    pods[0].wire(&given, 1400);
    assert_eq!(difference(&pods[0], &given), None);

    // In the second pod one is wrong: it is named, with what it says.
    let netns = pods[1].netns();
    let wire = Wire::open(&netns).unwrap();
    let pair = pods[1].create(&wire, 1400, true);
    let given = outcome(&["10.88.0.6/16", "fd88::6/64"], &[]);
    let error = wire
        .adjust(&pair, &Plan::new(&given, 1400).unwrap())
        .unwrap_err();
    assert!(matches!(error, NetError::Setting { .. }), "{error}");
    assert!(error.to_string().contains("accept_dad is \"1\""), "{error}");
    assert!(error.advice().unwrap().contains("read-only"));
}

#[test]
fn the_mtu_is_that_of_the_way_out() {
    need!(Need::Root, Need::Tool("ip"));
    let cases: &[(&[&str], u32)] = &[
        (&[], 1500),
        (&["ip route add default via 192.0.2.1"], 1432),
        (&["ip route add default via 192.0.2.1 mtu 1337"], 1337),
        (&["ip -6 route add default via 2001:db8::1"], 1432),
        (&["ip route add default dev lo"], 65_535),
        (&["ip route add unreachable default"], 1500),
        (
            &["ip route add default nexthop via 192.0.2.1 nexthop via 192.0.2.3"],
            1432,
        ),
    ];
    for (lines, expected) in cases {
        become_host();
        run("ip link add up0 mtu 1432 type veth peer name up1");
        run("ip link set up1 up");
        run("ip link set up0 up");
        run("ip addr add 192.0.2.2/24 dev up0");
        run("ip addr add 2001:db8::2/64 dev up0 nodad");
        for line in *lines {
            run(line);
        }
        let host = HostSide::open().unwrap();
        assert_eq!(host.default_mtu().unwrap(), *expected, "{lines:?}");
    }
}
