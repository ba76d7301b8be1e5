//! The switch from one generation to the next: the only steps that packets see.

use super::bpffs::Pins;
use super::datapath::Datapath;
use super::error::LoadError;
use super::owner::Owner;
use super::{Installed, Target};
use crate::attach::{self, AttachError, AttachMode, Attached, Clsact, Device, Hook, LinkPin, Rtnl};
use crate::bpf::{Map, Program, replace_pin, wait_for_running_programs};
use crate::device::DeviceId;
use crate::timeline::Timeline;

/// A generation on its device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The device.
    pub device: Device,
    /// How it is attached.
    pub mode: AttachMode,
    /// The priority of the filter on each hook; none for tcx.
    pub priorities: Vec<(Hook, u16)>,
    /// What the operator should know.
    pub notices: Vec<String>,
}

/// What is left of the generation before: programs of it may still be running on another processor.
///
/// Its calls map must outlive them, since a program array that nobody holds is emptied at once and their
/// tail calls would miss. Dropping this value lets go of it; [`Retired::after_grace`] does so when nothing
/// of the old generation runs any more.
#[derive(Debug, Default)]
pub struct Retired {
    calls: Option<Map>,
}

impl Retired {
    /// Waits until no program of the old generation runs, and lets go of it. One wait is enough for any
    /// number of endpoints.
    pub fn after_grace(retired: impl IntoIterator<Item = Self>) {
        let old: Vec<_> = retired
            .into_iter()
            .filter(|one| one.calls.is_some())
            .collect();
        if !old.is_empty() {
            wait_for_running_programs();
        }
    }
}

/// A step that was done, and can be undone.
#[derive(Debug)]
enum Step {
    /// A program that others call by the endpoint's number: the name of the map, and who was there.
    Called(String, Option<Program>),
    Filter(Attached),
    Link(LinkPin),
    /// The other way to attach was left, where this program was.
    Left(Hook, Program),
}

/// A switch under way.
struct Switch<'a> {
    datapath: &'a Datapath,
    target: &'a Target,
    pins: Pins,
    device: &'a Device,
    rtnl: &'a mut Rtnl,
    done: Vec<Step>,
}

impl Datapath {
    /// Puts the generation in force. If a step fails, those before it are undone: the old generation goes
    /// on.
    pub fn put_in_force(
        self,
        target: &Target,
        device: Device,
        rtnl: &mut Rtnl,
        timeline: &mut Timeline,
    ) -> Result<Installed, LoadError> {
        let programs = self.programs()?;
        let mut switch = Switch {
            datapath: &self,
            target,
            pins: target.pins(),
            device: &device,
            rtnl,
            done: Vec::new(),
        };
        match switch.run(timeline) {
            Ok((retired, (priorities, notices))) => Ok(Installed {
                programs,
                attachment: Attachment {
                    device,
                    mode: target.mode,
                    priorities,
                    notices,
                },
                retired,
            }),
            Err(error) => {
                let undone = switch.undo();
                self.abandon();
                match undone {
                    Ok(()) => Err(error),
                    Err(source) => Err(LoadError::Undo {
                        first: Box::new(error),
                        source: Box::new(source),
                    }),
                }
            }
        }
    }
}

/// The priorities of the filters, and what the operator should know.
type Places = (Vec<(Hook, u16)>, Vec<String>);

