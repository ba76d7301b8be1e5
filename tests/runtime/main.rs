//! L5: real runtimes. Each test is a node of its own: a network namespace, and mount and PID namespaces in
//! which containerd or podman, the plugins and the pods run, and with which they all end.
//!
//! The cases take the plugin as their parameter. What holds for Debian's `ptp` too is a right case.

#[cfg(test)]
mod cgroup;
#[cfg(test)]
mod chains;
#[cfg(test)]
mod containerd;
#[cfg(test)]
mod cri;
#[cfg(test)]
mod driver;
#[cfg(test)]
mod host;
#[cfg(test)]
mod image;
#[cfg(test)]
mod kubelet;
#[cfg(test)]
mod plugin;
#[cfg(test)]
mod podman;
#[cfg(test)]
mod pods;
#[cfg(test)]
mod residue;
#[cfg(test)]
mod until;
