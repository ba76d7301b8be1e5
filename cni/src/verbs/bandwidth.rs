//! From the limits that a runtime asks for to those that a pod gets.

use ep_builder::endpoint::{Bandwidth, Limit};

use crate::log::CallLog;
use crate::net;
use crate::netconf::runtime::{self, RuntimeConfig};

/// The limits of a pod whose link has this MTU.
pub(super) fn decided(asked: &RuntimeConfig, mtu: u32, log: &mut CallLog) -> Bandwidth {
    let mut limit = |way: &str, asked: Option<runtime::Limit>| -> Option<Limit> {
        let asked = asked?;
        let limit = net::limit(asked.rate, asked.burst, mtu);
        if let Some(burst) = asked.burst.filter(|burst| *burst < limit.burst) {
            log.notice(format!(
                "runtimeConfig.bandwidth.{way}Burst is {burst} bits, and no packet of the MTU {mtu} would ever pass: it is {} instead",
                limit.burst
            ));
        }
        Some(limit)
    };
    Bandwidth {
        ingress: limit("ingress", asked.ingress),
        egress: limit("egress", asked.egress),
    }
}
