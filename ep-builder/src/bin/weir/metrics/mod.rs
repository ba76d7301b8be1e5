//! `weir metrics`: the numbers of this node, for Prometheus.

mod calls;
mod collect;
mod exposition;
mod http;
mod maps;
mod privileges;
mod server;
mod table;

use crate::cli::Metrics;
use crate::failure::Failure;
use crate::node::Node;
use crate::screen::{Format, Screen};
use collect::Scraper;

pub(crate) fn run(
    arguments: &Metrics,
    node: impl FnOnce() -> Result<Node, Failure>,
    screen: &Screen,
) -> Result<(), Failure> {
    if arguments.describe {
        return table::describe(screen);
    }
    let mut scraper = Scraper::new(node()?);
    if let Some(address) = arguments.listen {
        return server::serve(address, scraper);
    }
    let all = scraper.collect();
    match screen.format() {
        Format::Table | Format::Wide => screen.data(&all.text()),
        Format::Json | Format::Yaml => screen.value(&all.samples()),
    }
}
