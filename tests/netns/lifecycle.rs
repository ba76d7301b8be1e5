//! An endpoint comes, works, goes and comes again.

use ep_builder::attach::Hook;
use ep_builder::bpf::Program;
use ep_builder::load;

use crate::node::{Host, filters, map};
use crate::pod::{Pod, endpoint_key};
use crate::traffic::{reaches, tcp_round};

/// What every test here needs.
macro_rules! needs {
    () => {
        weir_tests::need!(
            weir_tests::need::Need::Root,
            weir_tests::need::Need::Templates,
            weir_tests::need::Need::Tool("ip"),
            weir_tests::need::Need::Tool("tc")
        )
    };
}
pub(crate) use needs;

#[test]
fn an_installed_endpoint_stands_as_stock_tools_expect_and_forwards() {
    needs!();
    let host = Host::new();
    let (a, b) = (Pod::new(&host, 11), Pod::new(&host, 12));
    let installed = a.install();
    b.install();
    for hook in Hook::OF_ENDPOINT {
        let there = filters("lxc11", hook);
        let [filter] = there.as_slice() else {
            panic!("one filter on {hook}: {there:?}");
        };
        assert_eq!((filter.priority, filter.handle), (1, 1), "{filter:?}");
        assert_eq!(filter.name, format!("bpf_lxc.o:[{hook}]"));
        assert!(filter.direct_action, "{filter:?}");
        let loaded = installed
            .programs
            .iter()
            .find(|p| p.section == hook.section());
        let loaded = loaded.unwrap();
        assert_eq!(filter.program_id, Some(loaded.id));
        assert_eq!(filter.tag, Some(loaded.tag));
    }
    assert!(installed.verified_instructions() > 100);
    assert!(installed.notices().is_empty(), "{:?}", installed.notices());
    for pin in [
        "weir_policy_00011",
        "weir_calls_00011",
        "weir_call_policy",
        "weir_metrics",
    ] {
        assert!(
            host.pins().iter().any(|name| name == pin),
            "{pin}: {:?}",
            host.pins()
        );
    }
    assert!(!host.pins().iter().any(|name| name.contains("__new")));
    reaches(&a, &b);
    let bytes: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_le_bytes).collect();
    for address in b.addresses() {
        assert!(tcp_round(&a, &b, address, &bytes), "{address}");
    }
}

#[test]
fn an_uninstalled_endpoint_leaves_nothing_and_can_come_again() {
    needs!();
    let host = Host::new();
    let (a, b) = (Pod::new(&host, 21), Pod::new(&host, 22));
    b.install();
    for round in 0..3 {
        let installed = a.install();
        reaches(&a, &b);
        let own = installed.programs.iter().filter(|p| !p.is_shared);
        let programs: Vec<_> = own.map(|p| p.id).collect();
        drop(installed);
        let removed = load::uninstall(&a.target, &a.addresses()).unwrap();
        assert_eq!(
            (removed.programs, removed.policy, removed.addresses),
            (2, true, 2),
            "{removed:?}"
        );
        assert_eq!(removed.pins.len(), 2, "{removed:?}");

        assert!(
            Hook::OF_ENDPOINT
                .iter()
                .all(|hook| filters("lxc21", *hook).is_empty())
        );
        assert!(
            !host.pins().iter().any(|name| name.ends_with("_00021")),
            "{:?}",
            host.pins()
        );
        let pins = a.target.pins();
        for name in [pins.call_policy_name(), pins.verdict_name()] {
            let programs = map(&pins, &name);
            assert_eq!(programs.lookup(&21_u32.to_ne_bytes()).unwrap(), None);
        }
        let endpoints = map(&pins, &pins.endpoints_name());
        for address in a.addresses() {
            assert_eq!(
                endpoints
                    .lookup(&endpoint_key(address, &endpoints))
                    .unwrap(),
                None
            );
        }
        // The kernel frees programs and maps some time after their last holder.
        let gone = (0..200).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            programs.iter().all(|id| Program::open_id(*id).is_err())
        });
        assert!(gone, "round {round}: programs {programs:?} are still there");

        let again = load::uninstall(&a.target, &a.addresses()).unwrap();
        assert!(again.is_nothing(), "{again:?}");
    }
    // The other endpoint was left alone.
    assert_eq!(filters("lxc22", Hook::FromContainer).len(), 1);
    assert!(host.pins().iter().any(|name| name == "weir_calls_00022"));
}

#[test]
fn uninstalling_what_never_was_is_success() {
    needs!();
    let host = Host::new();
    let target = host.target(31, "lxc31");
    assert!(
        load::uninstall(&target, &["10.0.0.1".parse().unwrap()])
            .unwrap()
            .is_nothing()
    );
    // Its device and pins are gone, other maps are there.
    let pod = Pod::new(&host, 32);
    pod.install();
    crate::node::run("ip link del lxc32");
    let removed = load::uninstall(&pod.target, &pod.addresses()).unwrap();
    assert_eq!(
        (removed.programs, removed.policy, removed.addresses),
        (0, true, 2),
        "{removed:?}"
    );
    assert!(!host.pins().iter().any(|name| name.ends_with("_00032")));
}

#[test]
fn an_address_that_another_endpoint_has_by_now_stays() {
    needs!();
    let host = Host::new();
    let (a, b) = (Pod::new(&host, 41), Pod::new(&host, 42));
    a.install();
    b.install();
    let removed = load::uninstall(&a.target, &b.addresses()).unwrap();
    assert_eq!(removed.addresses, 0);
    let pins = b.target.pins();
    let endpoints = map(&pins, &pins.endpoints_name());
    for address in b.addresses() {
        assert!(
            endpoints
                .lookup(&endpoint_key(address, &endpoints))
                .unwrap()
                .is_some()
        );
    }
}
