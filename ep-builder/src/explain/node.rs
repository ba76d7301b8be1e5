//! Twins of the node's own programs, at its devices.

use super::error::ExplainError;
use super::ground::{Ground, Surroundings};
use super::twins::{Twins, make_small, map};
use crate::bpf::Map;
use crate::device::{DeviceFacts, DeviceId};
use crate::endpoint::MacAddr;
use crate::load::{self, Datapath, Owner};
use crate::maps::{MapName, Maps, OpenPort};
use crate::object::Loadable;
use crate::patch::EndpointObject;
use crate::shape::MapPrefix;

/// The function that answers for the node (`bpf-src/lib/host_policy.h`): then the question stands in the scratch words.
const ANSWER: &str = "node_answer";
/// The section of the program that pods call.
const CALLED: &str = "policy/ingress";
/// Where frames to a device without an address of its own go.
const EVERYBODY: MacAddr = MacAddr([0xff; 6]);

/// The twin of a device's programs.
#[derive(Debug)]
pub(super) struct DeviceTwin {
    pub(super) datapath: Datapath,
    pub(super) policy: Map,
    /// Where frames to the node go.
    pub(super) mac: MacAddr,
}

impl Twins {
    /// A node with the twin of one device's programs. Nothing judges it yet.
    ///
    /// Test runs give packets with an Ethernet header only, so that is what `facts` and `object` must say.
    pub fn of_device(
        surroundings: Surroundings<'_>,
        prefix: &MapPrefix,
        object: &EndpointObject,
        facts: &DeviceFacts,
    ) -> Result<Self, ExplainError> {
        let ground = Ground::new(surroundings, prefix)?;
        let first = DeviceTwin::load(object, facts, &ground)?;
        let mut twins = Self::on(ground)?;
        twins.add_device(facts.id(), first)?;
        Ok(twins)
    }

    /// Adds the twin of a device's programs.
    pub fn load_device(
        &mut self,
        object: &EndpointObject,
        facts: &DeviceFacts,
    ) -> Result<(), ExplainError> {
        let twin = DeviceTwin::load(object, facts, self.ground())?;
        self.add_device(facts.id(), twin)
    }

    /// Says which ports of the node are open whatever its policy says.
    pub fn set_open<'p>(
        &self,
        ports: impl IntoIterator<Item = &'p OpenPort>,
    ) -> Result<(), ExplainError> {
        let ports = ports.into_iter().copied().collect();
        Ok(self.own()?.node_open()?.replace(&ports)?)
    }
}

impl DeviceTwin {
    fn load(
        object: &EndpointObject,
        facts: &DeviceFacts,
        ground: &Ground,
    ) -> Result<Self, ExplainError> {
        let owner = Owner::Device(facts.id());
        let failed = |source| ExplainError::Load { owner, source };
        let note = ground.recorder().note_of_node();
        let change = |object: &mut Loadable| {
            make_small(object);
            // Of an object that has it under another name the answer is as right, and only the question is not told.
            object.prepend(ANSWER, &note);
        };
        let target = ground.target(owner, &facts.name);
        let datapath = load::load_twin(object, &target, change).map_err(failed)?;
        if facts.id() == DeviceId::Host {
            let program = datapath.program(CALLED).map_err(failed)?;
            let calls = map(ground.maps(), MapName::CallPolicy)?;
            ground.recorder().stand_before_node(program, &calls)?;
        }
        Ok(Self {
            datapath,
            policy: policy(ground.maps())?,
            mac: match facts.mac {
                MacAddr([0, 0, 0, 0, 0, 0]) => EVERYBODY,
                mac => mac,
            },
        })
    }
}

fn policy(maps: &Maps) -> Result<Map, ExplainError> {
    Ok(map(maps, MapName::NodePolicy)?)
}
