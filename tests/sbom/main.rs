//! The list of parts of a release, as SPDX 2.3 in JSON.
//!
//! `weir-sbom METADATA LOCK ALL LINKED CREATED` reads what `cargo metadata` says, `Cargo.lock`, and what `cargo tree`
//! says of the two programs, with and without what only makes them. It writes to standard output: the programs,
//! every crate that is linked into them, those that made them, the datapath's sources, and the C library, which is
//! linked statically. Equal inputs give equal bytes.
#![expect(clippy::print_stdout, reason = "its output is what it is for")]

mod graph;
mod spdx;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use ep_builder::whole_file;
use graph::Graph;

/// No list of dependencies comes near this.
const LIMIT: u64 = 64 << 20;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    let made = match words.as_slice() {
        [metadata, lock, all, linked, created] => {
            make([metadata, lock, all, linked].map(Path::new), created)
        }
        _ => Err("weir-sbom METADATA LOCK ALL LINKED CREATED".into()),
    };
    match made {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("no list of parts: {error}");
            ExitCode::FAILURE
        }
    }
}

fn make([metadata, lock, all, linked]: [&Path; 4], created: &str) -> Outcome<String> {
    let read = |path| whole_file::read_named(path, LIMIT);
    let metadata = serde_json::from_slice(&read(metadata)?)?;
    let [all, linked] = [read(all)?, read(linked)?];
    let [all, linked] = [str::from_utf8(&all)?, str::from_utf8(&linked)?];
    let graph = Graph::read(&metadata, &read(lock)?, all, linked)?;
    let document = spdx::document(&graph, created);
    Ok(serde_json::to_string_pretty(&document)?)
}
