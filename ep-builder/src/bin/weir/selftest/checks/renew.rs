//! Pods as they should be, and replaced under traffic.

use ep_builder::lifecycle::Endpoints;
use ep_builder::prove::{Namespace, Other, Plan, Pod, prove};

use super::Said;
use super::make::{CLIENT, SERVER};
use crate::selftest::fault::Fault;
use crate::selftest::world::World;

/// How often the programs of a pod are replaced, and how many packets a second meet that in each direction of each
/// family: a machine that has live pods must have time for them.
const PLAN: Plan = Plan {
    replacements: 9,
    per_second: 1_000,
};

/// A runtime asks whether pods are as they were made.
pub(super) fn check(world: &mut World) -> Result<Said, Fault> {
    for pod in &world.pods {
        world.runtime.check(&pod.asked, &pod.place, &pod.result)?;
    }
    Ok(Said::Proved(format!(
        "weir-cni finds {} pods as it made them",
        world.pods.len()
    )))
}

/// New programs for a pod that others speak with.
pub(super) fn regenerate(world: &mut World) -> Result<Said, Fault> {
    let (builder, store) = (world.node.builder()?, world.node.store()?);
    let endpoints = Endpoints::new(&builder, &store);
    let end = |name| -> Result<Pod, Fault> {
        let pod = world.pod(name)?;
        Ok(Pod {
            namespace: Namespace::open(&pod.place.path())?,
            endpoint: pod.endpoint.clone(),
        })
    };
    let other = Other::Pod(Box::new(end(SERVER)?));
    let proof = prove(&endpoints, &builder, &end(CLIENT)?, &other, PLAN, &|| false)?;
    let (packets, replacements) = (&proof.packets, &proof.replacements);
    let said = format!(
        "the programs of a pod were replaced {} times, of them {} by another template's, while {} packets were sent",
        replacements.done, replacements.option_changes, packets.sent
    );
    if proof.is_hitless() {
        return Ok(Said::Proved(format!("{said}: none was lost")));
    }
    let lost = format!(
        "{said}: {} were lost, {} met a program that was not there, {} found a queue of the machine full",
        packets.lost, proof.missed_tail_calls, proof.queue_drops
    );
    let is_of_the_machine = proof.missed_tail_calls == 0 && proof.queue_drops >= packets.lost;
    Err(Fault {
        why: lost,
        fix: is_of_the_machine.then(|| {
            "the machine lost them before any program saw them: run it again when less is going on".to_owned()
        }),
    })
}
