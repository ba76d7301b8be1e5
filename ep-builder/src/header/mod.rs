//! Rendering of `ep_config.h` and `node_config.h` from the handlebars templates.

pub mod envelope;
mod escape;
mod memory;
mod record;
mod skeleton;
mod strict;
mod view;

use std::path::Path;
use std::sync::{Once, OnceLock};

use handlebars::Handlebars;
use serde::Serialize;

use crate::endpoint::Endpoint;
use crate::shape::{EndpointConfig, NodeConfig};
use crate::unit::Unit;
pub use envelope::EnvelopeError;
pub use escape::comment;
use memory::Kept;
use view::{EndpointView, NodeView};

/// File name of the endpoint's header and, with `.hbs`, of its template.
pub const EP_CONFIG: &str = "ep_config.h";
/// File name of the node's header and, with `.hbs`, of its template.
pub const NODE_CONFIG: &str = "node_config.h";

/// The two headers, exactly as the compiler sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Headers {
    /// `ep_config.h`
    pub ep_config: String,
    /// `node_config.h`
    pub node_config: String,
}

/// The text of the two templates.
#[derive(Clone, Debug)]
pub struct Texts {
    /// Of `ep_config.h`.
    pub ep_config: String,
    /// Of `node_config.h`.
    pub node_config: String,
}

/// Renders headers. Strict: a variable without a value is an error, so that a template and its data
/// cannot drift apart.
pub struct Renderer {
    texts: Texts,
    /// Parsed when it is first needed: what was rendered before needs no engine.
    engine: OnceLock<Handlebars<'static>>,
    known: Option<Known>,
    remembered: Once,
}

/// What was rendered before, and for which shape.
struct Known {
    node: NodeConfig,
    shape: EndpointConfig,
    kept: Kept,
}

fn parse(texts: &Texts) -> Result<Handlebars<'static>, RenderError> {
    let mut engine = Handlebars::new();
    engine.set_strict_mode(true);
    engine.register_escape_fn(handlebars::no_escape);
    engine.register_helper("if", Box::new(strict::If));
    for (name, text) in [
        (EP_CONFIG, &texts.ep_config),
        (NODE_CONFIG, &texts.node_config),
    ] {
        engine
            .register_template_string(name, text)
            .map_err(|source| RenderError::Parse {
                name,
                source: Box::new(source),
            })?;
    }
    Ok(engine)
}

impl Renderer {
    /// Parses the two templates.
    pub fn new(ep_config: &str, node_config: &str) -> Result<Self, RenderError> {
        Self::parsed(Texts {
            ep_config: ep_config.to_owned(),
            node_config: node_config.to_owned(),
        })
    }

    fn parsed(texts: Texts) -> Result<Self, RenderError> {
        let engine = OnceLock::from(parse(&texts)?);
        Ok(Self {
            texts,
            engine,
            known: None,
            remembered: Once::new(),
        })
    }

    /// A renderer that takes what it can from the file `memory`, where [`Self::remember`] left it for the same
    /// templates and this shape. It parses the templates at once unless there is such a file.
    pub fn recalled(
        texts: Texts,
        memory: &Path,
        node: &NodeConfig,
        shape: &EndpointConfig,
    ) -> Result<Self, RenderError> {
        let Some(kept) = Kept::read(memory, &memory::inputs(&texts, node, shape)) else {
            return Self::parsed(texts);
        };
        let (node, shape) = (node.clone(), shape.clone());
        Ok(Self {
            texts,
            engine: OnceLock::new(),
            known: Some(Known { node, shape, kept }),
            remembered: Once::new(),
        })
    }

    /// Leaves in the file `memory` what the headers of this shape are made of; once, and only what is not there.
    pub fn remember(&self, memory: &Path, node: &NodeConfig, shape: &EndpointConfig) {
        if self.known.is_some() {
            return;
        }
        self.remembered.call_once(|| {
            let inputs = memory::inputs(&self.texts, node, shape);
            if let Ok(kept) = Kept::render(self, node, shape, inputs) {
                kept.write(memory);
            }
        });
    }

