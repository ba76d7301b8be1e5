//! What a policy was asked, what it found, and which entry decided.

use super::error::ExplainError;
use super::twins::Twins;
use super::words::Question;
use crate::abi::{PolicyKey, PolicyValue};
use crate::bpf::{Map, Update};
use crate::maps::{Decision, Direction, Ports, Record, Rule, Traffic};
use crate::policy::Holder;

/// Whom a look-up is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum About {
    /// The peer's identity.
    Identity,
    /// The network that its address is in.
    Network,
    /// Anybody.
    Anybody,
}

/// One look-up in a policy map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookUp {
    /// Whom it was about.
    pub about: About,
    /// The key: the finest there can be.
    pub key: PolicyKey,
    /// The entry with the longest prefix of it, if there is one.
    pub found: Option<Found>,
}

/// An entry that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it is about.
    pub rule: Rule,
    /// What it says.
    pub decision: Decision,
    /// Whether it decided: the datapath counted the packet there.
    pub decided: bool,
}

/// A policy's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Whose policy it is.
    pub whose: Holder,
    /// Whether the pod, or the node, sends or receives, as policy sees it.
    pub direction: Direction,
    /// The peer's identity.
    pub identity: u32,
    /// The network that its address is in; 0 for none that policy names.
    pub network: u32,
    /// The number of the protocol.
    pub protocol: u8,
    /// The port of the side that answers; of ICMP the type of the message.
    pub port: u16,
    /// The revision of the policy.
    pub revision: u32,
    /// What was looked up, in the order of the datapath.
    pub look_ups: Vec<LookUp>,
}

impl Judgement {
    /// The entry that decided; none where nothing was found, or where the node lets pass what its policy does not.
    pub fn decider(&self) -> Option<&Found> {
        let mut found = self.look_ups.iter().filter_map(|it| it.found.as_ref());
        found.find(|found| found.decided)
    }

    /// Whether the policy lets it pass.
    pub fn allows(&self) -> bool {
        self.decider().is_some_and(|found| !found.decision.deny)
    }
}

/// Looks at the entries that a question leads to, and puts their counters back to zero.
pub(super) fn judgement(twins: &Twins, question: &Question) -> Result<Judgement, ExplainError> {
    let policy = twins.policy(question.whose)?;
    let look_up = |(about, identity)| look_up(policy, question, about, identity);
    let look_ups = question.asked_about().map(look_up);
    let look_ups = look_ups.collect::<Result<_, _>>()?;
    Ok(Judgement {
        whose: question.whose,
        direction: question.direction,
        identity: question.identity,
        network: question.network,
        protocol: question.protocol,
        port: question.port,
        revision: question.revision,
        look_ups,
    })
}

impl Question {
    /// Whom the datapath looks for, in its order.
    fn asked_about(&self) -> impl Iterator<Item = (About, u32)> {
        let network = (self.network != 0).then_some((About::Network, self.network));
        std::iter::once((About::Identity, self.identity))
            .chain(network)
            .chain([(About::Anybody, 0)])
    }

    fn rule(&self, identity: u32, traffic: Traffic) -> Rule {
        Rule {
            identity,
            direction: self.direction,
            traffic,
        }
    }

    /// The traffic of an entry that fixes so many bits and was found for this question.
    fn traffic(&self, match_bits: u8) -> Traffic {
        let protocol = self.protocol;
        match match_bits.checked_sub(Traffic::Protocol(protocol).match_bits()) {
            None => Traffic::Any,
            Some(0) => Traffic::Protocol(protocol),
            Some(bits) => Traffic::Ports(Ports {
                bits,
                ..Ports::one(protocol, self.port)
            }),
        }
    }
}

fn look_up(
    policy: &Map,
    question: &Question,
    about: About,
    identity: u32,
) -> Result<LookUp, ExplainError> {
    let one = Traffic::Ports(Ports::one(question.protocol, question.port));
    let key = question.rule(identity, one).key(question.revision);
    let found = match policy.lookup(&key.to_bytes())? {
        Some(value) => {
            let value = PolicyValue::from_bytes(&value);
            let rule = question.rule(identity, question.traffic(value.match_bits));
            if value.packets > 0 {
                set_to_zero(policy, &rule.key(question.revision), value)?;
            }
            Some(Found {
                rule,
                decision: Decision {
                    deny: value.deny != 0,
                    rule: value.rule,
                },
                decided: value.packets > 0,
            })
        }
        None => None,
    };
    Ok(LookUp { about, key, found })
}

fn set_to_zero(policy: &Map, key: &PolicyKey, value: PolicyValue) -> Result<(), ExplainError> {
    let value = PolicyValue {
        packets: 0,
        bytes: 0,
        ..value
    };
    let (key, value) = (key.to_bytes(), value.to_bytes());
    Ok(policy.update(&key, &value, Update::Replace)?)
}
