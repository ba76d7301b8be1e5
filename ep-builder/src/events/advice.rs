//! What to do about a packet that was dropped, by the name of the reason.
//!
//! Names and meanings are the sources' own ([`super::Vocabulary`]). What an operator does next is not the
//! datapath's business, and stands here. A test holds that every reason that some program gives has its line.

use crate::sources::Sources;

/// The reasons that programs give, with what to do.
const ADVICE: [(&str, &str); 28] = [
    (
        "INVALID_SOURCE_MAC",
        "Something in the pod sends with another MAC than weir gave it: a bridge or a VPN in the pod, or a plugin that changed it. A MAC can be asked for when the pod is made (docs/runtimes.md); `weir endpoint get ID` shows the one that counts.",
    ),
    (
        "INVALID_SOURCE_IP",
        "At a pod: it sends with an address that is not its own. At endpoint 0: somebody outside claims to be a pod or the node. Compare `weir ip list` with the packet's source in `weir monitor`.",
    ),
    (
        "POLICY",
        "A policy isolates the pod, and no rule allows this. `weir explain --from POD --to POD:PORT` names the policy; `weir policy get ID` shows what is allowed.",
    ),
    (
        "INVALID",
        "The packet is broken, or forged. One now and then is noise of the network; many from one pod are worth a look inside of it.",
    ),
    (
        "CT_INVALID_HEADER",
        "The packet is cut short in its transport header, or forged. Nothing to do for single ones.",
    ),
    (
        "UNKNOWN_L3",
        "The pod uses a protocol that weir does not carry, or a family that `ipv4` or `ipv6` in `[datapath]` switches off.",
    ),
    (
        "MISSED_TAIL_CALL",
        "A part of the pod's programs is gone; the detail of the event is the slot. `weir doctor` says who meddled, `weir endpoint regenerate ID` loads them again.",
    ),
    (
        "WRITE_ERROR",
        "The kernel refused to change the packet. Report it with the event's file and line.",
    ),
    (
        "UNKNOWN_ICMP4_CODE",
        "An odd message, mostly of a scanner. Nothing to do.",
    ),
    (
        "UNKNOWN_ICMP4_TYPE",
        "An odd message, mostly of a scanner. Nothing to do.",
    ),
    (
        "UNKNOWN_ICMP6_CODE",
        "An odd message, mostly of a scanner. Nothing to do.",
    ),
    (
        "UNKNOWN_ICMP6_TYPE",
        "An odd message, mostly of a scanner. Nothing to do.",
    ),
    (
        "UNKNOWN_TARGET",
        "Somebody still sends to a pod that is gone, or never was. `weir ip list` shows whose addresses are whose.",
    ),
    (
        "CSUM_L3",
        "The kernel refused to change the packet. Report it with the event's file and line.",
    ),
    (
        "CSUM_L4",
        "The kernel refused to change the packet. Report it with the event's file and line.",
    ),
    (
        "CT_CREATE_FAILED",
        "The table of connections takes no more. See how full it is with `weir map list`, and raise `ct_tcp` or `ct_any` in `[maps]`.",
    ),
    (
        "INVALID_EXTHDR",
        "A packet of IPv6 with headers that nobody needs: broken, or forged. Nothing to do.",
    ),
    (
        "UNSUPPORTED_L2",
        "The pod speaks a protocol of the link that is not IP over Ethernet, such as spanning tree. Nothing to do.",
    ),
    (
        "NAT_NO_MAPPING",
        "The device has no address of the family, or nearly every port towards this peer is in use: `weir node status` shows the first, `weir bpf nat list` the second. An answer to nothing that is known gets this reason, too.",
    ),
    (
        "NAT_UNSUPP_PROTO",
        "The protocol has no ports to translate. Name the network of the peer in `native_cidrs` if it knows the way back to the pod.",
    ),
    (
        "FRAG_NOT_FOUND",
        "Fragments came out of order, or the first one was dropped; or more are on their way than `fragments` in `[maps]` holds.",
    ),
    (
        "FORBIDDEN_ICMP6",
        "Something in the pod acts as a router. It must not: switch it off in there.",
    ),
    (
        "POLICY_DENY",
        "A rule with `action: deny` names it. `weir explain --from POD --to POD:PORT` shows the rule with file and line.",
    ),
    (
        "VLAN_FILTERED",
        "The pod has a VLAN of its own on its interface. Take it away: pods send untagged.",
    ),
    (
        "INVALID_TC_BUFFER",
        "Something between weir's programs overwrote their scratch words, or a program was loaded by hand. `weir doctor` looks for filters of others; `weir endpoint regenerate --all --force` loads ours again.",
    ),
    (
        "TTL_EXCEEDED",
        "`traceroute` makes such packets, and so does a loop of routes.",
    ),
    (
        "HOST_NOT_READY",
        "The node's own policy cannot be asked, so nothing that it would judge passes. `weir node status` says what is missing, `weir node init` loads it again.",
    ),
    (
        "ENDPOINT_NOT_READY",
        "The receiver is being made or removed. If it lasts, `weir doctor` says what is missing and `weir endpoint regenerate ID` mends it.",
    ),
];

/// What to do about drops of this reason; none of one that no program gives.
pub fn advice(reason: &str) -> Option<&'static str> {
    let row = ADVICE.iter().find(|(name, _)| *name == reason);
    row.map(|(_, advice)| *advice)
}

/// Whether some program of these sources drops for this reason. Others are there because a number that operators and
/// dashboards know is never used for something else.
pub fn is_given(reason: &str, sources: &Sources) -> bool {
    let word = format!("DROP_{reason}");
    let is_word = |text: &str| {
        let mut words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        words.any(|found| found == word)
    };
    let mut files = sources.files().iter();
    files.any(|file| is_word(&String::from_utf8_lossy(&file.bytes)))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::events::Vocabulary;

    #[test]
    fn every_reason_that_is_given_has_its_advice_and_no_other() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bpf-src");
        let sources = Sources::read(&root).unwrap();
        let known = Vocabulary::of(&sources);
        for (code, reason) in known.drops() {
            assert_eq!(
                advice(&reason.name).is_some(),
                is_given(&reason.name, &sources),
                "{code} {}: events/advice.rs",
                reason.name
            );
        }
        for (name, _) in ADVICE {
            assert!(
                known.drops().any(|(_, reason)| reason.name == name),
                "{name}"
            );
        }
    }
}
