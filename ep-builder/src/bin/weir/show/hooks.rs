//! Who stands on the hooks of a device.

use ep_builder::attach::{AttachError, Device, Hook, Occupant, Rtnl, Standing};
use ep_builder::load::{Owner, Pins};
use ep_builder::settings::Settings;

use super::scene::{Hook as Shown, Stand};

/// A device with programs of ours.
pub(super) struct Place {
    /// Whose they are.
    pub(super) owner: Owner,
    /// What it is called.
    pub(super) device: String,
}

/// Both hooks. A device that is gone has none, and whoever asks about the endpoint says so.
pub(super) fn look(
    rtnl: &mut Rtnl,
    settings: &Settings,
    place: &Place,
) -> Result<Vec<Shown>, AttachError> {
    let looked = hooks(rtnl, settings, place);
    // It may go between two questions.
    match (looked, rtnl.device(&place.device)) {
        (Err(_), Err(AttachError::NoDevice(_))) => Ok(Vec::new()),
        (looked, _) => looked,
    }
}

fn hooks(rtnl: &mut Rtnl, settings: &Settings, place: &Place) -> Result<Vec<Shown>, AttachError> {
    let device = rtnl.device(&place.device)?;
    let pins = Pins::new(
        &settings.paths.bpffs_dir,
        &settings.node.map_prefix,
        place.owner,
    );
    let hooks = place.owner.hooks().into_iter();
    hooks
        .map(|hook| {
            let link = pins.link(hook);
            let standing = Standing::look(rtnl, &device, hook, settings.attach, &link)?;
            Ok(Shown {
                section: hook.section().to_owned(),
                direction: hook.direction().to_owned(),
                standing: stands(&standing, priority(rtnl, &device, hook)?),
            })
        })
        .collect()
}

/// That of our filter; one on tcx has none.
fn priority(rtnl: &mut Rtnl, device: &Device, hook: Hook) -> Result<Option<u16>, AttachError> {
    let filters = rtnl.filters(device, hook)?;
    let ours = filters.iter().find(|it| it.handle != 0 && it.is_ours());
    Ok(ours.map(|it| it.priority))
}

/// In the order in which they are asked.
fn stands(standing: &Standing, priority: Option<u16>) -> Vec<Stand> {
    let ours = standing.ours.map(|program| Stand {
        ours: true,
        kind: if priority.is_some() { "bpf" } else { "tcx" }.to_owned(),
        priority,
        program: Some(program),
        note: String::new(),
    });
    let before = standing.before.iter().map(stranger);
    let after = standing.after.iter().map(stranger);
    before.chain(ours).chain(after).collect()
}

fn stranger(occupant: &Occupant) -> Stand {
    Stand {
        ours: false,
        kind: occupant.kind.clone(),
        priority: occupant.priority,
        program: occupant.program.as_ref().map(|it| it.id),
        note: occupant.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_on_a_hook_is_told_in_the_order_they_are_asked() {
        let other = |kind: &str, priority| Occupant {
            kind: kind.to_owned(),
            name: String::new(),
            priority,
            program: None,
        };
        let check = |ours, priority, expected: &[(&str, Option<u16>, bool)]| {
            let standing = Standing {
                before: vec![other("tcx", None)],
                ours,
                after: vec![other("flower", Some(7))],
            };
            let stands = stands(&standing, priority);
            let told = stands
                .iter()
                .map(|it| (it.kind.as_str(), it.priority, it.ours));
            let told: Vec<_> = told.collect();
            assert_eq!(told, expected);
        };
        let (first, last) = (("tcx", None, false), ("flower", Some(7), false));
        check(Some(3), Some(1), &[first, ("bpf", Some(1), true), last]);
        check(Some(3), None, &[first, ("tcx", None, true), last]);
        check(None, None, &[first, last]);
    }
}
