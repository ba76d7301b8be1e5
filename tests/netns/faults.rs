//! Whatever fails, the generation in force goes on.

use std::process::Command;

use ep_builder::bpf::{Map, MapShape};
use ep_builder::endpoint::Values;
use ep_builder::load::{LoadError, load_detached};
use ep_builder::object::Loadable;
use ep_builder::patch::EndpointObject;
use ep_builder::timeline::Timeline;
use nix::errno::Errno;
use nix::mount::{MsFlags, mount, umount};
use weir_tests::need::Need;
use weir_tests::{need, process};

use crate::lifecycle::needs;
use crate::node::{Host, InForce, install, object, template, template_of_other_sizes};
use crate::pod::{Pod, endpoint};
use crate::traffic::reaches;

/// An object as it is, whatever its bytes.
fn raw(bytes: Vec<u8>, pod: &Pod) -> EndpointObject {
    EndpointObject::from_direct(bytes, &[], &Values::of_endpoint(&pod.endpoint))
}

/// The object with the first instruction of a program replaced by the use of a register nobody set.
fn broken(pod: &Pod, program: &str) -> EndpointObject {
    let mut bytes = object(&pod.endpoint).bytes().to_vec();
    let loadable = Loadable::parse(&bytes).unwrap();
    let functions = loadable.functions.iter();
    let code = functions
        .clone()
        .find(|f| f.name == program)
        .unwrap()
        .code
        .concat();
    let at = bytes
        .windows(code.len())
        .position(|window| window == code)
        .unwrap();
    // r0 = r9
    bytes[at..at + 8].copy_from_slice(&[0xbf, 0x90, 0, 0, 0, 0, 0, 0]);
    raw(bytes, pod)
}

/// Tries to replace the generation of a pod, and sees that nothing has changed.
fn refused(host: &Host, a: &Pod, b: &Pod, object: &EndpointObject) -> LoadError {
    let before = InForce::now(host, &a.target);
    let error = install(object, &a.target).unwrap_err();
    assert_eq!(InForce::now(host, &a.target), before, "{error:?}");
    reaches(a, b);
    error
}

#[test]
fn a_program_that_the_verifier_refuses_changes_nothing() {
    needs!();
    let host = Host::new();
    let (a, b) = (Pod::new(&host, 81), Pod::new(&host, 82));
    a.install();
    b.install();
    for program in ["from_container", "tail_ipv4_from", "policy_ingress"] {
        let error = refused(&host, &a, &b, &broken(&a, program));
        let text = error.to_string();
        assert!(
            text.contains(program) && text.contains("R9 !read_ok"),
            "{text}"
        );
        assert!(
            text.contains(".c:") || text.contains(".h:"),
            "a source line: {text}"
        );
        assert!(error.verifier_log().unwrap().len() > 50);
        assert!(error.advice().is_some());
    }
    // As a first generation it leaves no pin behind.
    let c = Pod::new(&host, 83);
    install(&broken(&c, "to_container"), &c.target).unwrap_err();
    assert!(
        !host.pins().iter().any(|name| name.ends_with("_00083")),
        "{:?}",
        host.pins()
    );
}

#[test]
fn templates_and_objects_of_others_are_refused_before_anything_is_done() {
    needs!();
    let host = Host::new();
    let (a, b) = (Pod::new(&host, 84), Pod::new(&host, 85));
    let error = install(&raw(template().bytes().to_vec(), &a), &a.target).unwrap_err();
    assert!(matches!(error, LoadError::Placeholder(_)), "{error:?}");
    let error = install(&object(&b.endpoint), &a.target).unwrap_err();
    assert!(
        matches!(
            error,
            LoadError::Other {
                what: "LXC_ID",
                found: 85,
                expected: 84,
                ..
            }
        ),
        "{error:?}"
    );
    let mut elsewhere = a.endpoint.clone();
    elsewhere.host_ifindex += 1;
    let error = install(&object(&elsewhere), &a.target).unwrap_err();
    assert!(
        matches!(
            error,
            LoadError::Other {
                what: "LXC_IFINDEX",
                ..
            }
        ),
        "{error:?}"
    );
    for bytes in [
        vec![],
        vec![0; 100],
        object(&a.endpoint).bytes()[..4000].to_vec(),
    ] {
        let error = install(&raw(bytes, &a), &a.target).unwrap_err();
        assert!(matches!(error, LoadError::Object { .. }), "{error:?}");
    }
    assert_eq!(host.pins(), Vec::<String>::new());
}

#[test]
fn an_incompatible_pin_is_refused_with_both_definitions_and_stays() {
    needs!();
    let host = Host::new();
    let (a, b) = (Pod::new(&host, 86), Pod::new(&host, 87));
    a.install();
    b.install();
    // Another size of its own policy map.
    let other = template_of_other_sizes().patch(&Values::of_endpoint(&a.endpoint));
    let error = refused(&host, &a, &b, &other);
    let text = error.to_string();
    for part in [
        "weir_policy_00086",
        "max_entries 16",
        "max_entries 32",
        "lpm_trie",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(error.advice().unwrap().contains("[maps]"));

    // A shared map of another type, for an endpoint that has none yet.
    let c = Pod::new(&host, 88);
    let path = host.bpffs_dir.join("weir_ipcache");
    std::fs::remove_file(&path).unwrap();
    let wrong = MapShape {
        map_type: MapShape::HASH,
        key_size: 4,
        value_size: 4,
        max_entries: 1,
        flags: 0,
    };
    Map::create("weir_ipcache", wrong)
        .unwrap()
        .pin(&path)
        .unwrap();
    let id = Map::open_pin(&path).unwrap().info().unwrap().id;
    let error = install(&object(&c.endpoint), &c.target).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("type hash") && text.contains("type lpm_trie"),
        "{text}"
    );
    assert_eq!(Map::open_pin(&path).unwrap().info().unwrap().id, id);
    assert!(
        !host.pins().iter().any(|name| name.ends_with("_00088")),
        "{:?}",
        host.pins()
    );
}