impl Switch<'_> {
    fn run(&mut self, timeline: &mut Timeline) -> Result<(Retired, Places), LoadError> {
        let calls = self.pins.of(&self.pins.calls_name());
        let map = self.datapath.calls()?;
        let current = map.id();
        let mut retired = Retired::default();
        // Held from here on: the pin is about to go. Of a template that goes on nothing retires.
        if let Some(old) = Map::find_pin(&calls)?
            && old.id() != current
        {
            retired.calls = Some(old);
        }
        self.called()?;
        timeline.mark("policy");
        let places = match self.target.mode {
            AttachMode::Tc => self.filters()?,
            AttachMode::Tcx => self.links()?,
        };
        // With both ways on a hook a packet is judged by one of them; with none it would not be judged.
        self.leave_other_mode()?;
        timeline.mark("attach");
        replace_pin(&calls, |path| map.pin(path))?;
        timeline.mark("pin");
        Ok((retired, places))
    }

    /// The programs that others call: the one that judges, and then the one by which packets come.
    fn called(&mut self) -> Result<(), LoadError> {
        let slot = self.pins.slot();
        for (name, program) in self.datapath.called()? {
            let map = self.datapath.map(&name)?;
            // Reading a program array gives the number of the program.
            let id = map.lookup(&slot)?.and_then(|id| id.first_chunk().copied());
            let old = id
                .map(|id| Program::open_id(u32::from_ne_bytes(id)))
                .transpose()?;
            map.update_fd(&slot, program)?;
            self.done.push(Step::Called(name, old));
        }
        Ok(())
    }

    fn filters(&mut self) -> Result<Places, LoadError> {
        let (mut priorities, mut notices) = (Vec::new(), Vec::new());
        let ground = attach::ground(self.rtnl, self.device)?;
        for hook in self.target.owner.hooks() {
            let program = self.datapath.program(hook.section())?;
            let attached = attach::attach_on(ground, self.rtnl, self.device, hook, program)?;
            priorities.push((hook, attached.priority));
            notices.extend(attached.notice.clone());
            self.done.push(Step::Filter(attached));
        }
        Ok((priorities, notices))
    }

    fn links(&mut self) -> Result<Places, LoadError> {
        for hook in self.target.owner.hooks() {
            let program = self.datapath.program(hook.section())?;
            let link = attach::attach_link(self.device, hook, program, &self.pins.link(hook))?;
            self.done.push(Step::Link(link));
        }
        Ok((Vec::new(), Vec::new()))
    }

    fn leave_other_mode(&mut self) -> Result<(), LoadError> {
        for hook in self.target.owner.hooks() {
            let pin = self.pins.link(hook);
            let old = match self.target.mode {
                AttachMode::Tc => attach::linked_program(&pin)?,
                AttachMode::Tcx => attach::filter_program(self.rtnl, self.device, hook)?,
            };
            self.done
                .extend(old.map(|program| Step::Left(hook, program)));
            match self.target.mode {
                AttachMode::Tc => drop(attach::detach_link(&pin)?),
                AttachMode::Tcx => drop(self.leave_filter(hook)?),
            }
        }
        Ok(())
    }

    /// On a device that is not ours clsact stays: nobody knows any more who made it.
    fn leave_filter(&mut self, hook: Hook) -> Result<usize, AttachError> {
        let clsact = match self.target.owner {
            Owner::Device(DeviceId::Native(_)) => Clsact::Stays,
            Owner::Endpoint(_) | Owner::Device(DeviceId::Host) => Clsact::GoesIfEmpty,
        };
        attach::detach(self.rtnl, self.device, hook, clsact)
    }

    /// Attaches an old program by the other way again.
    fn undo_left(&mut self, hook: Hook, program: &Program) -> Result<(), AttachError> {
        match self.target.mode {
            AttachMode::Tc => {
                let pin = self.pins.link(hook);
                attach::attach_link(self.device, hook, program, &pin).map(drop)
            }
            AttachMode::Tcx => attach::attach(self.rtnl, self.device, hook, program).map(drop),
        }
    }

    /// Undoes what was done, the last step first; goes on where one cannot be undone.
    fn undo(&mut self) -> Result<(), LoadError> {
        let mut first = Ok(());
        while let Some(step) = self.done.pop() {
            let undone = match step {
                Step::Filter(attached) => attached.undo(self.rtnl, self.device).map_err(Into::into),
                Step::Link(link) => link.undo().map_err(Into::into),
                Step::Left(hook, program) => self.undo_left(hook, &program).map_err(Into::into),
                Step::Called(map, old) => self.undo_called(&map, old.as_ref()),
            };
            if first.is_ok() {
                first = undone;
            }
        }
        first
    }

    fn undo_called(&self, map: &str, old: Option<&Program>) -> Result<(), LoadError> {
        let map = self.datapath.map(map)?;
        let slot = self.pins.slot();
        match old {
            Some(program) => map.update_fd(&slot, program)?,
            None => drop(map.delete(&slot)?),
        }
        Ok(())
    }
}
