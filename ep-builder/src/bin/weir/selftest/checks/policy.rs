//! What policies refuse and allow.

use std::net::SocketAddr;
use std::thread;

use ep_builder::maps::Direction;
use serde_json::json;

use super::Said;
use super::make::{CLIENT, GUEST, SERVER};
use super::reach::counted;
use crate::cli::{Destination, Explain, PortProtocol};
use crate::explain::explain_as_json;
use crate::selftest::fault::Fault;
use crate::selftest::place::Family;
use crate::selftest::talk::{self, Protocol, gets_through};
use crate::selftest::world::World;

/// The port that the policy opens.
const OPEN: u16 = 8_080;
/// `DROP_POLICY` of `bpf-src/lib/drop.h`.
const REFUSED: u8 = 133;

/// The server answers the client on one port; the client speaks to the server alone.
const CLOSED: &str = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: server, namespace: weir-selftest }
spec:
  podSelector: { matchLabels: { role: server } }
  policyTypes: [Ingress]
  ingress:
  - from: [{ podSelector: { matchLabels: { role: client } } }]
    ports: [{ protocol: TCP, port: 8080 }]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: client, namespace: weir-selftest }
spec:
  podSelector: { matchLabels: { role: client } }
  policyTypes: [Egress]
  egress:
  - to: [{ podSelector: { matchLabels: { role: server } } }]
";

/// Nobody speaks to the server.
const SHUT: &str = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: server, namespace: weir-selftest }
spec: { podSelector: { matchLabels: { role: server } }, policyTypes: [Ingress] }
";

/// What must not get through while [`CLOSED`] is in force. Each has a port of its own: all are tried at once.
const MUST_NOT: [(Protocol, &str, &str, u16, Direction); 4] = [
    (Protocol::Tcp, CLIENT, SERVER, 8_081, Direction::Ingress),
    (Protocol::Udp, CLIENT, SERVER, 8_082, Direction::Ingress),
    (Protocol::Tcp, GUEST, SERVER, OPEN, Direction::Ingress),
    (Protocol::Tcp, CLIENT, GUEST, 8_083, Direction::Egress),
];

/// What is refused, counted and explained, and what gets through.
pub(super) fn verdicts(world: &mut World) -> Result<Said, Fault> {
    if let Some(skipped) = audited(world) {
        return Ok(skipped);
    }
    world.apply(CLOSED)?;
    let seen = judged(world);
    world.apply("")?;
    seen?;
    let (client, server) = (world.pod(CLIENT)?, world.pod(SERVER)?);
    for family in world.families.iter().copied() {
        client.asks(Protocol::Udp, server, 8_082, family)?;
    }
    Ok(Said::Proved(
        "what no rule allows is refused, counted and explained, ingress and egress; what a rule allows gets through; \
         without policy all does again"
            .to_owned(),
    ))
}

/// Where nothing is refused, nothing is to be proved.
fn audited(world: &World) -> Option<Said> {
    world.node.audits_policy().then(|| {
        Said::Skipped("policy_audit_mode is on in weir.toml: nothing is refused".to_owned())
    })
}

fn judged(world: &World) -> Result<(), Fault> {
    let (client, server) = (world.pod(CLIENT)?, world.pod(SERVER)?);
    for family in world.families.iter().copied() {
        client.asks(Protocol::Tcp, server, OPEN, family)?;
        let before = world.drops()?;
        refused(world, family)?;
        let now = world.drops()?;
        for direction in Direction::ALL {
            let place = (REFUSED, direction.number());
            if now.get(&place) <= before.get(&place) {
                return Err(Fault::new(format!(
                    "{family} packets that policy refuses at {direction} are not counted"
                )));
            }
        }
    }
    explained(world)
}

