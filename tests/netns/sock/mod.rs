//! Host ports for sockets of the node and of its pods: who gets where, what sockets say of it, and what is left.
//!
//! The programs are attached to a control group that only the thread of a test is in, so that nobody else on the
//! machine meets them.

mod group;
mod life;
mod reach;
mod speak;
mod world;
