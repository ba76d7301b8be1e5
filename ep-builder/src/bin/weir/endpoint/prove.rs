//! `weir endpoint regenerate ID --prove N`: replacements under traffic that is counted.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use ep_builder::endpoint::EndpointId;
use ep_builder::lifecycle::Endpoints;
use ep_builder::prove::{Count, Namespace, Other, Plan, Pod, Proof, ProveError, prove};
use ep_builder::state::Store;

use crate::failure::Failure;
use crate::monitor::signals::Signals;
use crate::node::Node;
use crate::progress::readable;
use crate::screen::{Screen, talk};

#[derive(Args)]
pub(crate) struct Prove {
    /// Replace one endpoint this often while numbered packets flow through it both ways, and count what is
    /// lost: as it is, with another template, and back
    #[arg(long = "prove", id = "prove", value_name = "N", conflicts_with = "all", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) replacements: Option<u32>,
    /// How many packets a second, at most, in each direction of each family
    #[arg(long, value_name = "N", requires = "prove", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) rate: u32,
    /// The pod's network namespace; without it the one that has the other end of the endpoint's interface
    #[arg(long, value_name = "PATH", requires = "prove")]
    pub(crate) netns: Option<PathBuf>,
    /// The endpoint at the other end of the traffic; without it this node
    #[arg(long, value_name = "ID", requires = "prove", value_parser = EndpointId::parse)]
    pub(crate) peer: Option<EndpointId>,
    /// The network namespace of that endpoint, likewise
    #[arg(long, value_name = "PATH", requires = "peer")]
    pub(crate) peer_netns: Option<PathBuf>,
}

/// Exit code 1 if a packet was lost.
pub(super) fn run(
    node: &Node,
    ids: &[EndpointId],
    replacements: u32,
    arguments: &Prove,
    screen: &Screen,
) -> Result<ExitCode, Failure> {
    let [id] = ids else {
        return Err(Failure::Input(
            "--prove sends traffic through one endpoint: name one".to_owned(),
        ));
    };
    let (builder, store) = (node.builder()?, node.store()?);
    let endpoints = Endpoints::new(&builder, &store);
    let pod = pod(&store, *id, arguments.netns.as_deref())?;
    let other = match arguments.peer {
        Some(peer) if peer == *id => {
            return Err(Failure::Input(format!(
                "endpoint {id} cannot be its own peer"
            )));
        }
        Some(peer) => {
            let netns = arguments.peer_netns.as_deref();
            Other::Pod(Box::new(self::pod(&store, peer, netns)?))
        }
        None => Other::Node,
    };
    let plan = Plan {
        replacements,
        per_second: arguments.rate,
    };
    // Killed half-way, the endpoint would stay in the shape of the moment.
    let signals = Signals::block()?;
    let proof = prove(&endpoints, &builder, &pod, &other, plan, &|| {
        signals.arrived()
    })?;
    for notice in &proof.notices {
        talk(&format!("note: {notice}"));
    }
    if proof.replacements.done < replacements {
        talk("note: ended early by a signal; the endpoint is as before");
    }
    if proof.packets.lost > 0 && proof.queue_drops > 0 {
        talk("note: this machine dropped packets before any program met them: lower --rate");
    }
    screen.object(&proof, &lines(&proof))?;
    Ok(ExitCode::from(u8::from(!proof.is_hitless())))
}

fn pod(store: &Store, id: EndpointId, netns: Option<&Path>) -> Result<Pod, Failure> {
    let endpoint = store.read(id)?.record.endpoint;
    let namespace = match netns {
        Some(path) => Namespace::open(path),
        None => Namespace::of_peer(&endpoint.host_ifname),
    };
    Ok(Pod {
        namespace: namespace?,
        endpoint,
    })
}

fn lines(proof: &Proof) -> Vec<(&'static str, String)> {
    let replacements = &proof.replacements;
    let peer = proof
        .peer
        .map_or_else(|| "this node".to_owned(), |id| format!("endpoint {id}"));
    let mut lines = vec![
        ("endpoint", proof.id.to_string()),
        ("other end", peer),
        (
            "replacements",
            format!(
                "{}, of them {} to another template, {} back to the one before",
                replacements.done, replacements.option_changes, replacements.rollbacks
            ),
        ),
        (
            "time of one",
            format!(
                "p50 {}, max {}",
                readable(Duration::from_micros(replacements.p50_us)),
                readable(Duration::from_micros(replacements.max_us))
            ),
        ),
    ];
    lines.extend(proof.streams.iter().map(|stream| {
        let counts = counts(&stream.packets);
        (
            "stream",
            format!("{} to {}: {counts}", stream.from, stream.to),
        )
    }));
    lines.extend([
        ("packets", counts(&proof.packets)),
        ("missed tail calls", proof.missed_tail_calls.to_string()),
        (
            "full queues",
            format!("{} packets dropped", proof.queue_drops),
        ),
    ]);
    lines
}

fn counts(count: &Count) -> String {
    format!(
        "{} sent, {} received, {} lost, {} duplicated, {} reordered",
        count.sent, count.received, count.lost, count.duplicated, count.reordered
    )
}

impl From<ProveError> for Failure {
    fn from(error: ProveError) -> Self {
        match error {
            ProveError::Build(error) => error.into(),
            ProveError::State(error) => error.into(),
            ProveError::Maps(error) => error.into(),
            ProveError::File(error) => error.into(),
            error => Self::Prove(Box::new(error)),
        }
    }
}
