//! The crates of the programs: which they are, from `cargo tree`; what each is, from `cargo metadata` and `Cargo.lock`.
//!
//! The graph of `cargo metadata` alone would not do: it has the features that tests switch on, too.

use std::collections::{BTreeMap, BTreeSet};

use ep_builder::digest::sha256_hex;
use serde_json::Value;

use crate::Outcome;

/// The packages whose programs are shipped.
const ROOTS: [&str; 2] = ["ep-builder", "weir-cni"];

/// What a crate has to do with the programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// It is in them.
    Linked,
    /// It ran while they were made: a build script's crate, a procedural macro, or a crate of one.
    Tool,
}

/// A name and a version.
pub(crate) type Id = (String, String);

/// A crate.
#[derive(Debug)]
pub(crate) struct Crate {
    pub(crate) name: String,
    pub(crate) version: String,
    /// An expression of SPDX.
    pub(crate) license: String,
    /// Where its archive is; our own have none.
    pub(crate) source: Option<String>,
    /// SHA-256 of that archive.
    pub(crate) checksum: Option<String>,
    pub(crate) part: Part,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Graph {
    /// The version of the release.
    pub(crate) version: String,
    /// By name and version.
    pub(crate) crates: Vec<Crate>,
    /// Names this list, in place of a random number.
    pub(crate) digest: String,
}

impl Graph {
    /// `all` and `linked` are lines of `cargo tree`.
    pub(crate) fn read(metadata: &Value, lock: &[u8], all: &str, linked: &str) -> Outcome<Self> {
        let checksums = checksums(lock)?;
        let packages = metadata["packages"].as_array();
        let packages = packages.ok_or("cargo's metadata have no packages")?;
        let packages: BTreeMap<Id, &Value> = packages
            .iter()
            .map(|package| Ok((named(package)?, package)))
            .collect::<Outcome<_>>()?;
        let linked = ids(linked)?;
        let mut crates = Vec::new();
        for id in ids(all)?.union(&linked) {
            let part = if linked.contains(id) {
                Part::Linked
            } else {
                Part::Tool
            };
            let package = packages.get(id);
            let package = package.ok_or_else(|| format!("cargo's metadata lack {id:?}"))?;
            crates.push(described(id, package, part, checksums.get(id)));
        }
        let root = crates.iter().find(|it| ROOTS.contains(&it.name.as_str()));
        Ok(Self {
            version: root.ok_or("none of our packages is in it")?.version.clone(),
            crates,
            digest: sha256_hex(lock),
        })
    }
}

/// `name vVERSION` and more, in each line that is not empty.
fn ids(lines: &str) -> Outcome<BTreeSet<Id>> {
    let lines = lines.lines().filter(|line| !line.is_empty());
    let id = |line: &str| -> Outcome<Id> {
        let mut words = line.split_whitespace();
        match (
            words.next(),
            words.next().and_then(|it| it.strip_prefix('v')),
        ) {
            (Some(name), Some(version)) => Ok((name.to_owned(), version.to_owned())),
            _ => Err(format!("cargo tree says {line:?}").into()),
        }
    };
    lines.map(id).collect()
}

/// The checksums of `Cargo.lock`.
fn checksums(lock: &[u8]) -> Outcome<BTreeMap<Id, String>> {
    let lock: toml::Table = std::str::from_utf8(lock)?.parse()?;
    let packages = lock.get("package").and_then(toml::Value::as_array);
    let word = |package: &toml::Value, key: &str| Some(package.get(key)?.as_str()?.to_owned());
    let of_package = |package: &toml::Value| {
        let id = (word(package, "name")?, word(package, "version")?);
        Some((id, word(package, "checksum")?))
    };
    let packages = packages.into_iter().flatten();
    Ok(packages.filter_map(of_package).collect())
}

fn named(package: &Value) -> Outcome<Id> {
    let word = |key: &str| package[key].as_str().map(str::to_owned);
    let both = word("name").zip(word("version"));
    Ok(both.ok_or("cargo's metadata have a package without a name")?)
}

fn described(
    (name, version): &Id,
    package: &Value,
    part: Part,
    checksum: Option<&String>,
) -> Crate {
    // The old way to write "or".
    let license = package["license"].as_str().unwrap_or("NOASSERTION");
    let license: Vec<_> = license.split('/').map(str::trim).collect();
    let is_foreign = package["source"].is_string();
    let archive = format!("https://static.crates.io/crates/{name}/{name}-{version}.crate");
    Crate {
        name: name.clone(),
        version: version.clone(),
        license: license.join(" OR "),
        source: is_foreign.then_some(archive),
        checksum: checksum.cloned(),
        part,
    }
}
