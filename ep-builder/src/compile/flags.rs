//! The flags of every compilation. They are part of the key.

/// Everything but the input: the same for every template, so that the same sources give the same bytes.
///
/// Paths are relative to the private folder the compiler runs in, and `-fdebug-compilation-dir`
/// keeps that folder's own name out of the object; `-ffile-prefix-map` does the same for anything that
/// would be made absolute. `-mcpu=v3` is what every kernel from 5.1 on takes and 6.1 is our oldest.
pub const FLAGS: &[&str] = &[
    "-O2",
    "-target",
    "bpf",
    "-mcpu=v3",
    "-g",
    "-nostdinc",
    "-std=gnu17",
    "-Wall",
    "-Wextra",
    "-Wundef",
    "-Wshadow",
    "-Werror",
    "-fno-crash-diagnostics",
    "-fdebug-compilation-dir=.",
    "-I.",
    "-Ibpf-src",
];

/// The folder of the sources below the one the compiler runs in.
pub(super) const SOURCE_FOLDER: &str = "bpf-src";
