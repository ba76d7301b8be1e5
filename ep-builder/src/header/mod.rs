//! Rendering of `ep_config.h` and `node_config.h` from the handlebars templates. Pure.

pub mod envelope;
mod escape;
mod record;
mod strict;
mod view;

use handlebars::Handlebars;
use serde::Serialize;

use crate::endpoint::Endpoint;
use crate::shape::{EndpointConfig, NodeConfig};
pub use envelope::EnvelopeError;
pub use escape::comment;
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

/// Renders headers. Strict: a variable without a value is an error, so that a template and its data
/// cannot drift apart.
pub struct Renderer {
    templates: Handlebars<'static>,
}

impl Renderer {
    /// Parses the two templates.
    pub fn new(ep_config: &str, node_config: &str) -> Result<Self, RenderError> {
        let mut templates = Handlebars::new();
        templates.set_strict_mode(true);
        templates.register_escape_fn(handlebars::no_escape);
        templates.register_helper("if", Box::new(strict::If));
        for (name, text) in [(EP_CONFIG, ep_config), (NODE_CONFIG, node_config)] {
            templates
                .register_template_string(name, text)
                .map_err(|source| RenderError::Parse {
                    name,
                    source: Box::new(source),
                })?;
        }
        Ok(Self { templates })
    }

    /// The headers of the template: placeholders where an endpoint has values.
    pub fn template(
        &self,
        node: &NodeConfig,
        shape: &EndpointConfig,
    ) -> Result<Headers, RenderError> {
        self.headers(node, &EndpointView::of_template(&node.map_prefix, shape))
    }

    /// The headers of one endpoint, with its own values and its record.
    pub fn endpoint(
        &self,
        node: &NodeConfig,
        shape: &EndpointConfig,
        endpoint: &Endpoint,
    ) -> Result<Headers, RenderError> {
        self.headers(
            node,
            &EndpointView::of_endpoint(&node.map_prefix, shape, endpoint)?,
        )
    }

    /// The one header in which an endpoint's own values stand.
    pub fn ep_config(
        &self,
        node: &NodeConfig,
        shape: &EndpointConfig,
        endpoint: &Endpoint,
    ) -> Result<String, RenderError> {
        let view = EndpointView::of_endpoint(&node.map_prefix, shape, endpoint)?;
        self.render(EP_CONFIG, &view)
    }

    fn headers(&self, node: &NodeConfig, view: &EndpointView) -> Result<Headers, RenderError> {
        Ok(Headers {
            ep_config: self.render(EP_CONFIG, view)?,
            node_config: self.render(NODE_CONFIG, &NodeView::of(node))?,
        })
    }

    fn render(&self, name: &'static str, data: &impl Serialize) -> Result<String, RenderError> {
        self.templates
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
