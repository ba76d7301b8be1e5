//! weir-cni killed, starved and lied to: whatever happens to a call, the next DEL or GC leaves nothing of it.
//! Each test is a node of its own, with a state root in memory, and pods that only it can name.

#[cfg(test)]
mod delegates;
#[cfg(test)]
mod endpoint;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod own_part;
#[cfg(test)]
mod ports;
#[cfg(test)]
mod rates;
#[cfg(test)]
mod snapshot;
#[cfg(test)]
mod soak;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod verbs;