/// Bytes that depend on nothing but the case.
fn noise(case: u64) -> impl Iterator<Item = usize> {
    let mut state = case.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap()
    })
}

#[test]
fn a_damaged_object_is_refused_or_loads_and_changes_nothing() {
    needs!();
    let host = Host::new();
    let (a, b) = (Pod::new(&host, 97), Pod::new(&host, 98));
    a.install();
    b.install();
    let whole = object(&a.endpoint).bytes().to_vec();
    let before = InForce::now(&host, &a.target);
    let mut refused = 0;
    for case in 0..200 {
        let mut bytes = whole.clone();
        let mut noise = noise(case);
        for _ in 0..=case % 8 {
            let (at, byte) = (noise.next().unwrap(), noise.next().unwrap());
            bytes[at % whole.len()] = byte.to_le_bytes()[0];
        }
        let loaded = load_detached(&raw(bytes, &a), &a.target, &mut Timeline::default());
        refused += u32::from(loaded.is_err());
        let now = InForce::now(&host, &a.target);
        let shared = |state: &InForce| (state.filters.clone(), state.policy.clone(), state.calls);
        assert_eq!(shared(&now), shared(&before), "case {case}");
    }
    assert!((20..200).contains(&refused), "{refused}");
    reaches(&a, &b);
}

#[test]
fn a_missing_device_is_named() {
    needs!();
    let host = Host::new();
    let pod = Pod::new(&host, 89);
    for name in ["lxc0", "", "a-name-that-is-too-long-for-a-device"] {
        let mut target = pod.target.clone();
        name.clone_into(&mut target.device);
        let error = install(&object(&pod.endpoint), &target).unwrap_err();
        assert!(
            error.to_string().contains(name) && error.advice().is_some(),
            "{error:?}"
        );
    }
    assert_eq!(host.pins(), Vec::<String>::new());
}

#[test]
fn a_place_that_is_no_bpffs_is_said_with_the_command_that_helps() {
    needs!();
    let host = Host::new();
    let pod = Pod::new(&host, 90);
    let none: Option<&str> = None;
    mount(
        Some("tmpfs"),
        "/sys/fs/bpf",
        Some("tmpfs"),
        MsFlags::empty(),
        none,
    )
    .unwrap();
    let error = install(&object(&pod.endpoint), &pod.target)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("a tmpfs") && error.contains("mount -t bpf bpf /sys/fs/bpf"),
        "{error}"
    );
    umount("/sys/fs/bpf").unwrap();
    umount("/sys/fs/bpf").unwrap();
    // What is below may be the machine's own mount: then there is nothing to refuse.
    let mut target = pod.target.clone();
    target.bpffs_dir = "/proc/sys/tc/globals".into();
    let error = install(&object(&pod.endpoint), &target)
        .unwrap_err()
        .to_string();
    assert!(error.contains("mount -t bpf bpf /proc/sys"), "{error}");
}

/// The variable that tells the test that it is the process without privileges.
const WITHOUT: &str = "WEIR_TEST_WITHOUT_CAPABILITIES";

#[test]
fn without_capabilities_nothing_changes_and_the_error_says_what_is_missing() {
    need!(
        Need::Root,
        Need::Templates,
        Need::Tool("ip"),
        Need::Tool("setpriv")
    );
    if std::env::var_os(WITHOUT).is_some() {
        return unprivileged();
    }
    let host = Host::new();
    let (a, b) = (Pod::new(&host, 91), Pod::new(&host, 92));
    a.install();
    b.install();
    let file = tempfile::NamedTempFile::new().unwrap();
    ep_builder::whole_file::write(file.path(), object(&a.endpoint).bytes()).unwrap();
    let before = InForce::now(&host, &a.target);
    let name = "faults::without_capabilities_nothing_changes_and_the_error_says_what_is_missing";
    let mut child = Command::new("setpriv");
    child
        .args(["--bounding-set", "-all", "--inh-caps", "-all"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(WITHOUT, file.path());
    let output = process::run(&mut child).expect_success();
    assert!(output.contains("1 passed"), "{output}");
    assert_eq!(InForce::now(&host, &a.target), before);
    reaches(&a, &b);
}

/// In the namespaces of the test that started it, as root without capabilities.
fn unprivileged() {
    let bytes = std::fs::read(std::env::var_os(WITHOUT).unwrap()).unwrap();
    let host = Host {
        bpffs_dir: "/sys/fs/bpf/tc/globals".into(),
    };
    let target = host.target(91, "lxc91");
    let values = Values::of_endpoint(&endpoint(91, "lxc91"));
    let object = EndpointObject::from_direct(bytes, &[], &values);
    let error = install(&object, &target).unwrap_err();
    let LoadError::Bpf(cause) = &error else {
        panic!("{error:?}");
    };
    assert_eq!(cause.errno(), Some(Errno::EPERM), "{error:?}");
    assert!(error.advice().unwrap().contains("CAP_BPF"), "{error:?}");
}
