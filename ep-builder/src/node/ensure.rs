//! Making the node what its pods need, and finding that it is that already.

use super::error::NodeError;
use super::glance::{Glance, glance};
use super::network::Network;
use super::record::{Folder, Record};
use super::setup::Setup;
use crate::builder::Builder;
use crate::timeline::Timeline;

/// A node that is as its pods need it.
#[derive(Debug)]
pub struct Ensured {
    /// What is known of it.
    pub record: Record,
    /// Why something had to be done; none if nothing had.
    pub done: Option<String>,
    /// What the operator should know.
    pub notices: Vec<String>,
}

/// How thoroughly the node is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thoroughness {
    /// As an ADD can afford it: what is there is compared with what was made.
    Glance,
    /// What should be is decided anew, as a device or a default route may have come since.
    Whole,
}

/// What the node is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// How thoroughly it is looked at.
    pub thoroughness: Thoroughness,
    /// Whether sockets of the node and of its pods must come to host ports. Once needed, they stay.
    pub sockets: bool,
}

/// Makes the node what pods need that leave it with its address, or that have ports of it. If nothing is to be
/// done it takes some questions to the kernel; of several processes one works, and the others find its work done.
pub fn ensure(
    builder: &Builder,
    need: Need,
    timeline: &mut Timeline,
) -> Result<Ensured, NodeError> {
    let settings = builder.settings();
    let folder = Folder::of(settings);
    let mut network = Network::open()?;
    let is_glance = need.thoroughness == Thoroughness::Glance;
    let suffices = |record: &Record| is_glance && (record.sockets || !need.sockets);
    if is_glance
        && let Glance::AsMade(record) = glance(settings, &folder, &mut network)?
        && suffices(&record)
    {
        timeline.mark("node");
        return Ok(Ensured::nothing(*record));
    }
    let _lock = folder.lock()?;
    // Another process may have done it meanwhile.
    let (record, why) = match glance(settings, &folder, &mut network)? {
        Glance::AsMade(record) if suffices(&record) => {
            timeline.mark("node");
            return Ok(Ensured::nothing(*record));
        }
        Glance::AsMade(record) => (Some(*record), None),
        Glance::Differs(record, why) => (record.map(|it| *it), Some(why)),
    };
    let mut setup = Setup::new(builder, &folder, network);
    let record = setup.run(record, need, timeline)?;
    Ok(Ensured {
        record,
        done: why.or_else(|| Some("it was asked for".to_owned())),
        notices: setup.into_notices(),
    })
}

impl Ensured {
    fn nothing(record: Record) -> Self {
        Self {
            record,
            done: None,
            notices: Vec::new(),
        }
    }
}
