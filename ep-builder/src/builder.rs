//! The pipeline: settings and an endpoint in, the endpoint's object out.
//!
//! `shape -> headers -> key -> [cache | bundle | clang] -> template -> patch -> object`; brackets are I/O.

use std::path::Path;
use std::time::Duration;

use crate::cache::{Bundle, BundleError, CacheError, Entry, Recipe, TemplateCache};
use crate::compile::{Clang, CompileError, Compiled, FLAGS, Limits, Search, compile};
use crate::elf::constant_sites;
use crate::endpoint::{Endpoint, Values};
use crate::error::{Error, chain};
use crate::header::{Headers, Renderer};
use crate::key::TemplateKey;
use crate::lock::LockError;
use crate::options::EndpointOptions;
use crate::patch::EndpointObject;
use crate::settings::Settings;
use crate::shape::{self, EndpointConfig};
use crate::sources::{UnitSources, Units, read_templates};
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

/// A template that is there.
type Found = (TemplateKey, Entry, Origin);

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
        let templates = StateLayout::new(&settings.paths.state_dir).templates();
        let bundle = Bundle::open(&settings.paths.bundle_dir);
        Self::open_at(settings, search, &templates, bundle)
    }

    /// A builder whose templates all go to `folder`, as a bundle for other nodes.
    pub fn open_bundle(settings: Settings, search: Search, folder: &Path) -> Result<Self, Error> {
        let mut builder = Self::open_at(settings, search, folder, Ok(None))?;
        builder.cache = builder.cache.reproducible();
        Ok(builder)
    }

    fn open_at(
        settings: Settings,
        search: Search,
        templates: &Path,
        bundle: Result<Option<Bundle>, BundleError>,
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
            sources: Units::open(&paths.bpf_dir, &texts)?,
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

    /// The template of an endpoint's shape: from the cache, from the bundle, or compiled now.
    pub fn template(
        &self,
        shape: &EndpointConfig,
        timeline: &mut Timeline,
    ) -> Result<Obtained, Error> {
        self.template_of(Unit::Lxc, shape, timeline)
    }

    /// The template of a unit in a shape.
    pub fn template_of(
        &self,
        unit: Unit,
        shape: &EndpointConfig,
        timeline: &mut Timeline,
    ) -> Result<Obtained, Error> {
        let headers = self.headers_of(unit, shape)?;
        self.remember_headers();
        timeline.mark("render");
        let mut notices = self.notices.clone();
        let found = self.find(unit, &headers, &mut notices)?;
        timeline.mark("find");
        if let Some((key, entry, origin)) = found {
            return Ok(Obtained {
                key,
                entry,
                origin,
                notices,
            });
        }
        let clang = self.clang().map_err(|error| self.nothing_to_use(error))?;
        timeline.mark("clang");
        let obtained = self.compile_template(unit, shape, &headers, &clang, notices)?;
        timeline.mark("compile");
        Ok(obtained)
    }

    fn remember_headers(&self) {
        let settings = &self.settings;
        let memory = self.layout().headers();
        self.renderer
            .remember(&memory, &settings.node, &settings.endpoint);
    }

    fn headers_of(&self, unit: Unit, shape: &EndpointConfig) -> Result<Headers, Error> {
        shape::validate(&self.settings.node, shape)?;
        Ok(self.renderer.template(unit, &self.settings.node, shape)?)
    }

    /// The key of a shape's template if that is there; none if it would have to be compiled. Starts no process.
    pub fn key_at_hand(
        &self,
        unit: Unit,
        shape: &EndpointConfig,
    ) -> Result<Option<TemplateKey>, Error> {
        let headers = self.headers_of(unit, shape)?;
        let found = self.find(unit, &headers, &mut Vec::new())?;
        Ok(found.map(|(key, ..)| key))
    }

    /// Whether [`Self::template`] could succeed: there is a template, or a compiler. Compiles nothing.
    pub fn ready(&self, shape: &EndpointConfig) -> Result<(), Error> {
        let headers = self.headers_of(Unit::Lxc, shape)?;
        if self.find(Unit::Lxc, &headers, &mut Vec::new())?.is_none() {
            let clang = self.clang();
            clang.map_err(|error| self.nothing_to_use(error))?;
        }
        Ok(())
    }

    /// Neither a template nor a compiler: says what the bundle has to do with it.
    fn nothing_to_use(&self, source: CompileError) -> Error {
        match &self.bundle {
            Some(bundle) => Error::NotBundled {
                bundle: bundle.root().to_owned(),
                compiler: bundle.compiler.clone(),
                source,
            },
            None => source.into(),
        }
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
        let sources = self.sources(unit)?;
        Ok(TemplateKey::new(unit, headers, sources, FLAGS, compiler))
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

    /// Looks in the cache, then in the bundle; starts no process.
    fn find(
        &self,
        unit: Unit,
        headers: &Headers,
        notices: &mut Vec<String>,
    ) -> Result<Option<Found>, Error> {
        if let Some(clang) = Clang::known(&self.search, &self.layout().clang()) {
            let key = self.key(unit, headers, &clang.version)?;
            match self.cache.get(key, notices) {
                Ok(Some(entry)) => return Ok(Some((key, entry, Origin::Cache))),
                Ok(None) => {}
                Err(error @ CacheError::Lock(LockError::Busy { .. })) => return Err(error.into()),
                Err(error) => notices.push(format!("the cache was passed over: {}", chain(&error))),
            }
        }
        let Some(bundle) = &self.bundle else {
            return Ok(None);
        };
        let key = self.key(unit, headers, &bundle.compiler)?;
        match bundle.get(key) {
            Ok(entry) => Ok(entry.map(|entry| (key, entry, Origin::Bundle))),
            Err(poison) => {
                notices.push(format!(
                    "bundled template {} was not used because {}; reinstall the package",
                    bundle.folder(key).display(),
                    chain(&poison)
                ));
                Ok(None)
            }
        }
    }

    fn compile_template(
        &self,
        unit: Unit,
        shape: &EndpointConfig,
        headers: &Headers,
        clang: &Clang,
        mut notices: Vec<String>,
    ) -> Result<Obtained, Error> {
        let key = self.key(unit, headers, &clang.version)?;
        let (sources, limits) = (self.sources(unit)?, self.limits());
        let mut cpu = None;
        let recipe = Recipe {
            key,
            unit,
            headers,
            compiler: &clang.version,
            shape: shape::summary(&self.settings.node, &shape.of_unit(unit)),
        };
        let obtained = self.cache.get_or_build(&recipe, |folder| {
            let compiled = compile(clang, unit, headers, sources, &limits, folder)?;
            cpu = Some(compiled.cpu);
            Ok(compiled)
        })?;
        notices.extend(obtained.notices);
        let origin = cpu.map_or(Origin::Cache, Origin::Compiled);
        Ok(Obtained {
            key,
            entry: obtained.entry,
            origin,
            notices,
        })
    }
}
