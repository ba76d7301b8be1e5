//! From a shape to its template: rendered headers, a key, and whatever lies under that key.

use super::{Builder, Obtained, Origin};
use crate::cache::{CacheError, Entry, Recipe};
use crate::compile::{Clang, CompileError, compile};
use crate::error::{Error, chain};
use crate::header::Headers;
use crate::key::TemplateKey;
use crate::lock::LockError;
use crate::shape::{self, EndpointConfig};
use crate::timeline::Timeline;
use crate::unit::Unit;

/// A template that is there.
struct Found {
    key: TemplateKey,
    entry: Entry,
    origin: Origin,
}

impl Found {
    fn with(self, notices: Vec<String>) -> Obtained {
        Obtained {
            key: self.key,
            entry: self.entry,
            origin: self.origin,
            notices,
        }
    }
}

impl Builder {
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
        let (headers, notices, found) = self.look(unit, shape, timeline)?;
        if let Some(found) = found {
            return Ok(found.with(notices));
        }
        let clang = self.clang().map_err(|error| self.nothing_to_use(error))?;
        timeline.mark("clang");
        let obtained = self.compile_template(unit, shape, &headers, &clang, notices)?;
        timeline.mark("compile");
        Ok(obtained)
    }

    /// The template of an endpoint's shape if it is there; none if it would have to be compiled. Starts no process.
    pub fn template_at_hand(
        &self,
        shape: &EndpointConfig,
        timeline: &mut Timeline,
    ) -> Result<Option<Obtained>, Error> {
        let (_, notices, found) = self.look(Unit::Lxc, shape, timeline)?;
        Ok(found.map(|found| found.with(notices)))
    }

    /// The headers of a shape, and the template that lies under their key, with what the operator should know.
    fn look(
        &self,
        unit: Unit,
        shape: &EndpointConfig,
        timeline: &mut Timeline,
    ) -> Result<(Headers, Vec<String>, Option<Found>), Error> {
        let headers = self.headers_of(unit, shape)?;
        self.remember_headers();
        timeline.mark("render");
        let mut notices = self.notices.clone();
        let found = self.find(unit, &headers, &mut notices)?;
        timeline.mark("find");
        Ok((headers, notices, found))
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
        Ok(found.map(|found| found.key))
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
                Ok(Some(entry)) => {
                    return Ok(Some(Found {
                        key,
                        entry,
                        origin: Origin::Cache,
                    }));
                }
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
            Ok(entry) => Ok(entry.map(|entry| Found {
                key,
                entry,
                origin: Origin::Bundle,
            })),
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
        // Read before the key is made: it is the key of what is compiled, and of nothing that was only remembered.
        let (sources, limits) = (self.sources(unit)?, self.limits());
        let key = self.key(unit, headers, &clang.version)?;
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
