//! L3: what policy documents say between real pods, over real connections. The cases are files with documents
//! and grids of who reaches whom; each group of them runs on a node of its own with nine pods in three
//! namespaces, the node itself, and a host beyond it.

#[cfg(test)]
#[path = "../traffic/beyond.rs"]
#[expect(
    dead_code,
    reason = "the node's address towards it is for tests of traffic"
)]
mod beyond;
#[cfg(test)]
mod cases;
#[cfg(test)]
mod cluster;
#[cfg(test)]
mod first_packet;
#[cfg(test)]
mod grid;
#[cfg(test)]
mod icmp;
#[cfg(test)]
mod open;
#[cfg(test)]
mod probe;
#[cfg(test)]
mod sctp;
#[cfg(test)]
mod serve;
#[cfg(test)]
mod socket;
