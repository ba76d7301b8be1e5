//! The machine: kernel, rights, the BPF file system, settings of the kernel.

use std::fs;
use std::path::{Path, PathBuf};

use ep_builder::attach::AttachMode;
use ep_builder::error::chain;
use ep_builder::load::check_bpffs;
use ep_builder::settings::Settings;
use ep_builder::sock::{SockError, Sockets};

use super::finding::{Check, Finding, Remedy};

const KERNEL: Check = Check {
    name: "kernel",
    why: "the programs use what Linux 6.1 has, and tcx links what 6.6 has",
};
const RIGHTS: Check = Check {
    name: "rights",
    why: "programs, maps and links are changed with CAP_NET_ADMIN and CAP_SYS_ADMIN",
};
pub(super) const BPFFS: Check = Check {
    name: "bpffs",
    why: "the pins of maps live there: without them no pod gets its programs, and no tool finds a map",
};
const CGROUP: Check = Check {
    name: "cgroup2",
    why: "sockets of the node and of its pods reach host ports by programs on a control group",
};
const SETTING: Check = Check {
    name: "sysctl",
    why: "the kernel forwards what pods send to others, and compiles and guards what runs in it",
};

/// Linux with tcx.
const TCX: (u32, u32) = (6, 6);
const OLDEST: (u32, u32) = (6, 1);

/// `CAP_*`, by the kernel's numbers. `CAP_SYS_ADMIN` has `CAP_BPF` and `CAP_PERFMON` in it.
const CAPABILITIES: [(u32, &str); 2] = [(12, "CAP_NET_ADMIN"), (21, "CAP_SYS_ADMIN")];

pub(super) fn look(settings: &Settings, has_pods: bool) -> Vec<Finding> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let mut findings = vec![
        kernel(read("/proc/sys/kernel/osrelease").trim(), settings.attach),
        rights(&read("/proc/self/status")),
        bpffs(&settings.paths.bpffs_dir, &read("/proc/self/mountinfo")),
        cgroup(Sockets::new(settings).group()),
    ];
    let setting = |name: &str| {
        let path = Path::new("/proc/sys").join(name.replace('.', "/"));
        fs::read_to_string(path)
            .ok()
            .map(|text| text.trim().to_owned())
    };
    findings.extend(sysctls(settings, has_pods, setting));
    findings
}

fn kernel(release: &str, attach: AttachMode) -> Finding {
    let needed = match attach {
        AttachMode::Tc => OLDEST,
        AttachMode::Tcx => TCX,
    };
    let found = format!("Linux {release}");
    match version(release) {
        Some(version) if version >= needed => KERNEL.ok(found),
        Some(version) if version >= OLDEST => KERNEL.fail(
            format!("{found}, and attach = \"tcx\" needs 6.6"),
            "set attach = \"tc\" in weir.toml, or run a kernel from 6.6 on",
        ),
        Some(_) => KERNEL.fail(found, "run a kernel from 6.1 on"),
        None => KERNEL.warn(
            format!("a release that cannot be read: {release:?}"),
            "see that it is Linux 6.1 or newer",
        ),
    }
}

fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn rights(status: &str) -> Finding {
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    let has = |number: u32| effective.is_some_and(|set| set >> number & 1 == 1);
    let missing = CAPABILITIES.iter().filter(|(number, _)| !has(*number));
    let missing: Vec<_> = missing.map(|(_, name)| *name).collect();
    if missing.is_empty() {
        RIGHTS.ok("all that are needed")
    } else {
        RIGHTS.fail(
            format!("without {}", missing.join(", ")),
            "run it as root; what follows may say more than is wrong",
        )
    }
}

