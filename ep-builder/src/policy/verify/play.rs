//! A packet of a case on its way through the programs, and what came of it.

use super::VerifyError;
use super::stage::Stage;
use crate::endpoint::EndpointId;
use crate::explain::{self, Addresses, Content, SYN, Sender, Way};
use crate::maps::Direction;
use crate::policy::oracle::{Answer, Case, End, Packet, Verdict, agrees};
use crate::policy::{Holder, Origin};

/// `DROP_POLICY` and `DROP_POLICY_DENY` of `bpf-src/lib/drop.h`.
const NOT_ALLOWED: u8 = 133;
const DENIED: u8 = 181;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
/// The port, or identifier, of the side that asks.
const ASKING: u16 = 40_001;

/// When the policy is asked about a packet. The answer is always the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// It opens a connection.
    First,
    /// It comes again: what was denied is denied, and what was allowed passes.
    Again,
    /// It belongs to a connection that another policy has allowed, and is from the side that began.
    Later,
    /// Likewise, from the other side.
    Reply,
}

impl Moment {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::First, Self::Again, Self::Later, Self::Reply];
}

/// What came of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The policy of the pod in question was asked, and this was done.
    Answer(Answer),
    /// It passed, and the policy was not asked.
    Unasked,
    /// It passed though no entry decided.
    Undecided,
    /// It was dropped for another reason than the policy has.
    Dropped(u8),
}

impl Seen {
    /// Whether it is what the documents mean.
    pub(super) fn agrees(self, moment: Moment, meant: &Verdict<'_>, origins: &[Origin]) -> bool {
        match (self, moment) {
            // The answer of the first one holds.
            (Self::Unasked, Moment::Again) => matches!(meant, Verdict::Allowed { .. }),
            (Self::Answer(answer), _) => agrees(meant, answer, origins),
            _ => false,
        }
    }
}

/// A packet with its sender.
type Sent = (Sender, explain::Packet);

impl Stage<'_> {
    /// Whether a packet can be sent from one pod to another: the network stack of a pod keeps those to itself,
    /// and a protocol of the other family never comes.
    pub(super) fn can_play(packet: &Packet) -> bool {
        let is_alien = matches!(
            (packet.protocol, packet.address.is_ipv4()),
            (ICMP, false) | (ICMPV6, true)
        );
        packet.remote != End::Pod(packet.subject) && !is_alien
    }

    /// Plays a packet of the case that is set.
    pub(super) fn play(
        &self,
        case: &Case,
        packet: &Packet,
        moment: Moment,
    ) -> Result<Option<Seen>, VerifyError> {
        let Some(there) = self.there(case, packet)? else {
            return Ok(None);
        };
        let subject = self.id(packet.subject)?;
        self.twins().forget()?;
        if matches!(moment, Moment::Later | Moment::Reply) {
            self.send(&there)?;
        }
        self.close(subject)?;
        if moment == Moment::Again {
            self.send(&there)?;
        }
        let way = match moment {
            Moment::First | Moment::Again => self.send(&there),
            Moment::Later => self.send(&later(&there)),
            Moment::Reply => self.send(&self.back(packet, &there)?),
        };
        self.open(subject)?;
        Ok(Some(seen(&way?, subject, packet.direction)))
    }

    fn send(&self, (sender, packet): &Sent) -> Result<Way, VerifyError> {
        Ok(self.twins().send(*sender, packet)?)
    }

    /// The packet that opens the connection; none for addresses of two families.
    fn there(&self, case: &Case, packet: &Packet) -> Result<Option<Sent>, VerifyError> {
        let pod = case.pods.get(&packet.subject);
        let pod = pod.ok_or(VerifyError::NoPod(packet.subject))?;
        let own = if packet.address.is_ipv4() {
            pod.ipv4.into()
        } else {
            pod.ipv6.into()
        };
        let (sender, addresses) = match packet.direction {
            Direction::Egress => (
                Sender::Pod(self.id(packet.subject)?),
                Addresses::new(own, packet.address),
            ),
            Direction::Ingress => (
                self.sender(packet.remote)?,
                Addresses::new(packet.address, own),
            ),
        };
        let packet = |addresses| (sender, explain::Packet::new(addresses, content(packet)));
        Ok(addresses.map(packet))
    }

    fn back(&self, packet: &Packet, (_, there): &Sent) -> Result<Sent, VerifyError> {
        let sender = match packet.direction {
            Direction::Egress => self.sender(packet.remote)?,
            Direction::Ingress => Sender::Pod(self.id(packet.subject)?),
        };
        let addresses = match there.addresses {
            Addresses::V4(from, to) => Addresses::V4(to, from),
            Addresses::V6(from, to) => Addresses::V6(to, from),
        };
        let content = match there.content {
            Content::Tcp { sport, dport, .. } => Content::Tcp {
                sport: dport,
                dport: sport,
                flags: SYN | explain::ACK,
            },
            Content::Udp { sport, dport } => Content::Udp {
                sport: dport,
                dport: sport,
            },
            Content::Sctp { sport, dport } => Content::Sctp {
                sport: dport,
                dport: sport,
            },
            Content::Echo { identifier, .. } => Content::Echo {
                identifier,
                is_reply: true,
            },
            other @ Content::Other(_) => other,
        };
        Ok((sender, explain::Packet::new(addresses, content)))
    }

    fn sender(&self, end: End) -> Result<Sender, VerifyError> {
        Ok(match end {
            End::Pod(identity) => Sender::Pod(self.id(identity)?),
            End::Host => Sender::Host,
            End::World => Sender::Outside,
        })
    }
}

fn content(packet: &Packet) -> Content {
    let (sport, dport) = (ASKING, packet.port);
    match packet.protocol {
        6 => Content::Tcp {
            sport,
            dport,
            flags: SYN,
        },
        17 => Content::Udp { sport, dport },
        132 => Content::Sctp { sport, dport },
        ICMP | ICMPV6 => Content::Echo {
            identifier: ASKING,
            is_reply: false,
        },
        other => Content::Other(other),
    }
}

/// The next packet of the same side.
fn later((sender, packet): &Sent) -> Sent {
    let content = packet.content.next(ASKING);
    (*sender, explain::Packet::new(packet.addresses, content))
}

/// What a pod's policy said on a packet's way, and what was done.
fn seen(way: &Way, id: EndpointId, direction: Direction) -> Seen {
    let judgements = way.runs.iter().flat_map(|run| &run.judgements);
    let own = judgements.filter(|it| (it.whose, it.direction) == (Holder::Endpoint(id), direction));
    let own: Vec<_> = own.collect();
    let rule = own.iter().find_map(|judgement| judgement.decider());
    let rule = rule.map(|found| found.decision.rule);
    match (way.verdict, rule) {
        (explain::Verdict::Dropped(by, drop), rule) => match (drop.reason, rule) {
            (NOT_ALLOWED, None) if by == Holder::Endpoint(id) => Seen::Answer(Answer::NotAllowed),
            (DENIED, Some(rule)) if by == Holder::Endpoint(id) => {
                Seen::Answer(Answer::Denied(rule))
            }
            (reason, _) => Seen::Dropped(reason),
        },
        (_, Some(rule)) => Seen::Answer(Answer::Allowed(rule)),
        (_, None) if own.is_empty() => Seen::Unasked,
        (_, None) => Seen::Undecided,
    }
}
