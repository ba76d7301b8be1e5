//! The selftest at the end of an installation: of what was installed, as runtimes will call it.

use std::process::ExitCode;

use ep_builder::install::{PLUGIN, Survey};

use crate::cli::Selftest;
use crate::failure::Failure;
use crate::node::Node;
use crate::screen::talk;
use crate::selftest;

/// Runs it with the configuration as it is now. What was installed stays, whatever becomes of it: a node whose pods have
/// worked so far is no better off with the half of a release.
pub(super) fn prove(survey: &Survey, node: impl Fn() -> Result<Node, Failure>) -> ExitCode {
    let installed = Selftest {
        plugin: Some(survey.places.plugins.join(PLUGIN)),
        conflist: Some(survey.places.networks.join(&survey.network)),
    };
    talk("selftest: pods come and go in namespaces that nobody else sees");
    match node().and_then(|node| selftest::prove(&installed, &node)) {
        Ok(report) => {
            report.tell();
            if report.is_passed() {
                return ExitCode::SUCCESS;
            }
            talk(
                "weir is installed, and its selftest failed: pods that are made now may not work. Mend what it says and run `weir selftest`, or take weir away with `weir uninstall`",
            );
            ExitCode::from(1)
        }
        Err(failure) => {
            failure.say();
            talk(
                "weir is installed, and its selftest could not be run: mend what stands above and run `weir selftest`; `weir install --no-selftest` does without",
            );
            ExitCode::from(1)
        }
    }
}
