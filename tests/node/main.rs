//! L3 and L4: what the world, the node and its pods do to one another, between real namespaces. A case takes the
//! plugin as its parameter where it can: what holds for `ptp` with `host-local`, `ipMasq` and `portmap` is right.

#[cfg(test)]
mod change;
#[cfg(test)]
mod direct;
#[cfg(test)]
mod ears;
#[cfg(test)]
mod explain;
#[cfg(test)]
mod families;
#[cfg(test)]
mod firewall;
#[cfg(test)]
mod flows;
#[cfg(test)]
mod frames;
#[cfg(test)]
mod health;
#[cfg(test)]
#[path = "../policy/icmp.rs"]
mod icmp;
#[cfg(test)]
mod lies;
#[cfg(test)]
mod masquerade;
#[cfg(test)]
mod native;
#[cfg(test)]
mod paths;
#[cfg(test)]
mod plugin;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod ports;
#[cfg(test)]
#[path = "../policy/sctp.rs"]
mod sctp;
#[cfg(test)]
mod segments;
#[cfg(test)]
mod setup;
#[cfg(test)]
#[path = "../policy/socket.rs"]
mod socket;
#[cfg(test)]
mod sockets;
#[cfg(test)]
mod stacked;
#[cfg(test)]
mod talk;
#[cfg(test)]
mod tunnel;
#[cfg(test)]
mod world;

/// IPv4 and IPv6, as places in all pairs.
#[cfg(test)]
const FAMILIES: [usize; 2] = [0, 1];

/// What every test here needs.
#[cfg(test)]
macro_rules! needs {
    ($($more:expr),*) => {
        weir_tests::need!(
            weir_tests::need::Need::Root,
            weir_tests::need::Need::Templates,
            weir_tests::need::Need::Tool("ip"),
            weir_tests::need::Need::Tool("ping") $(, $more)*
        )
    };
}

/// Cases as tests of both plugins.
#[cfg(test)]
macro_rules! cases {
    ($($case:ident),+ $(,)?) => {
        mod of_ptp {
            $(
                #[test]
                fn $case() {
                    $crate::needs!(
                        weir_tests::need::Need::Tool("iptables"),
                        weir_tests::need::Need::Tool("/usr/lib/cni/ptp"),
                        weir_tests::need::Need::Tool("/usr/lib/cni/portmap")
                    );
                    super::$case($crate::plugin::Plugin::Ptp);
                }
            )+
        }
        mod of_weir {
            $(
                #[test]
                fn $case() {
                    $crate::needs!();
                    super::$case($crate::plugin::Plugin::Weir);
                }
            )+
        }
    };
}
#[cfg(test)]
pub(crate) use {cases, needs};
