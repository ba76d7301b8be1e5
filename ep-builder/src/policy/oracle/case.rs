//! Documents, pods and packets together, and whether somebody judges them as the documents mean it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::look_up::{Asked, look_up};
use super::verdict::{Question, Subject, Verdict, Who, verdict};
use crate::maps::Direction;
use crate::policy::{
    CompileError, CompileOptions, Compiled, NodeFacts, Origin, PodFacts, PolicyEntry, PolicySet,
    compile,
};

/// The identity of the node.
pub const HOST: u32 = 1;

/// Documents, the pods of a node, and packets that open connections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Case {
    /// The documents.
    pub set: PolicySet,
    /// Whether the node reaches its pods without a rule.
    pub allow_localhost: bool,
    /// The pods, one of each identity.
    pub pods: BTreeMap<u32, Pod>,
    /// What policy knows of the node.
    pub node: NodeFacts,
    /// The packets, each on its own.
    pub packets: Vec<Packet>,
}

/// A pod with its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// What policy knows of it.
    pub facts: PodFacts,
    /// Its IPv4 address.
    pub ipv4: Ipv4Addr,
    /// Its IPv6 address.
    pub ipv6: Ipv6Addr,
}

/// A packet that opens a connection, from the point of view of one end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The identity of this end: a pod's, or [`HOST`].
    pub subject: u32,
    /// Whether it is reached, or reaches out.
    pub direction: Direction,
    /// Who is at the other end.
    pub remote: End,
    /// The address of the other end.
    pub address: IpAddr,
    /// The number of the protocol.
    pub protocol: u8,
    /// The port of the side that answers; for ICMP the type of the message, else 0.
    pub port: u16,
}

/// The other end of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The pod with this identity.
    Pod(u32),
    /// The node.
    Host,
    /// Somebody else.
    World,
}

impl End {
    /// Its identity.
    pub fn identity(self) -> u32 {
        match self {
            Self::Pod(identity) => identity,
            Self::Host => HOST,
            Self::World => 2,
        }
    }
}

/// What was decided of a packet, by whatever decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It passes, by the rule of this number, or by none (0).
    Allowed(u32),
    /// It is dropped by the rule of this number.
    Denied(u32),
    /// It is dropped because no entry allows it.
    NotAllowed,
}

impl Answer {
    /// The answer of the entry that decides, if one does.
    pub fn of(entry: Option<&PolicyEntry>) -> Self {
        match entry.map(|entry| entry.decision) {
            None => Self::NotAllowed,
            Some(decision) if decision.deny => Self::Denied(decision.rule),
            Some(decision) => Self::Allowed(decision.rule),
        }
    }
}

/// A packet that was not judged as the documents mean it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disagreement<'a> {
    /// The packet.
    pub packet: &'a Packet,
    /// What the documents mean.
    pub meant: Verdict<'a>,
    /// What was decided.
    pub answer: Answer,
}

impl Case {
    /// The facts of its pods, as the compiler takes them.
    pub fn facts(&self) -> BTreeMap<u32, PodFacts> {
        let pods = self.pods.iter();
        pods.map(|(identity, pod)| (*identity, pod.facts.clone()))
            .collect()
    }

    /// What the compiler makes of it, without a limit.
    pub fn compiled(&self) -> Result<Compiled, CompileError> {
        let options = CompileOptions {
            allow_localhost: self.allow_localhost,
            max_entries: usize::MAX,
        };
        compile(&self.set, &self.facts(), &self.node, &options)
    }

    /// What the documents mean for a packet; none if it is about a pod that is not there.
    pub fn meant(&self, packet: &Packet) -> Option<Verdict<'_>> {
        let facts = |identity| self.pods.get(&identity).map(|pod: &Pod| &pod.facts);
        let question = Question {
            subject: match packet.subject {
                HOST => Subject::Node(&self.node),
                pod => Subject::Pod(facts(pod)?),
            },
            direction: packet.direction,
            remote: match packet.remote {
                End::Pod(identity) => Who::Pod(facts(identity)?),
                End::Host => Who::Host,
                End::World => Who::World,
            },
            address: packet.address,
            protocol: packet.protocol,
            port: packet.port,
        };
        Some(verdict(&self.set, self.allow_localhost, &question))
    }

    /// The first packet that `judge` decides otherwise, or by a rule that does not say so. Origins are those
    /// that the judge's numbers of rules count.
    pub fn disagreement(
        &self,
        origins: &[Origin],
        mut judge: impl FnMut(&Packet) -> Answer,
    ) -> Option<Disagreement<'_>> {
        self.packets.iter().find_map(|packet| {
            let meant = self.meant(packet)?;
            let answer = judge(packet);
            (!agrees(&meant, answer, origins)).then_some(Disagreement {
                packet,
                meant,
                answer,
            })
        })
    }

    /// The first packet that these entries decide otherwise.
    pub fn disagreement_with(&self, compiled: &Compiled) -> Option<Disagreement<'_>> {
        self.disagreement(&compiled.origins, |packet| packet.answer(compiled))
    }
}

impl Packet {
    /// What these entries decide.
    pub fn answer(&self, compiled: &Compiled) -> Answer {
        // The datapath asks for the node only where a document speaks for it.
        if self.subject == HOST && !compiled.subjects.contains_key(&HOST) {
            return Answer::Allowed(0);
        }
        Answer::of(look_up(compiled, &self.asked()))
    }

    /// What the datapath asks about it.
    pub fn asked(&self) -> Asked {
        Asked {
            subject: self.subject,
            direction: self.direction,
            identity: self.remote.identity(),
            address: self.address,
            protocol: self.protocol,
            port: self.port,
        }
    }
}

/// Whether the verdict is the same, and the rule one of those that say it.
pub fn agrees(meant: &Verdict<'_>, answer: Answer, origins: &[Origin]) -> bool {
    let place = |number| Origin::of_rule(origins, number).map(|origin| &origin.place);
    match (meant, answer) {
        (Verdict::NotAllowed, Answer::NotAllowed)
        | (Verdict::Allowed { freely: true, .. }, Answer::Allowed(0)) => true,
        (Verdict::Allowed { rules, .. }, Answer::Allowed(number))
        | (Verdict::Denied(rules), Answer::Denied(number)) => {
            rules.iter().any(|rule| Some(&rule.place) == place(number))
        }
        _ => false,
    }
}
