//! L2: policy from documents to the programs' answers, by random cases.

mod churn;
mod command;
mod mutants;
mod verify;

use std::path::Path;

use ep_builder::patch::Template;
use ep_builder::policy::{Counterexample, Verification};
use ep_builder::settings::Settings;
use ep_builder::shape::NodeConfig;
use weir_tests::node::repository;

use crate::bench::compile;

/// Room for two policies and their networks, and no more.
const MAPS: &str = "[maps]\nendpoints = 64\nipcache = 1024\npolicy = 4096\nmetrics = 64\nevents = 65536\nfragments = 64\nct_tcp = 64\nct_any = 64\n";

/// The programs of these sources, under a configuration with these lines.
fn template(sources: &Path, lines: &str) -> Template {
    let templates = repository("bpf-templates");
    let text = format!(
        "{MAPS}{lines}[paths]\nbpf_dir = {:?}\nbpf_templates_dir = {:?}\nbundle_dir = \"/nowhere\"\n",
        sources.display().to_string(),
        templates.display().to_string(),
    );
    compile(Settings::from_toml(&text, Path::new("weir.toml")).unwrap())
}

fn verification(template: &Template) -> Verification<'_> {
    Verification::new(template, &NodeConfig::default()).unwrap()
}

/// A counter-example for a reader.
fn told(example: &Counterexample) -> String {
    let documents = example.documents().unwrap();
    let (meant, moment, seen) = (example.meant(), example.moment, example.seen);
    format!(
        "seed {}\n{documents}\n{moment:?}: {seen:?}, where {meant:?} is meant",
        example.seed
    )
}
