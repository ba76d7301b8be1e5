//! The state store against damage, crashes of real processes, crowds, and full or read-only disks.

#[cfg(test)]
mod claims;
#[cfg(test)]
mod common;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod generations;
#[cfg(test)]
mod identities;
#[cfg(test)]
mod identity_damage;
#[cfg(test)]
mod listing;
