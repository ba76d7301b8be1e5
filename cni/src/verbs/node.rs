//! The node that a call is about: its configuration, and what is open of it.

use std::path::Path;

use ep_builder::builder::Builder;
use ep_builder::compile::Search;
use ep_builder::settings::Settings;
use ep_builder::state::Store;

use super::failures;
use crate::attachments::Attachments;
use crate::error::Failure;
use crate::log::CallLog;

/// A node: enough for every command but ADD, which also builds.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) settings: Settings,
    pub(super) store: Store,
    pub(super) attachments: Attachments,
}

impl Node {
    /// Reads the configuration at `path`, or at its usual place, and opens the state folder. From here on the call is logged.
    pub(super) fn open(path: Option<&Path>, log: &mut CallLog) -> Result<Self, Failure> {
        let settings = Settings::load(path).map_err(failures::settings)?;
        log.send_to(settings.paths.log_file.clone());
        let state = &settings.paths.state_dir;
        let store = Store::open(state).map_err(failures::state("open the state folder"))?;
        let attachments =
            Attachments::open(store.layout().attachments()).map_err(failures::attachments)?;
        log.timeline.mark("node");
        Ok(Self {
            settings,
            store,
            attachments,
        })
    }

    /// What makes objects of templates.
    pub(super) fn builder(&self) -> Result<Builder, Failure> {
        let search = Search::from_environment(self.settings.clang.path.clone());
        Builder::recalled(self.settings.clone(), search).map_err(failures::build)
    }
}