fn bpffs(folder: &Path, mounts: &str) -> Finding {
    let over: Vec<_> = mounts
        .lines()
        .filter_map(mount)
        .filter(|(place, _)| folder.starts_with(place))
        .collect();
    let hidden = hidden(&over);
    match (check_bpffs(folder), hidden) {
        (Ok(()), None) => BPFFS.ok(format!("{} is in one", folder.display())),
        (Ok(()), Some(place)) => BPFFS.warn(
            format!("{} has two, one over the other", place.display()),
            format!(
                "pins made before the second was mounted are under it: `umount {}` brings them back",
                place.display()
            ),
        ),
        (Err(error), Some(place)) => BPFFS.fail(
            format!("{}; a BPF file system is there, under what was mounted over it", chain(&error)),
            format!("take away what lies over it: `umount {}`", place.display()),
        ),
        (Err(error), None) if folder.starts_with("/sys/fs/bpf") => BPFFS
            .fail(
                chain(&error),
                "`weir doctor --fix` mounts one at /sys/fs/bpf; then `weir endpoint regenerate --all` if there are pods",
            )
            .with(Remedy::Mount),
        (Err(error), None) => BPFFS.fail(
            chain(&error),
            "mount one at or above it, then `weir endpoint regenerate --all` if there are pods",
        ),
    }
}

/// Without it only those sockets have no host ports: whoever asks from outside gets his answer.
fn cgroup(group: Result<PathBuf, SockError>) -> Finding {
    match group {
        Ok(path) => CGROUP.ok(format!("{} is one", path.display())),
        Err(error) => CGROUP.warn(chain(&error), error.advice().unwrap_or_default()),
    }
}

/// Where a mount is, and its type, from a line of `mountinfo`.
fn mount(line: &str) -> Option<(PathBuf, &str)> {
    let (before, after) = line.split_once(" - ")?;
    let place = before.split(' ').nth(4)?;
    // The kernel writes blanks and the like as octal numbers.
    let place = place.replace("\\040", " ").replace("\\011", "\t");
    Some((place.into(), after.split(' ').next()?))
}

/// The place of the last mount over a BPF file system: mounts are listed in the order they were made.
fn hidden(over: &[(PathBuf, &str)]) -> Option<PathBuf> {
    let first = over.iter().position(|(_, kind)| *kind == "bpf")?;
    let (bpf, _) = over.get(first)?;
    let later = over.get(first + 1..)?.iter();
    // One further down is what it is for.
    let mut covering =
        later.filter(|(place, kind)| bpf.starts_with(place) || (*kind != "bpf" && place != bpf));
    covering.next_back().map(|(place, _)| place.clone())
}

/// A setting, what it should be, and whether pods suffer from another value.
struct Wanted {
    name: &'static str,
    is_right: fn(&str) -> bool,
    right: &'static str,
    means: &'static str,
    /// Set by the first pod's ADD.
    comes_with_pods: bool,
}

fn sysctls(
    settings: &Settings,
    has_pods: bool,
    read: impl Fn(&str) -> Option<String>,
) -> Vec<Finding> {
    let forwarding = |name, means| Wanted {
        name,
        is_right: |value| value == "1",
        right: "1",
        means,
        comes_with_pods: true,
    };
    let mut wanted = Vec::new();
    if settings.node.ipv4 {
        wanted.push(forwarding(
            "net.ipv4.ip_forward",
            "pods reach nobody beyond this node over IPv4",
        ));
    }
    if settings.node.ipv6 {
        wanted.push(forwarding(
            "net.ipv6.conf.all.forwarding",
            "pods reach nobody beyond this node over IPv6",
        ));
    }
    wanted.push(Wanted {
        name: "net.core.bpf_jit_enable",
        is_right: |value| value != "0",
        right: "1",
        means: "programs are interpreted, and each packet costs several times as much",
        comes_with_pods: false,
    });
    wanted.push(Wanted {
        name: "kernel.unprivileged_bpf_disabled",
        is_right: |value| value != "0",
        right: "2",
        means: "every user may load programs",
        comes_with_pods: false,
    });
    // A kernel without a setting has nothing that could be wrong about it.
    let found = wanted.iter().filter_map(|it| Some((it, read(it.name)?)));
    found
        .map(|(wanted, value)| setting(wanted, &value, has_pods))
        .collect()
}

