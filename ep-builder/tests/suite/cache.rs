//! The cache among hostile entries, dead processes and full disks. Compilers here are closures.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use ep_builder::builder::Origin;
use ep_builder::cache::{CacheError, Recipe, TemplateCache, Why};
use ep_builder::compile::{CompileError, Compiled};
use ep_builder::error::chain;
use ep_builder::header::Headers;
use ep_builder::key::TemplateKey;
use ep_builder::lock::{FileLock, LockError};
use ep_builder::timeline::Timeline;
use ep_builder::unit::Unit;

use weir_tests::need;
use weir_tests::need::Need;

use crate::common::{Node, endpoint_2665, put};

/// A key that no inputs have.
fn key(seed: u8) -> TemplateKey {
    format!("{seed:02x}").repeat(32).parse().unwrap()
}

/// A node with one sound template, its object's bytes, and its key.
struct Sound {
    node: Node,
    key: TemplateKey,
    object: Vec<u8>,
}

impl Sound {
    fn new() -> Self {
        let node = Node::new();
        let built = node
            .builder()
            .build(&endpoint_2665(), &mut Timeline::default())
            .unwrap();
        let object =
            fs::read(node.path(&format!("state/templates/{}/bpf_lxc.o", built.key))).unwrap();
        Self {
            node,
            key: built.key,
            object,
        }
    }

    fn cache(&self) -> TemplateCache {
        TemplateCache::open(&self.node.path("state/templates"), Duration::from_mins(1)).unwrap()
    }

    fn compiled(&self) -> Compiled {
        Compiled {
            object: self.object.clone(),
            cpu: Duration::ZERO,
        }
    }
}

fn headers() -> Headers {
    Headers {
        ep_config: "ep".into(),
        node_config: "node".into(),
    }
}

fn recipe(key: TemplateKey, headers: &Headers) -> Recipe<'_> {
    Recipe {
        key,
        unit: Unit::Lxc,
        headers,
        compiler: "c",
        shape: Vec::new(),
    }
}

