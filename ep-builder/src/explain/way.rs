//! The way of a packet over a node: through the programs of the sender, of the receiver, or both.

use super::error::ExplainError;
use super::packet::Packet;
use super::run::{Drop, End, Run, Start};
use super::twins::Twins;
use crate::device::DeviceId;
use crate::endpoint::{EndpointId, MacAddr};
use crate::policy::Holder;

/// A device that the node does not route to pods by: what comes by it is from outside.
const OUTSIDE: u32 = 1;

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// A pod of this node.
    Pod(EndpointId),
    /// The node itself.
    Host,
    /// Somebody whose packets come to a pod of the node from outside.
    Outside,
    /// Somebody whose packets come to the node itself, by this device.
    ToNode(u32),
    /// The node itself, to somebody outside by this device.
    FromNode(u32),
}

/// Whoever is on a link with the node: nobody, by the rules for addresses of one's own making.
const NEIGHBOR: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

/// What becomes of a packet on this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A pod of this node gets it.
    Delivered(EndpointId),
    /// The host's stack gets it, and no program of ours sees it again.
    Stack,
    /// It leaves the node.
    Sent,
    /// The datapath answers it itself.
    Answered,
    /// It is dropped, by the programs of this endpoint or by the node's.
    Dropped(Holder, Drop),
}

/// The way of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The programs that it meets, one behind the other.
    pub runs: Vec<Run>,
    /// What becomes of it.
    pub verdict: Verdict,
}

impl Twins {
    /// Sends a packet on its way. Where the host's stack gets one for a pod that has a twin, the stack is taken
    /// to route it there.
    pub fn send(&self, sender: Sender, packet: &Packet) -> Result<Way, ExplainError> {
        let to = packet.addresses.to();
        let receiver = self.local(to)?.filter(|local| !local.is_host);
        let receiver = receiver.and_then(|local| EndpointId::new(local.lxc_id).ok());
        let receiver = receiver.filter(|id| self.has(*id));
        let start = match (sender, receiver) {
            (Sender::Pod(id), _) => Start::FromPod(id),
            (Sender::ToNode(ifindex), _) => Start::FromOutside(ifindex),
            (Sender::FromNode(ifindex), _) => Start::ToOutside(ifindex),
            (Sender::Host, Some(id)) => to_pod(id, 0, 0),
            (Sender::Outside, Some(id)) => to_pod(id, 0, OUTSIDE),
            (Sender::Host | Sender::Outside, None) => {
                return Ok(Way {
                    runs: Vec::new(),
                    verdict: Verdict::Stack,
                });
            }
        };
        let (from_mac, to_mac) = self.macs(start)?;
        let mut runs = vec![self.run(start, &packet.frame(from_mac, to_mac))?];
        if let Some(next) = self.next(&runs, receiver)? {
            let frame = runs.last().map(|run| run.packet.clone());
            runs.push(self.run(next, &frame.unwrap_or_default())?);
        }
        Ok(Way {
            verdict: verdict(&runs),
            runs,
        })
    }

    fn macs(&self, start: Start) -> Result<(MacAddr, MacAddr), ExplainError> {
        Ok(match start {
            Start::FromPod(id) => {
                let twin = self.twin(id)?;
                (twin.mac, twin.host_mac)
            }
            Start::ToPod { id, .. } => {
                let twin = self.twin(id)?;
                (twin.host_mac, twin.mac)
            }
            Start::FromOutside(ifindex) => {
                let node = self.device(DeviceId::Native(ifindex))?.mac;
                (NEIGHBOR, node)
            }
            Start::ToOutside(ifindex) => {
                let node = self.device(DeviceId::Native(ifindex))?.mac;
                (node, NEIGHBOR)
            }
        })
    }

    /// Where a packet meets the next program, if it does.
    fn next(
        &self,
        runs: &[Run],
        receiver: Option<EndpointId>,
    ) -> Result<Option<Start>, ExplainError> {
        let Some(run) = runs.last() else {
            return Ok(None);
        };
        let id = match (run.start, run.end) {
            (Start::FromPod(_), End::Device(id)) => Some(id),
            (Start::FromPod(_), End::Stack) => receiver,
            _ => None,
        };
        let (Some(id), Start::FromPod(sender)) = (id, run.start) else {
            return Ok(None);
        };
        let came_by = self.twin(sender)?.ifindex;
        Ok(Some(to_pod(id, run.mark, came_by)))
    }
}

fn to_pod(id: EndpointId, mark: u32, came_by: u32) -> Start {
    Start::ToPod { id, mark, came_by }
}

fn verdict(runs: &[Run]) -> Verdict {
    let Some(run) = runs.last() else {
        return Verdict::Stack;
    };
    match run.end {
        End::Stack => Verdict::Stack,
        End::Sent => Verdict::Sent,
        End::Pod(id) | End::Device(id) => Verdict::Delivered(id),
        End::Answered => Verdict::Answered,
        End::Dropped(by, drop) => Verdict::Dropped(by, drop),
    }
}
