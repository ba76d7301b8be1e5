//! Killed at any place: whoever comes next finishes it, or undoes it.

use weir_tests::trace::{self, Places};

use super::{Image, assert_same};

/// `openat2(2)`, by which a folder of an image is found: nobody else can tell that it was made.
const LOOKS: &str = "call 437(";

/// Kills a command at every place of its own, and has the same or its opposite come after it.
fn killed(verb: &str, ready: impl Fn(&Image), is_there: bool) {
    let stage = || {
        let image = Image::new();
        image.set("var/lib/x", "");
        let before = image.listing();
        ready(&image);
        (image, before)
    };
    let (whole, _) = stage();
    whole.run(verb, &[]).expect_success();
    for place in 0.. {
        let (image, before) = stage();
        let mut dying = image.command(verb, &[]);
        let traced = trace::run(&mut dying, b"", Places::from_environment(), Some(place));
        let call = traced.killed_before.map(|call| call.to_string());
        if call.as_ref().is_some_and(|call| call.starts_with(LOOKS)) {
            continue;
        }
        let what = format!("{verb}, place {place}, {call:?}");
        if place % 2 == 0 {
            image.run(verb, &[]).expect_success();
            let wanted = if is_there {
                whole.listing()
            } else {
                before.clone()
            };
            assert_same(&image.listing(), &wanted, &what);
        }
        image.uninstall();
        assert_same(&image.listing(), &before, &what);
        if call.is_none() {
            assert!(place > 30, "{verb} has more steps than {place}");
            break;
        }
    }
}

#[test]
fn an_install_that_dies_anywhere_is_finished_or_undone() {
    killed("install", |_| {}, true);
}

#[test]
fn an_upgrade_that_dies_anywhere_is_finished_or_undone() {
    let upgrade = |image: &Image| {
        image.install();
        image.release.set("bpf/bpf_lxc.c", "int newer;\n");
        image.release.set("conf/weir.toml", "# new_key = 1\n");
        image.release.remove("share/man/man8/weir.8");
    };
    killed("install", upgrade, true);
}

#[test]
fn an_uninstall_that_dies_anywhere_is_finished() {
    let installed = |image: &Image| {
        image.install();
    };
    killed("uninstall", installed, false);
}
