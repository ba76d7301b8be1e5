//! What stands against an installation, and what the operator should know of one. Pure.

use std::collections::BTreeMap;
use std::path::Path;

use super::fate::{Fate, fate};
use super::networks::{list, overlap};
use super::options::new_keys;
use super::root::Present;
use super::survey::{Content, Item, Role, Survey};
use crate::settings::DEFAULT_PATH;

/// A reason not to install, with what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) reason: String,
    /// Whether nothing can put it aside.
    pub(super) is_final: bool,
}

fn refusal(reason: String, is_final: bool) -> Refusal {
    Refusal { reason, is_final }
}

/// Every reason not to install.
pub(super) fn refusals(survey: &Survey) -> Vec<Refusal> {
    let mut all: Vec<_> = foreign(survey).into_iter().collect();
    all.extend(volumes(survey));
    all.extend(too_small(survey));
    all.extend(ranges(survey));
    all
}

fn is_written(survey: &Survey, item: &Item) -> bool {
    !matches!(fate(survey, item), Fate::Stays | Fate::Kept)
}

/// Files of our names that are somebody else's.
fn foreign(survey: &Survey) -> Option<Refusal> {
    let items = survey.items.iter();
    let foreign: Vec<_> = items
        .filter(|item| fate(survey, item) == Fate::Foreign)
        .collect();
    let first = foreign.first()?.path.display();
    let others = match foreign.len() - 1 {
        0 => String::new(),
        others => format!(" and {others} more"),
    };
    let is_other = |item: &&&Item| survey.present.get(&item.path) == Some(&Present::Other);
    Some(match foreign.iter().find(is_other) {
        Some(item) => refusal(
            format!("{} is no file: move it away", item.path.display()),
            true,
        ),
        None => refusal(
            format!(
                "{first}{others} is there, and `weir install` did not put it there: if it is a package's, remove that, or have it replaced with --force"
            ),
            false,
        ),
    })
}

fn volumes(survey: &Survey) -> Vec<Refusal> {
    let mut found = Vec::new();
    for (folder, volume) in &survey.volumes {
        let mut items = survey.items.iter();
        let Some(item) =
            items.find(|it| it.path.parent() == Some(folder) && is_written(survey, it))
        else {
            continue;
        };
        let shown = folder.display();
        if volume.is_read_only {
            let instead = match item.role {
                Role::Plugin => "--cni-bin-dir",
                Role::Network => "--cni-conf-dir",
                Role::Config | Role::Unit => "no other place will do",
                _ => "--prefix",
            };
            found.push(refusal(
                format!("{shown} is on a file system mounted read-only: mount it writable, or give another place ({instead})"),
                true,
            ));
        } else if survey.is_live && volume.is_noexec && item.role == Role::Plugin {
            found.push(refusal(
                format!("{shown} is on a file system mounted noexec, so no runtime could start the plugin: mount it otherwise, or give another place with --cni-bin-dir"),
                false,
            ));
        }
    }
    // A whole folder of data says it once.
    found.sort_by(|a, b| a.reason.cmp(&b.reason));
    found.dedup();
    found.truncate(4);
    found
}

/// Where what is to be written does not fit, with the old beside the new.
fn too_small(survey: &Survey) -> Vec<Refusal> {
    let mut needs = BTreeMap::<u64, (u64, u64, &Path)>::new();
    for item in survey.items.iter().filter(|it| is_written(survey, it)) {
        let folder = item.path.parent().unwrap_or(&item.path);
        if let Some(volume) = survey.volumes.get(folder) {
            let need = needs.entry(volume.device);
            let (bytes, _, _) = need.or_insert((0, volume.room, folder));
            // Whole blocks, as most file systems give them.
            *bytes += item.facts.size.next_multiple_of(4_096);
        }
    }
    let small = needs.into_values().filter(|(bytes, room, _)| bytes > room);
    small
        .map(|(bytes, room, folder)| {
            let reason = format!(
                "the file system of {} has room for {} KiB, and {} KiB are needed: make room there",
                folder.display(),
                room >> 10,
                bytes.div_ceil(1_024)
            );
            refusal(reason, true)
        })
        .collect()
}

/// Ranges of pods that somebody else has. What is kept is as the operator wants it.
fn ranges(survey: &Survey) -> Vec<Refusal> {
    let networks = survey.items.iter().filter(|it| it.role == Role::Network);
    let texts = networks.filter_map(|item| match &item.content {
        Content::Text(text) if is_written(survey, item) => Some(text),
        _ => None,
    });
    let ranges = texts.flat_map(|text| list("", text).networks);
    let found = ranges.filter_map(|range| {
        let taken = overlap(range, &survey.taken)?;
        let reason = format!(
            "the pods' range {range} overlaps with {} of {}: give another one with --range",
            taken.network, taken.by
        );
        Some(refusal(reason, false))
    });
    found.collect()
}

/// What the operator should know.
pub(super) fn notices(survey: &Survey) -> Vec<String> {
    let mut notices: Vec<_> = survey
        .items
        .iter()
        .filter_map(|it| of_item(survey, it))
        .collect();
    for (folder, strangers) in &survey.strangers {
        if let Some(first) = strangers.first() {
            notices.push(format!(
                "{} of {} are not of this release and stay: {} is the first",
                strangers.len(),
                folder.display(),
                first.display()
            ));
        }
    }
    notices.extend(other_sources(survey));
    notices.extend(first_network(survey));
    notices
}

fn of_item(survey: &Survey, item: &Item) -> Option<String> {
    let shown = item.path.display();
    match fate(survey, item) {
        Fate::Kept if item.role == Role::Config => {
            // What a link leads to was not read.
            let kept = survey.kept_config.as_deref();
            let new = kept.map_or_else(Vec::new, |kept| new_keys(&survey.shipped_config, kept));
            let new = match new.as_slice() {
                [] => String::new(),
                keys => format!("; keys that are new: {}", keys.join(", ")),
            };
            Some(format!("{shown} is yours and stays as it is{new}"))
        }
        Fate::Kept => Some(format!("{shown} is yours and stays as it is")),
        Fate::Reset => Some(format!(
            "{shown} was changed, and is replaced by the release's"
        )),
        _ => None,
    }
}

/// A kept `weir.toml` may lead elsewhere.
fn other_sources(survey: &Survey) -> Option<String> {
    let sources = &survey.paths.bpf_dir;
    let installed = survey.places.data.join("bpf");
    let is_read = survey.is_live && survey.kept_config.is_some();
    (is_read && *sources != installed).then(|| {
        format!(
            "{DEFAULT_PATH} takes the sources of the datapath from {}, not from {}",
            sources.display(),
            installed.display()
        )
    })
}

/// Whom a runtime takes, if not us.
fn first_network(survey: &Survey) -> Option<String> {
    let first = survey.lists.iter().min_by(|a, b| a.name.cmp(&b.name))?;
    (first.name < survey.network).then(|| {
        let folder = survey.places.networks.display();
        let whose = if first.is_ours {
            "it names weir, too"
        } else {
            "pods do not come to weir"
        };
        format!(
            "a runtime takes {folder}/{}, which comes before {}: {whose}; move it away, or have ours first with `weir install --first`",
            first.name, survey.network
        )
    })
}
