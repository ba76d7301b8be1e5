//! What becomes of a file that is there, or not. Pure.

use super::root::Present;
use super::survey::{Item, Role, Survey};

/// What becomes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is as it should be.
    Stays,
    /// It is not there.
    New,
    /// It is as an older release left it.
    Upgraded,
    /// Somebody changed what is not theirs to change.
    Reset,
    /// The operator's, who changed it.
    Kept,
    /// Somebody else's, of the same name.
    Foreign,
}

/// What becomes of the file of an item.
pub(super) fn fate(survey: &Survey, item: &Item) -> Fate {
    let record = survey.record.as_ref();
    let is_recorded = record.is_some_and(|record| record.files.contains_key(&item.path));
    let is_config = matches!(item.role, Role::Config | Role::Network);
    match survey.present.get(&item.path) {
        None | Some(Present::Nothing) => Fate::New,
        Some(Present::File { facts, mode }) => {
            let is_untouched = record.is_some_and(|record| record.has(&item.path, facts));
            match (*facts == item.facts, is_config, is_recorded) {
                (true, true, true) if !is_untouched => Fate::Kept,
                (true, true, _) => Fate::Stays,
                (true, false, _) if *mode == item.mode => Fate::Stays,
                (true, false, false) => Fate::Foreign,
                _ if is_untouched => Fate::Upgraded,
                // Ranges that are asked for are what the operator makes of it now.
                (_, true, true) if item.role == Role::Network => Fate::Upgraded,
                (_, true, _) => Fate::Kept,
                (_, false, true) => Fate::Reset,
                (_, false, false) => Fate::Foreign,
            }
        }
        Some(Present::Link(_)) if is_config => Fate::Kept,
        Some(Present::Link(_) | Present::Other) => Fate::Foreign,
    }
}
