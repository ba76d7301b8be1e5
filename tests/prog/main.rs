//! L2: what the kernel says of the objects. Each test has a mount and a network namespace of its own, with a
//! private bpffs, so nothing of it is left.

#[cfg(test)]
mod bench;
#[cfg(test)]
mod packets;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod ratchet;
#[cfg(test)]
mod stock_tools;
