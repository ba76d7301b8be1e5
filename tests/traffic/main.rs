//! L3: real traffic between pods that the built command attached. Each test is a node of its own
//! ([`weir_tests::Lab`]): the thread's namespaces, a private bpffs, and small maps.

#[cfg(test)]
mod beyond;
#[cfg(test)]
mod change;
#[cfg(test)]
mod conntrack;
#[cfg(test)]
mod end;
#[cfg(test)]
mod failure;
#[cfg(test)]
mod host;
#[cfg(test)]
mod monitor;
#[cfg(test)]
mod mtu;
#[cfg(test)]
mod plain;
#[cfg(test)]
mod prove;
#[cfg(test)]
mod replace;
#[cfg(test)]
mod spoof;
#[cfg(test)]
mod talk;