fn setting(wanted: &Wanted, value: &str, has_pods: bool) -> Finding {
    let Wanted {
        name, right, means, ..
    } = wanted;
    let fix = format!("`sysctl -w {name}={right}`, and a file in /etc/sysctl.d to keep it");
    if (wanted.is_right)(value) {
        SETTING.ok(format!("{name} is {value}"))
    } else if !wanted.comes_with_pods {
        SETTING.warn(format!("{name} is {value}: {means}"), fix)
    } else if has_pods {
        SETTING.fail(format!("{name} is {value}: {means}"), fix)
    } else {
        SETTING.ok(format!("{name} is {value}: the first pod switches it on"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Health;
    use super::*;

    #[test]
    fn a_kernel_is_old_enough_for_what_is_asked_of_it() {
        for (release, attach, want) in [
            ("6.1.0-13-amd64", AttachMode::Tc, Health::Ok),
            ("5.15.0", AttachMode::Tc, Health::Fail),
            ("6.1.0", AttachMode::Tcx, Health::Fail),
            ("6.6.1", AttachMode::Tcx, Health::Ok),
            ("10.0", AttachMode::Tc, Health::Ok),
            ("", AttachMode::Tc, Health::Warn),
        ] {
            assert_eq!(kernel(release, attach).result, want, "{release} {attach:?}");
        }
    }

    #[test]
    fn missing_rights_are_named() {
        let all = format!("Name:\tx\nCapEff:\t{:016x}\n", u64::MAX >> 23);
        assert_eq!(rights(&all).result, Health::Ok);
        let without = format!("CapEff:\t{:016x}\n", (u64::MAX >> 23) & !(1 << 21));
        let found = rights(&without);
        assert_eq!(
            (found.result, found.found.as_str()),
            (Health::Fail, "without CAP_SYS_ADMIN")
        );
        assert_eq!(rights("").result, Health::Fail);
    }

    #[test]
    fn what_lies_over_the_pins_is_found() {
        let sysfs = "22 28 0:21 / /sys rw shared:7 - sysfs sysfs rw";
        let bpf = "36 22 0:31 / /sys/fs/bpf rw shared:1 - bpf bpf rw";
        let folder = Path::new("/sys/fs/bpf/tc/globals");
        let check = |lines: &[&str], want: Option<&str>| {
            let mounts = lines.join("\n");
            let over: Vec<_> = mounts
                .lines()
                .filter_map(mount)
                .filter(|(place, _)| folder.starts_with(place))
                .collect();
            assert_eq!(hidden(&over).as_deref(), want.map(Path::new), "{lines:?}");
        };
        check(&[sysfs, bpf], None);
        check(&[sysfs], None);
        check(&[sysfs, bpf, bpf], Some("/sys/fs/bpf"));
        let tmpfs = "40 36 0:40 / /sys/fs/bpf rw - tmpfs tmpfs rw";
        check(&[sysfs, bpf, tmpfs], Some("/sys/fs/bpf"));
        check(&[bpf, sysfs], Some("/sys"));
        check(
            &["1 2 0:3 / /run/a\\040b rw - tmpfs t rw", sysfs, bpf],
            None,
        );
        let below = "41 36 0:41 / /sys/fs/bpf/tc rw - tmpfs tmpfs rw";
        check(&[sysfs, bpf, below], Some("/sys/fs/bpf/tc"));
    }

    #[test]
    fn settings_that_the_first_pod_makes_right_are_no_trouble_before() {
        let settings = Settings::default();
        let read = |name: &str| Some(if name.contains("forward") { "0" } else { "1" }.to_owned());
        for (has_pods, want) in [(false, Health::Ok), (true, Health::Fail)] {
            let found = sysctls(&settings, has_pods, read);
            assert_eq!(found.len(), 4);
            assert_eq!(found[0].result, want, "{has_pods}");
        }
        let none = sysctls(&settings, true, |_| None);
        assert!(none.is_empty());
        let unguarded = |name: &str| {
            Some(
                if name.contains("unprivileged") {
                    "0"
                } else {
                    "1"
                }
                .to_owned(),
            )
        };
        let found = sysctls(&settings, true, unguarded);
        assert_eq!(found.iter().map(|it| it.result).max(), Some(Health::Warn));
    }
}