/// Tries all that must not get through, at once.
fn refused(world: &World, family: Family) -> Result<(), Fault> {
    let tried: Result<Vec<bool>, Fault> = thread::scope(|scope| {
        let one = |(protocol, from, to, port, _)| {
            let (from, to) = (world.pod(from)?, world.pod(to)?);
            let (own, at) = (from.address(family)?, to.address(family)?);
            let server = (&to.place, SocketAddr::new(at, port));
            gets_through(protocol, (&from.place, own), server)
                .map_err(Fault::of("cannot try what policy refuses"))
        };
        let tries: Vec<_> = MUST_NOT.map(|row| scope.spawn(move || one(row))).into();
        let ended = tries.into_iter().map(thread::ScopedJoinHandle::join);
        let ended = ended.map(|it| it.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        ended.collect()
    });
    for ((protocol, from, to, port, direction), got_through) in MUST_NOT.into_iter().zip(tried?) {
        if got_through {
            return Err(Fault::new(format!(
                "{} from {from} to {to} port {port} by {family} gets through, though no rule allows it at {direction}",
                protocol.name()
            )));
        }
    }
    Ok(())
}

/// `weir explain` says the same, and why.
fn explained(world: &World) -> Result<(), Fault> {
    let (client, server) = (world.pod(CLIENT)?, world.pod(SERVER)?);
    let family = world.families.first().copied().unwrap_or(Family::V4);
    let to = |port| Explain {
        from: client.endpoint.id.to_string(),
        to: Destination {
            who: server.endpoint.id.to_string(),
            port: Some((port, PortProtocol::Tcp)),
        },
        policy: Vec::new(),
        ipv4: family == Family::V4,
        ipv6: family == Family::V6,
        protocol: None,
        source: None,
        source_port: None,
        ttl: 64,
        established: false,
    };
    let closed = explain_as_json(&to(8_081), &world.node)?;
    let open = explain_as_json(&to(OPEN), &world.node)?;
    let is_right = closed["verdict"] == "dropped"
        && closed["drop"]["reason"] == REFUSED
        && closed["isolatedBy"][0]["name"] == "server"
        && open["verdict"] == "delivered";
    if is_right {
        return Ok(());
    }
    let told = [&closed, &open].map(|it| json!([it["verdict"], it["drop"], it["isolatedBy"]]));
    Err(Fault::new(format!(
        "`weir explain` tells it otherwise: {} of a packet to the closed port, {} of one to the open port",
        told[0], told[1]
    )))
}

/// A connection that is there when policy changes.
pub(super) fn established(world: &mut World) -> Result<Said, Fault> {
    if let Some(skipped) = audited(world) {
        return Ok(skipped);
    }
    for family in world.families.iter().copied() {
        let kept = cut_and_mended(world, family);
        world.apply("")?;
        kept?;
    }
    Ok(Said::Proved(
        "a policy that comes into force cuts a connection that is there, and one that goes lets it go on".to_owned(),
    ))
}

fn cut_and_mended(world: &World, family: Family) -> Result<(), Fault> {
    let (client, server) = (world.pod(CLIENT)?, world.pod(SERVER)?);
    let at = SocketAddr::new(server.address(family)?, OPEN);
    world.apply(CLOSED)?;
    let opened = talk::open(&client.place, (&server.place, at), at);
    let what = format!("TCP from {CLIENT} to {SERVER} {at}");
    let (mut connection, _) = opened.map_err(Fault::of(what.clone()))?;
    world.apply(SHUT)?;
    let before = counted(world, REFUSED)?;
    let is_silent = connection.is_silent();
    if !is_silent.map_err(Fault::of(format!(
        "{what} under a policy that shuts the server"
    )))? {
        return Err(Fault::new(format!(
            "{what}, which was there before, goes on under a policy that allows nothing at ingress"
        )));
    }
    if counted(world, REFUSED)? == before {
        return Err(Fault::new(format!(
            "{what} went silent, and no packet of it is counted as refused"
        )));
    }
    world.apply("")?;
    let resumed = connection.catches_up();
    resumed.map_err(Fault::of(format!(
        "{what} does not go on when the policy has gone"
    )))
}
