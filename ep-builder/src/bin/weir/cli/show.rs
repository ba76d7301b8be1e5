//! The command line of `weir show`.

use clap::Args;
use ep_builder::endpoint::EndpointId;

/// What is shown.
#[derive(Args)]
pub(crate) struct Show {
    /// One endpoint in depth; without it the whole node
    #[arg(value_parser = EndpointId::parse)]
    pub(crate) id: Option<EndpointId>,
}
