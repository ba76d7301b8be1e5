//! `weir bpf policy set` and `unset`: single rules by hand, for a host without policy files and for trying.

use ep_builder::endpoint::EndpointId;
use ep_builder::maps::{Decision, Direction, MapsError, Rule};

use super::policy;
use crate::cli::{RuleArguments, RuleDirection};
use crate::failure::Failure;
use crate::map::maps;
use crate::node::Node;
use crate::screen::{Screen, talk};

fn rule(arguments: &RuleArguments) -> Rule {
    Rule {
        identity: arguments.identity,
        direction: match arguments.direction {
            RuleDirection::Ingress => Direction::Ingress,
            RuleDirection::Egress => Direction::Egress,
        },
        traffic: arguments.traffic,
    }
}

pub(super) fn set(
    node: &Node,
    arguments: &RuleArguments,
    deny: bool,
    screen: &Screen,
) -> Result<(), Failure> {
    maps(node)
        .policy(arguments.id)?
        .insert(&rule(arguments), Decision { deny, rule: 0 })?;
    judge_anew(node, arguments.id)?;
    policy::get(node, arguments.id, screen)
}

pub(super) fn unset(
    node: &Node,
    arguments: &RuleArguments,
    screen: &Screen,
) -> Result<(), Failure> {
    if !maps(node).policy(arguments.id)?.remove(&rule(arguments))? {
        talk("note: there was no such rule");
    }
    judge_anew(node, arguments.id)?;
    policy::get(node, arguments.id, screen)
}

/// A new revision: connections that were allowed under the old one are judged again.
fn judge_anew(node: &Node, id: EndpointId) -> Result<(), MapsError> {
    let mut revisions = maps(node).policy_revisions()?;
    let revision = revisions.get(id)?;
    revisions.set(id, revision.wrapping_add(1))
}
