//! The built binaries as processes.

#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod cni_version;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod endpoint;
#[cfg(test)]
mod races;
#[cfg(test)]
mod template;