/// Something done to an entry's folder that must not go unnoticed.
type Poisoning = (&'static str, fn(&Path));

const POISONINGS: &[Poisoning] = &[
    ("was altered", |entry| flip(&entry.join("bpf_lxc.o"))),
    ("bytes", |entry| truncate(&entry.join("bpf_lxc.o"))),
    ("manifest.json is damaged", |entry| {
        truncate(&entry.join("manifest.json"));
    }),
    ("manifest.json is damaged", |entry| {
        put(entry.join("manifest.json"), [0; 300]);
    }),
    ("cannot read", |entry| {
        fs::remove_file(entry.join("bpf_lxc.o")).unwrap();
    }),
    ("ep_config.h was altered", |entry| {
        flip(&entry.join("ep_config.h"));
    }),
    ("node_config.h", |entry| {
        truncate(&entry.join("node_config.h"));
    }),
    ("cannot read", |entry| {
        fs::remove_file(entry.join("node_config.h")).unwrap();
    }),
    ("symbolic link", |entry| {
        link_away(&entry.join("ep_config.h"));
    }),
    ("cannot read", |entry| {
        fs::remove_file(entry.join("manifest.json")).unwrap();
    }),
    ("cannot read", |entry| link_away(&entry.join("bpf_lxc.o"))),
    ("not a folder", link_away),
    ("more than one hard link", |entry| {
        fs::hard_link(entry.join("bpf_lxc.o"), entry.with_file_name("second-name")).unwrap();
    }),
    ("written by others", |entry| {
        set_mode(&entry.join("bpf_lxc.o"), 0o666);
    }),
    ("written by others", |entry| set_mode(entry, 0o777)),
    ("not a plain file", |entry| {
        fs::remove_file(entry.join("bpf_lxc.o")).unwrap();
        nix::unistd::mkfifo(&entry.join("bpf_lxc.o"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    }),
    ("of template", |entry| {
        let path = entry.join("manifest.json");
        let name = entry.file_name().unwrap().to_str().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        put(path, text.replace(name, &key(7).to_string()));
    }),
];

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    put(path, bytes);
}

fn truncate(path: &Path) {
    let bytes = fs::read(path).unwrap();
    put(path, &bytes[..bytes.len() - 1]);
}

fn link_away(path: &Path) {
    let elsewhere = path.parent().unwrap().join("elsewhere");
    fs::rename(path, &elsewhere).unwrap();
    symlink(elsewhere, path).unwrap();
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn check_poisoned(expected: &str, poison: impl Fn(&Path)) {
    let sound = Sound::new();
    poison(&sound.node.path(&format!("state/templates/{}", sound.key)));
    let built = sound
        .node
        .builder()
        .build(&endpoint_2665(), &mut Timeline::default())
        .unwrap();
    let notices = built.notices.join("\n");
    assert!(
        matches!(built.origin, Origin::Compiled(_)),
        "{expected}: it was used"
    );
    assert!(
        notices.contains(expected),
        "{expected:?} is not in {notices:?}"
    );
    let aside = sound
        .node
        .templates()
        .iter()
        .filter(|name| name.contains(".bad-"))
        .count();
    assert_eq!(aside, 1, "{expected}: it was not put aside");
    let again = sound
        .node
        .builder()
        .build(&endpoint_2665(), &mut Timeline::default())
        .unwrap();
    assert_eq!(
        (again.origin, again.notices),
        (Origin::Cache, vec![]),
        "{expected}: it was not rebuilt"
    );
}

#[test]
fn a_poisoned_entry_is_put_aside_reported_and_rebuilt() {
    need!(Need::Tool("clang"));
    for (expected, poison) in POISONINGS {
        check_poisoned(expected, poison);
    }
}

#[test]
fn a_foreign_owner_is_poison() {
    need!(Need::Root, Need::Tool("clang"));
    let give_away = |path: &Path| std::os::unix::fs::chown(path, Some(65_534), None).unwrap();
    check_poisoned("belongs to user 65534", |entry| {
        give_away(&entry.join("bpf_lxc.o"));
    });
    check_poisoned("belongs to user 65534", |entry| {
        give_away(&entry.join("manifest.json"));
    });
    check_poisoned("belongs to user 65534", give_away);
}

#[test]
fn one_of_many_compiles_and_the_others_wait() {
    need!(Need::Tool("clang"));
    let sound = Sound::new();
    let (compiles, start, headers) = (AtomicU32::new(0), Barrier::new(32), headers());
    thread::scope(|scope| {
        for _ in 0..32 {
            scope.spawn(|| {
                start.wait();
                let obtained = sound.cache().get_or_build(&recipe(key(1), &headers), |_| {
                    compiles.fetch_add(1, Ordering::SeqCst);
                    thread::sleep(Duration::from_millis(100));
                    Ok(sound.compiled())
                });
                assert_eq!(obtained.unwrap().entry.template.bytes(), sound.object);
            });
        }
    });
    assert_eq!(compiles.load(Ordering::SeqCst), 1);
}

#[test]
fn different_keys_compile_at_the_same_time() {
    need!(Need::Tool("clang"));
    let sound = Sound::new();
    let (together, headers) = (Barrier::new(4), headers());
    thread::scope(|scope| {
        for seed in 1..=4 {
            let (sound, together, headers) = (&sound, &together, &headers);
            scope.spawn(move || {
                // Each waits inside its compiler for the other three: one after the other would hang.
                let compile = |_: &Path| {
                    together.wait();
                    Ok(sound.compiled())
                };
                sound
                    .cache()
                    .get_or_build(&recipe(key(seed), headers), compile)
                    .unwrap();
            });
        }
    });
}

#[test]
fn leftovers_of_a_dead_builder_are_cleared_by_the_next() {
    need!(Need::Tool("clang"));
    let sound = Sound::new();
    let root = sound.cache().root().to_owned();
    let building = root.join(format!("{}.building", key(1)));
    fs::create_dir_all(building.join("work/bpf-src")).unwrap();
    put(building.join("work/bpf_lxc.o"), "half");
    put(root.join(format!("{}.lock", key(1))), "4711");
    let headers = headers();
    sound
        .cache()
        .get_or_build(&recipe(key(1), &headers), |_| Ok(sound.compiled()))
        .unwrap();
    let mut expected = vec![key(1).to_string(), sound.key.to_string()];
    expected.sort();
    assert_eq!(sound.node.templates(), expected);
}

#[test]
fn waiting_for_a_lock_ends_with_the_holder_s_name() {
    need!(Need::Tool("clang"));
    let sound = Sound::new();
    let root = sound.cache().root().to_owned();
    let _held = FileLock::acquire(&root.join(format!("{}.lock", key(1))), Duration::ZERO).unwrap();
    let cache = TemplateCache::open(&root, Duration::from_millis(50)).unwrap();
    let headers = headers();
    let error = cache
        .get_or_build(&recipe(key(1), &headers), |_| Ok(sound.compiled()))
        .unwrap_err();
    let CacheError::Lock(LockError::Busy { holder, .. }) = error else {
        panic!("{error:?}")
    };
    assert_eq!(holder, format!("process {}", std::process::id()));
}

#[test]
fn a_failed_compile_leaves_nothing() {
    need!(Need::Tool("clang"));
    let sound = Sound::new();
    let before = sound.node.templates();
    let headers = headers();
    let error = sound
        .cache()
        .get_or_build(&recipe(key(1), &headers), |folder| {
            put(folder.join("bpf_lxc.o"), "half");
            Err(CompileError::Killed {
                path: "clang".into(),
                signal: 9,
            })
        });
    assert!(matches!(
        error,
        Err(CacheError::Compile(CompileError::Killed { .. }))
    ));
    assert_eq!(sound.node.templates(), before);
}

#[test]
fn the_collector_takes_what_nobody_needs_and_only_that() {
    need!(Need::Tool("clang"));
    let sound = Sound::new();
    let cache = sound.cache();
    let headers = headers();
    for seed in 1..=3 {
        cache
            .get_or_build(&recipe(key(seed), &headers), |_| Ok(sound.compiled()))
            .unwrap();
    }
    let stale = cache.root().join(format!("{}.lock", key(7)));
    put(&stale, "4711");
    let leftover = cache.root().join(format!("{}.building", key(8)));
    fs::create_dir(&leftover).unwrap();
    let aside = cache.root().join(format!("{}.bad-1", key(9)));
    fs::create_dir(&aside).unwrap();
    put(cache.root().join("somebody-elses"), "");
    let lock = |seed| cache.root().join(format!("{}.lock", key(seed)));
    let busy = FileLock::acquire(&lock(3), Duration::ZERO).unwrap();

    let in_use: HashSet<_> = [sound.key, key(1)].into();
    let paths = |keep, dry| -> Vec<_> {
        let collected = cache.collect(&in_use, keep, dry).unwrap();
        collected
            .removed
            .into_iter()
            .map(|c| (c.path, c.why))
            .collect()
    };
    let day = Duration::from_hours(24);
    assert_eq!(
        paths(day, true),
        [
            (stale.clone(), Why::Leftover),
            (leftover.clone(), Why::Leftover)
        ],
        "nothing else is a day old"
    );
    let all = [
        (cache.folder(key(2)), Why::Unused),
        (stale.clone(), Why::Leftover),
        (leftover.clone(), Why::Leftover),
        (aside.clone(), Why::Quarantined),
    ];
    assert_eq!(paths(Duration::ZERO, true), all);
    assert!(
        stale.exists() && leftover.exists() && aside.exists(),
        "a dry run removes nothing"
    );
    assert_eq!(paths(Duration::ZERO, false), all);
    drop(busy);
    let mut left = vec![sound.key, key(1), key(3)];
    left.sort();
    assert_eq!(cache.keys().unwrap(), left);
    assert!(cache.root().join("somebody-elses").exists());
}

/// A lock with a second name is somebody's trick: its template stays, and the rest goes all the same.
#[test]
fn one_odd_lock_does_not_keep_the_rest() {
    need!(Need::Tool("clang"));
    let sound = Sound::new();
    let (cache, headers) = (sound.cache(), headers());
    for seed in 1..=3 {
        cache
            .get_or_build(&recipe(key(seed), &headers), |_| Ok(sound.compiled()))
            .unwrap();
    }
    let lock = |seed| cache.root().join(format!("{}.lock", key(seed)));
    put(lock(2), "");
    fs::hard_link(lock(2), cache.root().join("another-name")).unwrap();
    for dry in [true, false] {
        let in_use = [sound.key].into();
        let found = cache.collect(&in_use, Duration::ZERO, dry).unwrap();
        let removed: Vec<_> = found.removed.into_iter().map(|it| it.path).collect();
        assert_eq!(removed, [1, 3].map(|seed| cache.folder(key(seed))));
        let told: Vec<_> = found.left.iter().map(|it| chain(it)).collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains(&lock(2).display().to_string()), "{told:?}");
    }
    let mut left = vec![sound.key, key(2)];
    left.sort();
    assert_eq!(cache.keys().unwrap(), left);
}
