//! `weir bpf policy set` and `unset`: single rules by hand, for a host without policy files and for trying.
//!
//! Each is a new revision of the endpoint's entries: connections that were allowed under the old one are
//! judged again.

use ep_builder::lock::FileLock;
use ep_builder::maps::{Counters, Decision, Direction, Rule};
use ep_builder::policy::{Holder, PolicyStore};

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

/// Nobody puts another policy in force meanwhile.
fn alone(node: &Node) -> Result<FileLock, Failure> {
    let policies = PolicyStore::new(&node.settings.paths.state_dir);
    Ok(policies.exclude()?.into_lock())
}

pub(super) fn set(
    node: &Node,
    arguments: &RuleArguments,
    deny: bool,
    screen: &Screen,
) -> Result<(), Failure> {
    let _alone = alone(node)?;
    maps(node).edit_policy(arguments.id, |entries| {
        let entry = (Decision { deny, rule: 0 }, Counters::default());
        entries.insert(rule(arguments), entry);
    })?;
    policy::get(node, Holder::Endpoint(arguments.id), screen)
}

pub(super) fn unset(
    node: &Node,
    arguments: &RuleArguments,
    screen: &Screen,
) -> Result<(), Failure> {
    let mut was_there = false;
    let _alone = alone(node)?;
    maps(node).edit_policy(arguments.id, |entries| {
        was_there = entries.remove(&rule(arguments)).is_some();
    })?;
    if !was_there {
        talk("note: there was no such rule");
    }
    policy::get(node, Holder::Endpoint(arguments.id), screen)
}
