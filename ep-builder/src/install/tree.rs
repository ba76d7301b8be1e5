//! A release of weir in a folder: what there is to install.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::error::InstallError;
use super::root::{LARGEST, Root};
use crate::digest::FileFacts;
use crate::whole_file::{self, FileError};

/// What a folder must have to be a release.
const SHAPE: [&str; 6] = [
    "bin/weir",
    "bin/weir-cni",
    "bpf/bpf_lxc.c",
    "bpf-templates",
    "conf/10-weir.conflist",
    "conf/weir.toml",
];

/// Those that are files of their own.
const SINGLE: [&str; 4] = [
    "bin/weir",
    "bin/weir-cni",
    "conf/10-weir.conflist",
    "conf/weir.toml",
];

/// The folders that hold what programs are made of, and the last of which a release may lack.
pub(super) const DATA: [&str; 3] = ["bpf", "bpf-templates", "templates"];
/// Pages of the manual and the like, where a release has them.
const SHARE: &str = "share";

/// Deeper than anything of a release.
const DEPTH: usize = 12;

/// The rights of a program, and of everything else.
const PROGRAM: u32 = 0o755;
pub(super) const PLAIN: u32 = 0o644;

/// A file of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its path below the release's folder.
    pub path: PathBuf,
    /// Its length and digest.
    pub facts: FileFacts,
    /// The rights it is installed with.
    pub mode: u32,
}

/// A release. The contents of its files are read when they are needed: a bundle is large.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// Its folder, without symbolic links.
    pub folder: PathBuf,
    /// Its files, by their paths.
    pub files: Vec<Source>,
}

/// `e_machine` and its place, as `elf.h` has them.
const MACHINE: usize = 18;
const MACHINES: [(u16, &str); 4] = [
    (62, "x86_64"),
    (183, "aarch64"),
    (243, "riscv64"),
    (22, "s390x"),
];

impl Tree {
    /// The release in a folder.
    pub fn read(folder: &Path) -> Result<Self, InstallError> {
        let folder = folder
            .canonicalize()
            .map_err(FileError::of("open the release", folder))?;
        for name in SHAPE {
            if !leads_somewhere(&folder.join(name))? {
                return Err(InstallError::NoTree {
                    folder,
                    lacks: name,
                });
            }
        }
        let mut paths = Vec::new();
        paths.extend(SINGLE.map(PathBuf::from));
        for name in DATA.into_iter().chain([SHARE]) {
            collect(&folder, Path::new(name), DEPTH, &mut paths)?;
        }
        paths.sort();
        let mut tree = Self {
            folder,
            files: Vec::new(),
        };
        for path in paths {
            let facts = FileFacts::of(&tree.bytes(&path)?);
            let mode = if path.starts_with("bin") {
                PROGRAM
            } else {
                PLAIN
            };
            tree.files.push(Source { path, facts, mode });
        }
        Ok(tree)
    }

    /// The content of one of its files.
    pub fn bytes(&self, path: &Path) -> Result<Vec<u8>, FileError> {
        whole_file::read_named(&self.folder.join(path), LARGEST)
    }

    /// The release around a program: it stands in the folder `bin` of one.
    pub fn around(program: &Path) -> Result<Self, InstallError> {
        let program = program
            .canonicalize()
            .map_err(FileError::of("find the release around", program))?;
        let bin = program.parent().filter(|folder| folder.ends_with("bin"));
        match bin.and_then(Path::parent).map(Self::read) {
            None | Some(Err(InstallError::NoTree { .. })) => {
                Err(InstallError::NoTreeAround { program })
            }
            Some(read) => read,
        }
    }

    /// Refuses a release whose programs are for another machine than the one they will run on.
    pub fn fits(&self, root: &Root) -> Result<(), InstallError> {
        let here = std::env::consts::ARCH;
        for name in ["bin/weir", "bin/weir-cni"] {
            let found = machine(&self.bytes(Path::new(name))?);
            // An image may be for another machine than the one that makes it.
            let is_wrong = found.is_empty() || (root.is_live() && found != here);
            if is_wrong {
                return Err(InstallError::Machine {
                    program: self.folder.join(name),
                    found: if found.is_empty() {
                        "no program of Linux".to_owned()
                    } else {
                        format!("for {found}")
                    },
                    here,
                });
            }
        }
        Ok(())
    }
}

/// What machine an ELF file is for; empty if it is none.
fn machine(bytes: &[u8]) -> String {
    let (Some(b"\x7fELF"), Some(order), Some([low, high])) = (
        bytes.first_chunk::<4>(),
        bytes.get(5),
        bytes
            .get(MACHINE..)
            .and_then(|rest| rest.first_chunk::<2>()),
    ) else {
        return String::new();
    };
    // `ELFDATA2MSB`.
    let number = if *order == 2 {
        u16::from_be_bytes([*low, *high])
    } else {
        u16::from_le_bytes([*low, *high])
    };
    let known = MACHINES.iter().find(|(known, _)| *known == number);
    known.map_or_else(
        || format!("machine {number}"),
        |(_, name)| (*name).to_owned(),
    )
}

/// The files below a folder of the release; one that is not there has none. Names that are hidden belong to
/// whoever packed it.
fn collect(
    folder: &Path,
    below: &Path,
    depth: usize,
    paths: &mut Vec<PathBuf>,
) -> Result<(), InstallError> {
    let here = folder.join(below);
    if depth == 0 || !leads_somewhere(&here)? {
        return Ok(());
    }
    let listed = || std::fs::read_dir(&here)?.collect::<std::io::Result<Vec<_>>>();
    for entry in listed().map_err(FileError::of("list", &here))? {
        let name = entry.file_name();
        if is_hidden(&name) {
            continue;
        }
        let path = below.join(name);
        let whole = folder.join(&path);
        let there = std::fs::metadata(&whole).map_err(FileError::of("look at", &whole))?;
        if there.is_dir() {
            collect(folder, &path, depth - 1, paths)?;
        } else {
            paths.push(path);
        }
    }
    Ok(())
}

/// Whether there is something at a path of the release.
fn leads_somewhere(path: &Path) -> Result<bool, FileError> {
    path.try_exists().map_err(FileError::of("look at", path))
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_of_a_program_is_read() {
        let elf = |order: u8, machine: [u8; 2]| {
            let mut bytes = b"\x7fELF\x02\x00".to_vec();
            bytes[5] = order;
            bytes.resize(MACHINE, 0);
            bytes.extend(machine);
            bytes
        };
        for (bytes, want) in [
            (elf(1, [62, 0]), "x86_64"),
            (elf(1, [183, 0]), "aarch64"),
            (elf(2, [0, 22]), "s390x"),
            (elf(1, [1, 1]), "machine 257"),
            (b"\x7fELF".to_vec(), ""),
            (b"#!/bin/sh\nexec something-longer\n".to_vec(), ""),
        ] {
            assert_eq!(machine(&bytes), want);
        }
        assert_eq!(
            machine(&std::fs::read("/proc/self/exe").unwrap()),
            std::env::consts::ARCH
        );
    }
}
