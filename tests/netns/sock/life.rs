//! How the programs come, are replaced, and go.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use ep_builder::bpf::{Link, SockHook};
use ep_builder::endpoint::EndpointId;
use ep_builder::sock::{NetnsCookie, Owner, Sockets, Standing};
use weir_tests::need;
use weir_tests::need::Need;

use super::group::Group;
use super::speak::{Way, ask, is_silent};
use super::world::{HOST_PORT, World, settings};

fn port() -> std::net::SocketAddr {
    format!("192.0.2.1:{HOST_PORT}").parse().unwrap()
}

fn is_in_force(sockets: &Sockets) -> bool {
    matches!(sockets.standing().unwrap(), Standing::InForce(programs) if programs.len() == 8)
}

#[test]
fn no_connection_meets_a_replacement() {
    need!(Need::Root, Need::Templates, Need::Tool("ip"));
    let mut world = World::new();
    world.lead_everywhere(0);
    let enough = AtomicBool::new(false);
    let replaced = thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut asked = 0;
            while !enough.load(Ordering::Relaxed) {
                for way in Way::ALL {
                    let met = ask(way, port()).unwrap();
                    assert_eq!((met.who.as_str(), met.peer), ("first", port()), "{way:?}");
                }
                asked += 1;
            }
            asked
        });
        let mut generations = Vec::new();
        for _ in 0..20 {
            generations.push(world.install().programs);
        }
        enough.store(true, Ordering::Relaxed);
        assert!(asking.join().unwrap() > 0, "nobody asked meanwhile");
        generations
    });
    // Each is a generation of its own, on links that stay.
    assert!(replaced.windows(2).all(|two| two[0] != two[1]));
    assert!(is_in_force(&world.sockets));
}

#[test]
fn removal_leaves_nothing_but_what_runs() {
    need!(Need::Root, Need::Templates, Need::Tool("ip"));
    let world = World::new();
    world.lead_everywhere(0);
    assert!(ask(Way::Tcp, port()).is_ok());
    assert_eq!(world.sockets.remove().unwrap(), 8);
    assert_eq!(world.sockets.standing().unwrap(), Standing::Absent);
    for way in Way::ALL {
        assert!(is_silent(way, port()), "{way:?}");
    }
    let left: Vec<_> = world
        .host
        .pins()
        .into_iter()
        .filter(|pin| pin.contains("sock"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    // The pods' namespaces stay known, and go with the pods.
    assert!(world.host.pins().contains(&"weir_netns".to_owned()));
    let netns = world.sockets.netns().unwrap();
    for pod in &world.pods {
        let owner = Owner::Pod(pod.endpoint.id);
        assert_eq!(netns.forget(owner).unwrap(), 1);
        assert_eq!(netns.forget(owner).unwrap(), 0);
    }
    assert_eq!(world.sockets.remove().unwrap(), 0);
    assert!(!world.host.pins().contains(&"weir_netns".to_owned()));
}

#[test]
fn a_pod_with_two_interfaces_is_known_by_the_first() {
    need!(Need::Root, Need::Templates, Need::Tool("ip"));
    let world = World::new();
    let netns = world.sockets.netns().unwrap();
    let cookie = world.pods[0].inside(|| NetnsCookie::here().unwrap());
    let owner = |id| Owner::Pod(EndpointId::new(id).unwrap());
    netns.enter(cookie, owner(9)).unwrap();
    assert!(netns.entries().unwrap().contains(&(cookie, owner(1))));
    assert_eq!(netns.forget(owner(9)).unwrap(), 0);
    assert_eq!(netns.forget(owner(1)).unwrap(), 1);
    let known = netns.entries().unwrap();
    assert!(known.iter().all(|(known, _)| *known != cookie));
    let here = NetnsCookie::here().unwrap();
    assert!(known.contains(&(here, Owner::Node)));
}

#[test]
fn a_hook_that_somebody_emptied_is_named_and_filled() {
    need!(Need::Root, Need::Templates, Need::Tool("ip"));
    let mut world = World::new();
    world.lead_everywhere(0);
    let pin = |name: &str| world.host.bpffs_dir.join(format!("weir_sock_{name}"));
    Link::open_pin(&pin("connect4")).unwrap().detach().unwrap();
    std::fs::remove_file(pin("recvmsg6")).unwrap();
    let missing = vec![SockHook::Connect4, SockHook::RecvMsg6];
    assert_eq!(
        world.sockets.standing().unwrap(),
        Standing::Incomplete { missing }
    );
    assert!(is_silent(Way::Tcp, port()));
    world.install();
    assert!(is_in_force(&world.sockets));
    assert!(ask(Way::Tcp, port()).is_ok());
}

#[test]
fn programs_move_to_the_group_that_the_settings_name() {
    need!(Need::Root, Need::Templates, Need::Tool("ip"));
    let mut world = World::new();
    world.lead_everywhere(0);
    let here = world.sockets.clone();
    let group = Group::beside();
    world.sockets = Sockets::new(&settings(&group.path));
    assert_eq!(world.sockets.standing().unwrap(), Standing::Absent);
    let installed = world.install();
    assert_eq!(installed.cgroup, group.path);
    assert!(is_in_force(&world.sockets));
    // This thread is in the other one, and nothing is left there.
    assert_eq!(here.standing().unwrap(), Standing::Absent);
    assert!(is_silent(Way::Tcp, port()));
    world.sockets = here;
    world.install();
    assert!(ask(Way::Tcp, port()).is_ok());
}

#[test]
fn two_nodes_on_one_group_do_not_meet() {
    need!(Need::Root, Need::Tool("clang"), Need::Tool("ip"));
    let world = World::new();
    world.lead_everywhere(0);
    let mut other = world.settings.clone();
    other.node.map_prefix = ep_builder::shape::MapPrefix::new("other").unwrap();
    let other = Sockets::new(&other);
    other.install(&super::world::object_of("other")).unwrap();
    assert!(is_in_force(&world.sockets) && is_in_force(&other));
    assert!(ask(Way::Tcp, port()).is_ok());
    assert_eq!(other.remove().unwrap(), 8);
    assert!(is_in_force(&world.sockets));
    assert!(ask(Way::Tcp, port()).is_ok());
}
