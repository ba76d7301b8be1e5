//! The step of the node's setup.

use super::cgroup::Group;
use super::{SockError, Sockets, Standing};
use crate::bpf::SockHook;
use crate::builder::Builder;
use crate::error::chain;
use crate::key::TemplateKey;
use crate::timeline::Timeline;
use crate::unit::Unit;

/// What was put in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Met {
    /// The template of the programs; none if there can be none.
    pub template: Option<TemplateKey>,
    /// What the operator should know.
    pub notices: Vec<String>,
}

/// Puts the programs of the node's template in force, in place of those that are there. A host without control groups of the second version gets none: host ports answer those who ask from outside
/// there, and nobody else.
pub fn set_up(builder: &Builder, timeline: &mut Timeline) -> Result<Met, SockError> {
    let settings = builder.settings();
    let sockets = Sockets::new(settings);
    if let Err(error @ SockError::NoCgroup(_)) = sockets.standing() {
        let notice = format!(
            "host ports do not answer the node itself and its pods: {}; {}",
            chain(&error),
            error.advice().unwrap_or_default()
        );
        return Ok(Met {
            template: None,
            notices: vec![notice],
        });
    }
    let obtained = builder.template_of(Unit::Sock, &settings.endpoint, timeline)?;
    sockets.install(obtained.entry.template.bytes())?;
    timeline.mark("sockets");
    Ok(Met {
        template: Some(obtained.key),
        notices: obtained.notices,
    })
}

impl Sockets {
    /// Each hook with the number of its program; without control groups there is none.
    pub fn programs(&self) -> Result<Vec<(SockHook, Option<u32>)>, SockError> {
        let found = match Group::open(&self.cgroup_dir) {
            Ok(group) => self.hooks().on(&group)?,
            Err(SockError::NoCgroup(_)) => Vec::new(),
            Err(error) => return Err(error),
        };
        let id = |hook| {
            let mut found = found.iter();
            found.find(|it| it.hook == hook).map(|it| it.id)
        };
        Ok(SockHook::ALL.map(|hook| (hook, id(hook))).into())
    }

    /// Whether nothing is to be done: the programs are on their hooks, or there can be none.
    pub fn stand(&self) -> Result<bool, SockError> {
        match self.standing() {
            Ok(standing) => Ok(matches!(standing, Standing::InForce(_))),
            Err(SockError::NoCgroup(_)) => Ok(true),
            Err(error) => Err(error),
        }
    }
}
