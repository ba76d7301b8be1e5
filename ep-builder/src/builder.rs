//! The pipeline: settings and an endpoint in, the endpoint's object out.
//!
//! `shape -> headers -> key -> [cache | bundle | clang] -> template -> patch -> object`; brackets are I/O.

mod template;

use std::path::Path;
use std::time::Duration;

use crate::cache::{Bundle, BundleError, Entry, TemplateCache};
use crate::compile::{Clang, CompileError, Compiled, FLAGS, Limits, Search, compile};
use crate::elf::constant_sites;
use crate::endpoint::{Endpoint, Values};
use crate::error::{Error, chain};
use crate::header::{Headers, Renderer, Texts};
use crate::key::TemplateKey;
use crate::options::EndpointOptions;
use crate::patch::EndpointObject;
use crate::settings::Settings;
use crate::shape::{self, EndpointConfig};
use crate::sources::{SourceError, UnitSources, Units, read_templates};
use crate::state::StateLayout;
use crate::timeline::Timeline;
use crate::unit::Unit;
use crate::whole_file::{self, FileError, TEMPORARY};

/// Where a template came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The node's cache.
    Cache,
    /// The package's bundle.
    Bundle,
    /// This very call; the processor time of the compiler.
    Compiled(Duration),
}

/// A template, verified.
#[derive(Debug)]
pub struct Obtained {
    /// Its key.
    pub key: TemplateKey,
    /// Its bytes and manifest.
    pub entry: Entry,
    /// Where it came from.
    pub origin: Origin,
    /// What the operator should know.
    pub notices: Vec<String>,
}

/// An endpoint's object, ready to be kept and loaded.
#[derive(Debug)]
pub struct Built {
    /// The object.
    pub object: EndpointObject,
    /// The endpoint's own header.
    pub header: String,
    /// The template it was patched from.
    pub key: TemplateKey,
    /// Where the template came from.
    pub origin: Origin,
    /// What the operator should know.
    pub notices: Vec<String>,
}

/// Builds objects for one configuration of the node.
pub struct Builder {
    settings: Settings,
    sources: Units,
    renderer: Renderer,
    cache: TemplateCache,
    bundle: Option<Bundle>,
    /// What was wrong when the node was opened.
    notices: Vec<String>,
    search: Search,
}

impl Builder {
    /// Reads sources and templates, and opens cache and bundle.
    pub fn open(settings: Settings, search: Search) -> Result<Self, Error> {
        Self::open_node(settings, search, Units::open)
    }

    /// The same for who is in a hurry: sources that have not changed since they were read last are not read again.
    pub fn recalled(settings: Settings, search: Search) -> Result<Self, Error> {
        let memory = StateLayout::new(&settings.paths.state_dir).sources();
        Self::open_node(settings, search, |root, headers| {
            Units::recalled(root, headers, &memory)
        })
    }

    fn open_node(
        settings: Settings,
        search: Search,
        units: impl FnOnce(&Path, &Texts) -> Result<Units, SourceError>,
    ) -> Result<Self, Error> {
        let templates = StateLayout::new(&settings.paths.state_dir).templates();
        let bundle = Bundle::open(&settings.paths.bundle_dir);
        Self::open_at(settings, search, &templates, bundle, units)
    }

    /// A builder whose templates all go to `folder`, as a bundle for other nodes.
    pub fn open_bundle(settings: Settings, search: Search, folder: &Path) -> Result<Self, Error> {
        let mut builder = Self::open_at(settings, search, folder, Ok(None), Units::open)?;
        builder.cache = builder.cache.reproducible();
        Ok(builder)
    }

    fn open_at(
        settings: Settings,
        search: Search,
        templates: &Path,
        bundle: Result<Option<Bundle>, BundleError>,
        units: impl FnOnce(&Path, &Texts) -> Result<Units, SourceError>,
    ) -> Result<Self, Error> {
        shape::validate(&settings.node, &settings.endpoint)?;
        let paths = &settings.paths;
        whole_file::private_folder(&paths.state_dir)?;
        let texts = read_templates(&paths.bpf_templates_dir)?;
        let memory = StateLayout::new(&paths.state_dir).headers();
        // A bundle that cannot be used is no reason to fail while the cache or the compiler can serve.
        let (bundle, notice) = match bundle {
            Ok(bundle) => (bundle, None),
            Err(error) => (None, Some(chain(&error))),
        };
        Ok(Self {
            sources: units(&paths.bpf_dir, &texts)?,
            renderer: Renderer::recalled(texts, &memory, &settings.node, &settings.endpoint)?,
            cache: TemplateCache::open(templates, settings.cache.lock_timeout)?,
            bundle,
            notices: notice.into_iter().collect(),
            search,
            settings,
        })
    }

