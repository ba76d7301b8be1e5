//! The built binaries as processes.

#[cfg(test)]
mod cni_version;
