//! What each command does.
//!
//! [`add()`] is a transaction: its note is on disk before anything else happens, and whatever fails, or is
//! killed, [`teardown`] takes away, the same function that DEL and GC are made of.

mod add;
mod addresses;
mod answer;
mod bandwidth;
mod check;
mod del;
mod failures;
mod gc;
mod host;
mod labels;
mod mac;
mod node;
mod ports;
mod rights;
mod status;
mod teardown;

pub(crate) use add::add;
pub(crate) use check::check;
pub(crate) use del::del;
pub(crate) use gc::gc;
pub(crate) use status::status;
