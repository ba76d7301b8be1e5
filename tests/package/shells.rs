//! The package's completions, by the shells that read them.

use std::process::Command;

use weir_tests::need::Need;
use weir_tests::process;

use crate::private;
use crate::release::{Made, needs};

/// A shell, and what it is asked: the commands that begin with `templ`, or who completes `weir`.
const SHELLS: [(&str, &str, &str); 3] = [
    (
        "bash",
        "source /usr/share/bash-completion/completions/weir && complete -p weir",
        "-F _weir weir",
    ),
    // A cache of somebody's own would be asked instead of the folders.
    (
        "zsh",
        "autoload -Uz compinit && compinit -D -u && autoload +X $_comps[weir] && echo by $_comps[weir]",
        "by _weir",
    ),
    ("fish", "complete --do-complete 'weir templ'", "template\t"),
];

#[test]
fn shells_complete_what_the_package_installs() {
    needs!(
        Need::Root,
        Need::Tool("dpkg-deb"),
        Need::Tool("dpkg"),
        Need::Tool("zsh"),
        Need::Tool("fish")
    );
    let made = Made::new("deb");
    private::enter();
    let scratch = made.path().join("scratch");
    let root = private::copy_of_root(&scratch);
    std::fs::copy(made.file(".deb"), root.join("weir.deb")).unwrap();
    let run = |words: &[&str]| {
        let mut command = Command::new("chroot");
        command.arg(&root).args(words).env("HOME", "/var");
        process::run(&mut command).expect_success()
    };
    run(&["dpkg", "--install", "/weir.deb"]);
    for (shell, question, answer) in SHELLS {
        let said = run(&[shell, "-c", question]);
        assert!(said.contains(answer), "{shell}: {said:?}");
    }
    private::leave(&scratch);
}