    /// The headers of the template of a unit: placeholders where an endpoint has values, and the node itself where
    /// there is none.
    pub fn template(
        &self,
        unit: Unit,
        node: &NodeConfig,
        shape: &EndpointConfig,
    ) -> Result<Headers, RenderError> {
        match unit {
            Unit::Lxc => {
                let view = EndpointView::of_template(&node.map_prefix, shape);
                self.headers(node, shape, &view)
            }
            Unit::Host | Unit::Sock => Ok(Headers {
                ep_config: self.of_node(unit, node, shape)?,
                node_config: self.node_config(node, shape)?,
            }),
        }
    }

    /// The one header in which the node stands where an endpoint would.
    fn of_node(
        &self,
        unit: Unit,
        node: &NodeConfig,
        shape: &EndpointConfig,
    ) -> Result<String, RenderError> {
        let kept = self.kept(node, shape);
        if let Some(text) = kept.and_then(|kept| kept.of_node(unit)) {
            return Ok(text.to_owned());
        }
        let shape = shape.of_unit(unit);
        self.render(EP_CONFIG, &EndpointView::of_node(&node.map_prefix, &shape))
    }

    fn node_config(
        &self,
        node: &NodeConfig,
        shape: &EndpointConfig,
    ) -> Result<String, RenderError> {
        match self.kept(node, shape) {
            Some(kept) => Ok(kept.node_config.clone()),
            None => self.render(NODE_CONFIG, &NodeView::of(node)),
        }
    }

    /// The headers of one endpoint, with its own values and its record.
    pub fn endpoint(
        &self,
        node: &NodeConfig,
        shape: &EndpointConfig,
        endpoint: &Endpoint,
    ) -> Result<Headers, RenderError> {
        let view = EndpointView::of_endpoint(&node.map_prefix, shape, endpoint)?;
        self.headers(node, shape, &view)
    }

    /// The one header in which an endpoint's own values stand.
    pub fn ep_config(
        &self,
        node: &NodeConfig,
        shape: &EndpointConfig,
        endpoint: &Endpoint,
    ) -> Result<String, RenderError> {
        let view = EndpointView::of_endpoint(&node.map_prefix, shape, endpoint)?;
        self.own_header(node, shape, &view)
    }

    fn headers(
        &self,
        node: &NodeConfig,
        shape: &EndpointConfig,
        view: &EndpointView,
    ) -> Result<Headers, RenderError> {
        Ok(Headers {
            ep_config: self.own_header(node, shape, view)?,
            node_config: self.node_config(node, shape)?,
        })
    }

    fn own_header(
        &self,
        node: &NodeConfig,
        shape: &EndpointConfig,
        view: &EndpointView,
    ) -> Result<String, RenderError> {
        match self.kept(node, shape).and_then(|kept| kept.fill(view)) {
            Some(text) => Ok(text),
            None => self.render(EP_CONFIG, view),
        }
    }

    fn kept(&self, node: &NodeConfig, shape: &EndpointConfig) -> Option<&Kept> {
        let known = self.known.as_ref();
        let known = known.filter(|known| known.node == *node && known.shape == *shape);
        known.map(|known| &known.kept)
    }

    fn engine(&self) -> Result<&Handlebars<'static>, RenderError> {
        if let Some(engine) = self.engine.get() {
            return Ok(engine);
        }
        let engine = parse(&self.texts)?;
        Ok(self.engine.get_or_init(|| engine))
    }

    fn render(&self, name: &'static str, data: &impl Serialize) -> Result<String, RenderError> {
        self.engine()?
            .render(name, data)
            .map_err(|source| RenderError::Render {
                name,
                source: Box::new(source),
            })
    }
}

/// Why a header could not be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The template is no handlebars text.
    #[error("template {name}.hbs cannot be parsed")]
    Parse {
        /// The header.
        name: &'static str,
        /// Where and why.
        source: Box<handlebars::TemplateError>,
    },
    /// The template asks for what there is not.
    #[error("template {name}.hbs cannot be rendered")]
    Render {
        /// The header.
        name: &'static str,
        /// Where and why.
        source: Box<handlebars::RenderError>,
    },
    /// The endpoint's record.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
}
