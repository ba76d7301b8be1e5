//! State and environment at their worst: disks that fill up, refuse or err, memory that is not there, clocks that
//! jump, processes that die anywhere, folders that others have written to. Nothing is lost, nothing is let in.

#[cfg(test)]
#[cfg(target_arch = "x86_64")]
mod cgroup;
#[cfg(test)]
#[cfg(target_arch = "x86_64")]
mod clock;
#[cfg(test)]
#[cfg(target_arch = "x86_64")]
mod disk_full;
#[cfg(test)]
#[cfg(target_arch = "x86_64")]
mod io_error;
#[cfg(test)]
mod killed;
#[cfg(test)]
#[cfg(target_arch = "x86_64")]
mod leap;
#[cfg(test)]
mod links;
#[cfg(test)]
mod links_plant;
#[cfg(test)]
mod links_roots;
#[cfg(test)]
mod live;
#[cfg(test)]
#[cfg(target_arch = "x86_64")]
mod memory;
#[cfg(test)]
#[cfg(target_arch = "x86_64")]
mod places;
#[cfg(test)]
mod poisoned;
#[cfg(test)]
mod probe;
#[cfg(test)]
#[cfg(target_arch = "x86_64")]
mod read_only;
#[cfg(test)]
#[cfg(target_arch = "x86_64")]
mod reading;
#[cfg(test)]
mod rights;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod stride;
#[cfg(test)]
#[cfg(target_arch = "x86_64")]
mod trials;
