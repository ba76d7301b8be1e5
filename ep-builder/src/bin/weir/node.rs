//! This node: its configuration and what is opened from it.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use ep_builder::builder::Builder;
use ep_builder::cache::{Bundle, TemplateCache};
use ep_builder::compile::Search;
use ep_builder::endpoint::EndpointId;
use ep_builder::error::chain;
use ep_builder::key::TemplateKey;
use ep_builder::node::{Record, recorded};
use ep_builder::settings::{DEFAULT_PATH, MAX_BYTES, Settings};
use ep_builder::state::{EndpointRecord, Entry, StateLayout, Status, Store};
use ep_builder::whole_file;
use toml::{Table, Value};

use crate::failure::Failure;
use crate::screen::talk;

/// The node as configured; nothing is opened yet.
pub(crate) struct Node {
    pub(crate) settings: Settings,
    /// The file they were read from, if one was named.
    pub(crate) config: Option<PathBuf>,
}

impl Node {
    /// Reads the configuration: the file that was named, or that `WEIR_CONFIG` names, or the default. An
    /// empty variable is none.
    pub(crate) fn load(config: Option<&Path>) -> Result<Self, Failure> {
        let variable = std::env::var_os("WEIR_CONFIG").filter(|path| !path.is_empty());
        let config = config.map(Path::to_owned).or(variable.map(PathBuf::from));
        Ok(Self {
            settings: Settings::load(config.as_deref())?,
            config,
        })
    }

    /// Writes its configuration with other folders and files (`paths`), and whatever else is changed, to a file for
    /// a while.
    pub(crate) fn write_elsewhere(
        &self,
        path: &Path,
        paths: &[(&str, PathBuf)],
        change: impl FnOnce(&mut Table),
    ) -> Result<(), Failure> {
        let own = self.config.as_deref().unwrap_or(Path::new(DEFAULT_PATH));
        let text = match whole_file::read_named(own, MAX_BYTES) {
            Err(error) if error.is_not_found() => Vec::new(),
            read => read?,
        };
        // It was read once already: what is wrong with it has been said.
        let mut table: Table = toml::from_str(&String::from_utf8_lossy(&text))
            .map_err(|error| Failure::Input(format!("cannot read {}: {error}", own.display())))?;
        let known = table.entry("paths").or_insert(Value::Table(Table::new()));
        if let Value::Table(known) = known {
            for (key, path) in paths {
                let path = Value::String(path.display().to_string());
                known.insert((*key).to_owned(), path);
            }
        }
        change(&mut table);
        Ok(whole_file::write_scratch(
            path,
            table.to_string().as_bytes(),
        )?)
    }

    /// Whether policy is audited: what it refuses is reported, and passes.
    pub(crate) fn audits_policy(&self) -> bool {
        self.settings.endpoint.options.get("PolicyAuditMode") == Some(1)
    }

    /// The builder of this node.
    pub(crate) fn builder(&self) -> Result<Builder, Failure> {
        Ok(Builder::open(self.settings.clone(), self.search())?)
    }

    /// The templates of this node; needs no sources.
    pub(crate) fn cache(&self) -> Result<TemplateCache, Failure> {
        let templates = StateLayout::new(&self.settings.paths.state_dir).templates();
        Ok(TemplateCache::open(
            &templates,
            self.settings.cache.lock_timeout,
        )?)
    }

    /// The bundle, where there is one that can be used.
    pub(crate) fn bundle(&self) -> Option<Bundle> {
        Bundle::open(&self.settings.paths.bundle_dir)
            .inspect_err(|error| talk(&format!("note: {}", chain(error))))
            .unwrap_or_default()
    }

    /// Where the compiler is looked for.
    pub(crate) fn search(&self) -> Search {
        Search::from_environment(self.settings.clang.path.clone())
    }

    /// The endpoints of this node.
    pub(crate) fn store(&self) -> Result<Store, Failure> {
        Ok(Store::open(&self.settings.paths.state_dir)?
            .with_lock_wait(self.settings.cache.lock_timeout))
    }

    /// Which endpoints use which template.
    pub(crate) fn users(&self) -> Result<BTreeMap<TemplateKey, Vec<EndpointId>>, Failure> {
        let mut users = BTreeMap::<_, Vec<_>>::new();
        for entry in self.store()?.list()? {
            if let Some((id, key)) = record(&entry).and_then(|r| Some((r.endpoint.id, r.template?)))
            {
                users.entry(key).or_default().push(id);
            }
        }
        Ok(users)
    }

    /// The templates that endpoints and the node's own part use.
    pub(crate) fn templates_in_use(&self) -> Result<HashSet<TemplateKey>, Failure> {
        let node = recorded(&self.settings)?;
        let node = node.iter().flat_map(Record::templates);
        Ok(self.users()?.into_keys().chain(node).collect())
    }
}

/// What is known of an entry, however damaged.
pub(crate) fn record(entry: &Entry) -> Option<&EndpointRecord> {
    let Entry::Endpoint { status, .. } = entry else {
        return None;
    };
    match status.as_ref() {
        Status::Ok(record) | Status::Restored { record, .. } => Some(record),
        Status::Damaged { record, .. } => record.as_ref(),
        Status::Claimed { .. } | Status::Leftover => None,
    }
}
