//! The built binaries as processes.

#[cfg(test)]
mod attached;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod bench;
#[cfg(test)]
mod bpf;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod cni_version;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod endpoint;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod install;
#[cfg(test)]
mod map;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod monitor;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod races;
#[cfg(test)]
mod status;
#[cfg(test)]
mod template;
#[cfg(test)]
mod top;
