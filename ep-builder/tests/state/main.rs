//! The state store against damage, crashes of real processes, crowds, and full or read-only disks.

mod claims;
mod common;
mod damage;
mod disk;
mod generations;
mod listing;
