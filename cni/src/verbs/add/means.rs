//! What a pod is wired with: the template of its programs, and the node as it needs it.

use std::sync::atomic::{AtomicBool, Ordering};

use ep_builder::builder::{Builder, Obtained};
use ep_builder::lifecycle::Endpoints;
use ep_builder::node::Ensured;
use ep_builder::timeline::Timeline;

use super::super::node::Node;
use super::super::{failures, host};
use crate::error::Failure;
use crate::netconf::NetConf;

/// All that it takes.
pub(super) struct Means {
    pub(super) template: Obtained,
    /// The node's own part, where the pod needs it.
    pub(super) ensured: Option<Ensured>,
}

/// What was found without a long wait.
pub(super) struct AtHand {
    builder: Builder,
    template: Option<Obtained>,
    ensured: Option<Ensured>,
    /// Whether the node was looked after, if the pod needs it.
    is_ensured: bool,
}

impl AtHand {
    /// Looks for the template, and has none compiled. Looks after the node, too, where the ADD is `accepted` by then: its
    /// namespace is one, and nobody else wires it.
    pub(super) fn look(
        node: &Node,
        conf: &NetConf,
        accepted: &AtomicBool,
        timeline: &mut Timeline,
    ) -> Result<Self, Failure> {
        let builder = node.builder()?;
        timeline.mark("sources");
        let options = &node.settings.endpoint.options;
        let found = Endpoints::new(&builder, &node.store).template_at_hand(options, timeline);
        let template = found.map_err(failures::lifecycle(TEMPLATE))?;
        let is_ensured = template.is_some() && accepted.load(Ordering::Acquire);
        let ensured = if is_ensured {
            host::ensure(&builder, conf, timeline)?
        } else {
            None
        };
        Ok(Self {
            builder,
            template,
            ensured,
            is_ensured,
        })
    }

    /// What was found, and what is made now because it was not.
    pub(super) fn complete(
        self,
        node: &Node,
        conf: &NetConf,
        timeline: &mut Timeline,
    ) -> Result<(Builder, Means), Failure> {
        let builder = self.builder;
        let template = match self.template {
            Some(template) => template,
            None => Endpoints::new(&builder, &node.store)
                .template(&node.settings.endpoint.options, timeline)
                .map_err(failures::lifecycle(TEMPLATE))?,
        };
        let ensured = if self.is_ensured {
            self.ensured
        } else {
            host::ensure(&builder, conf, timeline)?
        };
        Ok((builder, Means { template, ensured }))
    }
}

/// What is attempted, in messages.
const TEMPLATE: &str = "get the datapath's template";
