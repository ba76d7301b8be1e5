//! `weir template show`

use ep_builder::cache::{Entry, Manifest};
use ep_builder::digest::FileFacts;
use ep_builder::elf::Content;
use ep_builder::endpoint::EndpointId;
use ep_builder::error::chain;
use serde::Serialize;

use super::list::{Found, find_all};
use super::resolve;
use crate::failure::Failure;
use crate::node::Node;
use crate::screen::Screen;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    place: &'static str,
    folder: String,
    #[serde(flatten)]
    manifest: Manifest,
    programs: Vec<Program>,
    maps: Vec<String>,
    constants: Vec<Place>,
    names: Vec<Place>,
    used_by: Vec<EndpointId>,
}

#[derive(Serialize)]
struct Program {
    section: String,
    instructions: usize,
}

/// Bytes that are written for each endpoint.
#[derive(Serialize)]
struct Place {
    name: String,
    offset: usize,
    size: usize,
}

pub(super) fn run(node: &Node, prefix: &str, screen: &Screen) -> Result<(), Failure> {
    let all = find_all(node)?;
    let key = resolve(
        prefix,
        &all.iter().map(|found| found.key).collect::<Vec<_>>(),
    )?;
    let Some(found) = all.into_iter().find(|found| found.key == key) else {
        return Err(Failure::NotFound(format!("template {key} is gone")));
    };
    let used_by = node.users()?.remove(&key).unwrap_or_default();
    let shown = describe(found, used_by)?;
    screen.object(&shown, &lines(&shown))
}

fn describe(found: Found, used_by: Vec<EndpointId>) -> Result<Shown, Failure> {
    let Found {
        key,
        place,
        folder,
        entry,
    } = found;
    let unusable = |why: String| Failure::Input(format!("template {key} cannot be used: {why}"));
    let Entry {
        manifest, template, ..
    } = entry.map_err(|poison| unusable(chain(&poison)))?;
    let content = Content::read(template.bytes()).map_err(|error| unusable(chain(&error)))?;
    let layout = template.layout();
    Ok(Shown {
        place,
        folder: folder.display().to_string(),
        manifest,
        programs: content
            .programs
            .into_iter()
            .map(|(section, code)| Program {
                section,
                instructions: code.len(),
            })
            .collect(),
        maps: content.maps.into_iter().collect(),
        constants: layout
            .constants
            .iter()
            .map(|site| Place {
                name: site.constant.name.to_owned(),
                offset: site.range.start,
                size: site.range.len(),
            })
            .collect(),
        names: layout
            .names
            .iter()
            .map(|site| Place {
                name: site.name.clone(),
                offset: site.digits.start,
                size: site.digits.len(),
            })
            .collect(),
        used_by,
    })
}

fn compiler(manifest: &Manifest) -> String {
    let time = manifest
        .compile_ms
        .map(|ms| format!(", {ms} ms of processor time"));
    format!("{}{}", manifest.compiler, time.unwrap_or_default())
}

fn lines(shown: &Shown) -> Vec<(&'static str, String)> {
    let Shown { manifest, .. } = shown;
    let ids: Vec<_> = shown.used_by.iter().map(EndpointId::to_string).collect();
    let mut lines = vec![
        ("key", manifest.key.to_string()),
        ("unit", manifest.unit.to_string()),
        ("place", format!("{} ({})", shown.place, shown.folder)),
        ("compiler", compiler(manifest)),
        ("flags", manifest.flags.join(" ")),
        ("shape", manifest.shape.join(" ")),
        (
            "used by",
            if ids.is_empty() {
                "no endpoint".to_owned()
            } else {
                ids.join(" ")
            },
        ),
        ("maps", shown.maps.join(" ")),
    ];
    let file = |(name, facts): (&String, &FileFacts)| {
        format!("{name}: {} bytes, sha256 {}", facts.size, facts.sha256)
    };
    lines.extend(manifest.files.iter().map(|entry| ("file", file(entry))));
    lines.extend(shown.programs.iter().map(|p| {
        (
            "program",
            format!("{} ({} instructions)", p.section, p.instructions),
        )
    }));
    let place = |p: &Place| format!("{} at {} ({} bytes)", p.name, p.offset, p.size);
    lines.extend(shown.constants.iter().map(|p| ("constant", place(p))));
    lines.extend(shown.names.iter().map(|p| ("digits of", place(p))));
    lines
}
