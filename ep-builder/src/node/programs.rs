//! The programs of the node's devices: put in force, looked at, taken away.

use super::error::NodeError;
use crate::attach::{self, AttachMode, Clsact, Device, Hook, Rtnl};
use crate::builder::Builder;
use crate::device::{DeviceFacts, DeviceId};
use crate::endpoint::Values;
use crate::key::TemplateKey;
use crate::load::{self, LoadError, LoadedProgram, Owner, Retired, Target};
use crate::settings::Settings;
use crate::timeline::Timeline;
use crate::unit::Unit;

/// Programs in force on a device.
#[derive(Debug)]
pub struct Installed {
    /// The template they were made from.
    pub template: TemplateKey,
    /// The programs.
    pub programs: Vec<LoadedProgram>,
    /// What the operator should know.
    pub notices: Vec<String>,
}

/// Loads the programs of a device and puts them in force, in place of those that are there: no packet is lost, and
/// none passes by neither. Whoever calls it holds the lock of the node's setup.
pub fn install(
    builder: &Builder,
    device: &DeviceFacts,
    timeline: &mut Timeline,
) -> Result<Installed, NodeError> {
    let settings = builder.settings();
    let template = builder.template_of(Unit::Host, &settings.endpoint, timeline)?;
    let object = template
        .entry
        .template
        .into_object(&Values::of_device(device));
    let installed = load::install(&object, &target(settings, device), timeline)?;
    let mut notices = template.notices;
    notices.extend(installed.attachment.notices);
    Retired::after_grace([installed.retired]);
    Ok(Installed {
        template: template.key,
        programs: installed.programs,
        notices,
    })
}

/// The template that the programs of devices would be made from, if it is there. Starts no process.
pub fn template_at_hand(builder: &Builder) -> Result<Option<TemplateKey>, NodeError> {
    let shape = &builder.settings().endpoint;
    Ok(builder.key_at_hand(Unit::Host, shape)?)
}

/// Whether programs of ours stand on both sides of a device: a few questions to the kernel, and nothing is loaded.
pub fn stand(settings: &Settings, device: &DeviceFacts) -> Result<bool, NodeError> {
    let target = target(settings, device);
    let pins = target.pins();
    let has_calls = pins.of(&pins.calls_name()).symlink_metadata().is_ok();
    Ok(has_calls
        && standing(settings, device)?
            .iter()
            .all(|(_, id)| id.is_some()))
}

/// The sections that belong on a device, each with the number of the program of ours that stands there.
pub fn standing(
    settings: &Settings,
    device: &DeviceFacts,
) -> Result<Vec<(&'static str, Option<u32>)>, NodeError> {
    let target = target(settings, device);
    let mut rtnl = Rtnl::open().map_err(LoadError::from)?;
    let here = rtnl.device_by_index(device.ifindex);
    let here = here.map_err(LoadError::from)?;
    let mut found = Vec::new();
    for hook in target.owner.hooks() {
        let program = match &here {
            Some(here) => program(&mut rtnl, here, hook, &target)?,
            None => None,
        };
        found.push((hook.section(), program));
    }
    Ok(found)
}

fn program(
    rtnl: &mut Rtnl,
    device: &Device,
    hook: Hook,
    target: &Target,
) -> Result<Option<u32>, LoadError> {
    Ok(match target.mode {
        AttachMode::Tc => attach::filter_program_id(rtnl, device, hook)?,
        AttachMode::Tcx => attach::linked_program_id(&target.pins().link(hook), device)?,
    })
}

/// Takes the programs of a device away, with their pins; says whether there were any. What is missing, the device
/// included, is as it should be.
pub fn remove(
    settings: &Settings,
    device: &DeviceFacts,
    clsact: Clsact,
) -> Result<bool, NodeError> {
    take(&target(settings, device), clsact)
}

/// Whether a device has clsact, and none of our filters there: then it is not ours.
pub(super) fn stands_on_clsact_of_others(ifindex: u32) -> Result<bool, NodeError> {
    let mut rtnl = Rtnl::open()?;
    let Some(device) = rtnl.device_by_index(ifindex)? else {
        return Ok(false);
    };
    let mut is_ours = false;
    for hook in Hook::OF_NATIVE {
        is_ours |= attach::filter_program_id(&mut rtnl, &device, hook)?.is_some();
    }
    Ok(!is_ours && rtnl.has_clsact(&device)?)
}

/// Likewise of a device of which no more is known than its name and its number.
pub fn remove_from(settings: &Settings, name: &str, ifindex: u32) -> Result<bool, NodeError> {
    let mut was_there = false;
    for id in [DeviceId::Native(ifindex), DeviceId::Host] {
        let target = target_of(settings, name, id);
        // The pins of the node's own device are another's where this is not that one.
        was_there |= match id {
            DeviceId::Native(_) => take(&target, Clsact::GoesIfEmpty)?,
            DeviceId::Host => load::detach(&target, Clsact::GoesIfEmpty)? > 0,
        };
    }
    Ok(was_there)
}

/// Lets nobody call the programs that judge for the node, also where no record says that they are there.
pub(super) fn forget_called(settings: &Settings) -> Result<(), NodeError> {
    load::forget_called(&target_of(settings, super::pair::HOST, DeviceId::Host))?;
    Ok(())
}

fn take(target: &Target, clsact: Clsact) -> Result<bool, NodeError> {
    let programs = load::detach(target, clsact)?;
    let rest = load::forget(target, &[])?;
    Ok(programs > 0 || !rest.is_nothing())
}

fn target(settings: &Settings, device: &DeviceFacts) -> Target {
    target_of(settings, &device.name, device.id())
}

fn target_of(settings: &Settings, name: &str, id: DeviceId) -> Target {
    Target {
        owner: Owner::Device(id),
        device: name.to_owned(),
        mode: settings.attach,
        bpffs_dir: settings.paths.bpffs_dir.clone(),
        prefix: settings.node.map_prefix.clone(),
    }
}