    /// The shape of an endpoint: the node's, with the endpoint's options.
    pub fn shape_of(&self, options: &EndpointOptions) -> EndpointConfig {
        EndpointConfig {
            options: options.clone(),
            ..self.settings.endpoint.clone()
        }
    }

    /// The cache of templates.
    pub fn cache(&self) -> &TemplateCache {
        &self.cache
    }

    /// The configuration.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Builds an endpoint's object through its template, and says how long each stage took.
    pub fn build(&self, endpoint: &Endpoint, timeline: &mut Timeline) -> Result<Built, Error> {
        let template = self.template(&self.shape_of(&endpoint.options), timeline)?;
        self.assemble(template, endpoint, timeline)
    }

    /// An endpoint's object from the template of its shape.
    pub fn assemble(
        &self,
        template: Obtained,
        endpoint: &Endpoint,
        timeline: &mut Timeline,
    ) -> Result<Built, Error> {
        let shape = self.shape_of(&endpoint.options);
        let object = template
            .entry
            .template
            .into_object(&Values::of_endpoint(endpoint));
        timeline.mark("patch");
        let header = self
            .renderer
            .ep_config(&self.settings.node, &shape, endpoint)?;
        timeline.mark("header");
        Ok(Built {
            object,
            header,
            key: template.key,
            origin: template.origin,
            notices: template.notices,
        })
    }

    /// Compiles the endpoint's own header, with no template: what `--direct` shows and the equivalence
    /// test compares with. Constants that stand in no header are filled in afterwards.
    pub fn build_direct(
        &self,
        endpoint: &Endpoint,
        timeline: &mut Timeline,
    ) -> Result<EndpointObject, Error> {
        let shape = self.shape_of(&endpoint.options);
        shape::validate(&self.settings.node, &shape)?;
        let headers = self
            .renderer
            .endpoint(&self.settings.node, &shape, endpoint)?;
        timeline.mark("render");
        let clang = self.clang()?;
        timeline.mark("clang");
        let compiled = self.compile_aside(&clang, Unit::Lxc, &headers)?;
        timeline.mark("compile");
        let sites =
            constant_sites(Unit::Lxc, &compiled.object).map_err(|source| CompileError::Object {
                path: clang.path,
                source,
            })?;
        Ok(EndpointObject::from_direct(
            compiled.object,
            &sites,
            &Values::of_endpoint(endpoint),
        ))
    }

    /// Compiles in a folder of its own, past the cache.
    pub(crate) fn compile_aside(
        &self,
        clang: &Clang,
        unit: Unit,
        headers: &Headers,
    ) -> Result<Compiled, Error> {
        let state = &self.settings.paths.state_dir;
        let folder = tempfile::Builder::new()
            .prefix(TEMPORARY)
            .tempdir_in(state)
            .map_err(FileError::of("make a temporary folder in", state))?;
        let (sources, limits) = (self.sources(unit)?, self.limits());
        Ok(compile(
            clang,
            unit,
            headers,
            sources,
            &limits,
            folder.path(),
        )?)
    }

    /// What a unit consists of.
    pub fn sources(&self, unit: Unit) -> Result<&UnitSources, Error> {
        Ok(self.sources.of(unit)?)
    }

    /// The key that a unit with these headers has with a compiler of this version.
    pub fn key(&self, unit: Unit, headers: &Headers, compiler: &str) -> Result<TemplateKey, Error> {
        let sources = self.sources.digest(unit)?;
        Ok(TemplateKey::new(unit, headers, &sources, FLAGS, compiler))
    }

    /// The node's compiler.
    pub fn clang(&self) -> Result<Clang, CompileError> {
        Clang::identify(&self.search, &self.layout().clang(), &self.limits())
    }

    fn layout(&self) -> StateLayout {
        StateLayout::new(&self.settings.paths.state_dir)
    }

    fn limits(&self) -> Limits {
        let clang = &self.settings.clang;
        Limits {
            time: clang.timeout,
            memory_mib: clang.memory_mib,
        }
    }
}
