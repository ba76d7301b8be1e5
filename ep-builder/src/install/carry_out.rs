//! A plan, carried out.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::error::InstallError;
use super::plan::Step;
use super::root::Root;
use super::survey::{Content, Item};
use super::tree::Tree;
use super::{STAGING, machine};
use crate::digest::FileFacts;

/// Carries out the steps of an installation. Whatever stops it, the next one goes on from there.
pub fn carry_out(root: &Root, tree: &Tree, steps: &[Step]) -> Result<(), InstallError> {
    steps.iter().try_for_each(|step| take(root, tree, step))
}

fn take(root: &Root, tree: &Tree, step: &Step) -> Result<(), InstallError> {
    match step {
        Step::Record(record) => record.write(root)?,
        Step::Folder(path) => root.make_folder(path)?,
        Step::Swap {
            folder,
            items,
            kept,
            is_there,
        } => {
            let staged = stage(root, tree, folder, items, kept)?;
            if *is_there {
                root.exchange(&staged, folder)?;
            } else {
                root.rename(&staged, folder)?;
            }
            let data = folder.parent().unwrap_or(folder);
            root.sync(data)?;
            root.remove_tree(&data.join(STAGING))?;
        }
        Step::Write { item, .. } => {
            root.write(&item.path, &content(tree, item)?, item.mode)?;
        }
        Step::Link { path, target } => root.symlink(target, path)?,
        Step::Mount => machine::mount_bpffs()?,
        Step::Remove(path) => root.remove_file(path)?,
        Step::Clear(staging, paths) => {
            root.remove_tree(staging)?;
            paths.iter().try_for_each(|path| root.clear(path))?;
        }
        Step::Announce(path) => root.announce(path)?,
    }
    Ok(())
}

fn content(tree: &Tree, item: &Item) -> Result<Vec<u8>, InstallError> {
    let path = match &item.content {
        Content::Text(text) => return Ok(text.clone()),
        Content::Release(path) => path,
    };
    let bytes = tree.bytes(path)?;
    // What is on record must be what is there.
    if FileFacts::of(&bytes) == item.facts {
        return Ok(bytes);
    }
    Err(InstallError::Source {
        path: tree.folder.join(path),
        reason: "it changed meanwhile".to_owned(),
    })
}

/// The folder as it is to be, beside the one that is in use: an ADD reads the old sources or the new ones.
fn stage(
    root: &Root,
    tree: &Tree,
    folder: &Path,
    items: &[Item],
    kept: &[PathBuf],
) -> Result<PathBuf, InstallError> {
    let staging = folder.with_file_name(STAGING);
    let staged = staging.join(folder.file_name().unwrap_or_default());
    let place = |path: &Path| staged.join(path.strip_prefix(folder).unwrap_or(path));
    root.remove_tree(&staging)?;
    let paths = items.iter().map(|item| &item.path).chain(kept);
    let above = paths.flat_map(|path| path.ancestors().skip(1));
    let folders: BTreeSet<_> = above
        .filter(|it| it.starts_with(folder))
        .map(place)
        .collect();
    for folder in [&staging].into_iter().chain(&folders) {
        root.make_folder(folder)?;
    }
    for item in items {
        root.write_staged(&place(&item.path), &content(tree, item)?, item.mode)?;
    }
    for path in kept {
        root.link(path, &place(path))?;
    }
    root.sync_all(&staging)?;
    Ok(staged)
}
