//! The skeletons of the headers, kept on disk between two calls.
//!
//! One file remembers the node's own shape: the shape of nearly every endpoint, and of each that the CNI plugin
//! attaches. What it holds for is a digest of all that the template engine is given, so a changed template,
//! option or name is rendered anew. The file is a convenience: one that is missing, damaged, or could have been
//! written by somebody else costs a millisecond.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::skeleton::Skeleton;
use super::view::{EndpointView, NodeView};
use super::{EP_CONFIG, NODE_CONFIG, RenderError, Renderer, Texts, envelope};
use crate::digest::{hex, sha256_hex};
use crate::sealed::read_own;
use crate::shape::{EndpointConfig, NodeConfig};
use crate::unit::Unit;
use crate::whole_file;

/// Raised when the same templates and data come to be rendered differently.
const FORMAT: u64 = 2;
/// Far more than headers and names can be.
const LIMIT: u64 = 1 << 20;
/// Families that an endpoint can have: each has lines of its own.
const FAMILIES: [(bool, bool); 3] = [(true, true), (true, false), (false, true)];

/// What was rendered, and of what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The digest of what it was made of.
    inputs: String,
    /// The whole of `node_config.h`, which no endpoint changes.
    pub(super) node_config: String,
    /// In the order of [`FAMILIES`]; none where each header must be rendered.
    ep_config: Vec<Skeleton>,
    /// Of the units that are the node's own, the whole.
    of_node: Vec<(Unit, String)>,
}

impl Kept {
    /// What is kept at `path`, if it was made of the same.
    pub(super) fn read(path: &Path, inputs: &str) -> Option<Self> {
        let text = String::from_utf8(read_own(path, LIMIT)?).ok()?;
        let (digest, json) = text.split_once('\n')?;
        if digest != sha256_hex(json.as_bytes()) {
            return None;
        }
        let kept: Self = serde_json::from_str(json).ok()?;
        (kept.inputs == inputs).then_some(kept)
    }

    /// Keeps it for the next call. Not remembering costs time only.
    pub(super) fn write(&self, path: &Path) {
        if let Ok(json) = serde_json::to_string(self) {
            let text = format!("{}\n{json}", sha256_hex(json.as_bytes()));
            whole_file::write(path, text.as_bytes()).unwrap_or_default();
        }
    }

    /// Renders what is to be kept of a shape.
    pub(super) fn render(
        renderer: &Renderer,
        node: &NodeConfig,
        shape: &EndpointConfig,
        inputs: String,
    ) -> Result<Self, RenderError> {
        let mut ep_config = Vec::new();
        for families in FAMILIES {
            let samples = EndpointView::samples(&node.map_prefix, shape, families);
            let samples = samples.each_ref().map(as_value);
            ep_config.extend(Skeleton::new(&samples, |view| {
                renderer.render(EP_CONFIG, view)
            })?);
        }
        if ep_config.len() != FAMILIES.len() {
            ep_config.clear();
        }
        let mut of_node = Vec::new();
        for unit in [Unit::Host, Unit::Sock] {
            of_node.push((unit, renderer.of_node(unit, node, shape)?));
        }
        Ok(Self {
            inputs,
            node_config: renderer.render(NODE_CONFIG, &NodeView::of(node))?,
            ep_config,
            of_node,
        })
    }

    /// The header of a unit that is the node's own.
    pub(super) fn of_node(&self, unit: Unit) -> Option<&str> {
        let mut all = self.of_node.iter();
        all.find_map(|(of, text)| (*of == unit).then_some(text.as_str()))
    }

    /// The header of an endpoint's data; none where it must be rendered.
    pub(super) fn fill(&self, view: &EndpointView) -> Option<String> {
        let mut all = FAMILIES.iter().zip(&self.ep_config);
        let (_, skeleton) = all.find(|(families, _)| **families == view.families())?;
        skeleton.fill(&as_value(view))
    }
}

/// The data as the engine sees it. Texts and numbers always have such a form.
fn as_value(view: &EndpointView) -> Value {
    serde_json::to_value(view).unwrap_or_default()
}

/// The digest of all that the engine is given for a shape, but for the values of endpoints.
pub(super) fn inputs(texts: &Texts, node: &NodeConfig, shape: &EndpointConfig) -> String {
    let [view, _] = EndpointView::samples(&node.map_prefix, shape, (true, true));
    let endpoint = serde_json::to_string(&view).unwrap_or_default();
    let node = serde_json::to_string(&NodeView::of(node)).unwrap_or_default();
    let mut hash = Sha256::new();
    hash.update(FORMAT.to_le_bytes());
    for part in [
        envelope::VERSION,
        &texts.ep_config,
        &texts.node_config,
        &endpoint,
        &node,
    ] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hex(&hash.finalize())
}
