//! The command line of `weir reference`.

use std::path::PathBuf;

use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum Reference {
    /// Commands, keys of weir.toml and reasons of drops, as Markdown: the pages of docs/reference
    Pages {
        /// The folder, which must be there
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Pages of the manual: each command in section 8, weir.toml in section 5
    Man {
        /// The folder, which must be there
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Completion scripts, under the names by which shells find them
    Completions {
        /// The folder, which must be there
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}
