//! L3: the loader in the kernel, and traffic through what it loads. Each test is a thread with a mount and a
//! network namespace of its own and a private bpffs; its pods are namespaces that only it can name. All of
//! it goes away with the thread.

#[cfg(test)]
mod bpf;
#[cfg(test)]
mod diff;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod explain;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod filters;
#[cfg(test)]
mod install;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod monitor;
#[cfg(test)]
mod node;
#[cfg(test)]
mod own_part;
#[cfg(test)]
mod own_part_killed;
#[cfg(test)]
mod own_part_policy;
#[cfg(test)]
mod pod;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod policy_confirm;
#[cfg(test)]
mod policy_identity;
#[cfg(test)]
mod policy_killed;
#[cfg(test)]
mod policy_left;
#[cfg(test)]
mod policy_show;
#[cfg(test)]
mod programs;
#[cfg(test)]
mod regenerate;
#[cfg(test)]
mod regenerate_policy;
#[cfg(test)]
mod replace;
#[cfg(test)]
mod resize;
#[cfg(test)]
mod selftest;
#[cfg(test)]
mod sharing;
#[cfg(test)]
mod show;
#[cfg(test)]
mod sock;
#[cfg(test)]
mod traffic;
#[cfg(test)]
mod undo;
#[cfg(test)]
mod upgrade;
