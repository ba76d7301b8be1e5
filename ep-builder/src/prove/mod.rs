//! Proof that replacing an endpoint's programs costs no packet.
//!
//! Numbered packets flow through the endpoint, from the pod and to it, in every family it has, while its
//! generation is replaced again and again: as it is, with another template, and back. What is missing in
//! the end was lost to a replacement: senders wait for what is on its way ([`stream`]), so no queue
//! overflows.

mod ends;
mod error;
mod namespace;
mod queue;
mod series;
mod stream;
mod tally;

use std::net::IpAddr;

use serde::Serialize;

pub use ends::{Other, Pod};
pub use error::ProveError;
pub use namespace::Namespace;
pub use series::Replacements;
pub use tally::Count;

use crate::builder::Builder;
use crate::endpoint::EndpointId;
use crate::lifecycle::Endpoints;
use crate::maps::{Direction, MapsError};
use ends::Streams;
use series::Series;

/// `DROP_MISSED_TAIL_CALL` and `DROP_ENDPOINT_NOT_READY` of `bpf-src/lib/drop.h`: a call into a program
/// array found nothing.
const MISSED: [u8; 2] = [140, 203];

/// How much is done.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How often the generation is replaced.
    pub replacements: u32,
    /// Packets a second in each stream, at most.
    pub per_second: u32,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Proof {
    /// The endpoint.
    pub id: EndpointId,
    /// The endpoint at the other end; none for the node.
    pub peer: Option<EndpointId>,
    /// What was replaced.
    pub replacements: Replacements,
    /// All streams together.
    pub packets: Count,
    /// Packets of the node, while it lasted, whose next program was missing.
    pub missed_tail_calls: u64,
    /// Packets of the machine, likewise, that found its receive queue full: no fault of a program.
    pub queue_drops: u64,
    /// Each stream.
    pub streams: Vec<StreamCount>,
    /// What was not tried, and why.
    pub notices: Vec<String>,
}

/// One direction of one family.
#[derive(Clone, Debug, Serialize)]
pub struct StreamCount {
    /// As the pod sees it.
    pub direction: Direction,
    /// The sender.
    pub from: IpAddr,
    /// The receiver.
    pub to: IpAddr,
    /// What became of its packets.
    #[serde(flatten)]
    pub packets: Count,
}

impl Proof {
    /// Whether no packet was lost, of the streams or of anybody who met a missing program.
    pub fn is_hitless(&self) -> bool {
        self.packets.lost == 0 && self.missed_tail_calls == 0
    }
}

/// Replaces an endpoint's generation under traffic. The endpoint is as before then, also when `is_enough`
/// ends it early.
pub fn prove(
    endpoints: &Endpoints,
    builder: &Builder,
    pod: &Pod,
    other: &Other,
    plan: Plan,
    is_enough: &dyn Fn() -> bool,
) -> Result<Proof, ProveError> {
    let original = pod.endpoint.clone();
    let (series, notice) = Series::new(endpoints, builder, original)?;
    let Streams {
        all: streams,
        directions,
        reasons,
    } = ends::streams(pod, other, plan.per_second)?;
    let (missed, dropped) = (missed(endpoints)?, queue::dropped());
    let (counts, replaced) = stream::flow(&streams, || series.run(plan.replacements, is_enough));
    let (replacements, counts) = (replaced?, counts?);
    let missed_tail_calls = self::missed(endpoints)?.saturating_sub(missed);
    let queue_drops = queue::dropped().saturating_sub(dropped);
    let streams = directions.into_iter().zip(&streams).zip(&counts);
    let streams = streams.map(|((direction, stream), packets)| {
        let [from, to] = stream.ends();
        StreamCount {
            direction,
            from,
            to,
            packets: *packets,
        }
    });
    Ok(Proof {
        id: pod.endpoint.id,
        peer: match other {
            Other::Node => None,
            Other::Pod(peer) => Some(peer.endpoint.id),
        },
        replacements,
        packets: counts.iter().copied().fold(Count::default(), Count::plus),
        missed_tail_calls,
        queue_drops,
        streams: streams.collect(),
        notices: reasons.into_iter().chain(notice).collect(),
    })
}

/// How many packets have met a missing program, since the counters were made.
fn missed(endpoints: &Endpoints) -> Result<u64, MapsError> {
    let counters = endpoints.maps().metrics()?.counters()?;
    let missed = counters.iter().filter(|it| MISSED.contains(&it.reason));
    Ok(missed.map(|counter| counter.packets).sum())
}
