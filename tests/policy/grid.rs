//! A case as it is written: documents, and in their comments who reaches whom.
//!
//! ```text
//! # Nobody reaches the pods of x but the node.
//! # |      x:abc y:abc z:abc n w
//! # | every port
//! # | pods   ---   +++   +++ + +
//! # | n      +++   +++   +++ . .
//! # | w      ---   +++   +++ . .
//! # > delete x/closed
//! # | ...
//! ```
//!
//! A line with `|` belongs to a grid: the services it is about (`tcp80 icmp`, `every port`, `other ports`), and below
//! them a row for each who asks, in which `+` is open and `-` is blocked. A later row counts before an earlier
//! one. What nobody's policy judges (a pod and itself, node and world) may be anything. A line with `>` is a step
//! that comes before the grids that follow it.

use std::collections::BTreeMap;

use crate::cluster::{NAMES, NODE};
use crate::probe::Service;

/// A case.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) documents: String,
    /// What holds once the documents are in force, then steps and what holds after each.
    pub(crate) stages: Vec<Stage>,
}

/// A step, and what holds then.
#[derive(Debug, Default)]
pub(crate) struct Stage {
    pub(crate) step: Option<Step>,
    expected: BTreeMap<Service, Rows>,
}

/// What is open, by who asks.
type Rows = [Option<[bool; NAMES.len()]>; NAMES.len()];

/// What is done between two grids.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// `label xa pod=b`
    Label { pod: String, changes: Vec<String> },
    /// `delete x/closed`
    Delete { name: String },
    /// `replace team: a => team: b`: in the documents, which are applied again
    Replace { old: String, new: String },
    /// `configure allow_localhost = "policy"`: in `[policy]` of `weir.toml`, and the documents are applied again
    Configure { line: String },
}

impl Case {
    /// Reads a case. What is not understood fails the test.
    pub(crate) fn read(text: &str) -> Self {
        let mut stages = vec![Stage::default()];
        let mut services = Vec::new();
        for line in text.lines() {
            if let Some(step) = line.strip_prefix("# > ") {
                let step = Some(Step::read(step));
                let expected = BTreeMap::new();
                // A case may begin with one.
                match stages.last_mut() {
                    Some(last) if last.step.is_none() && last.expected.is_empty() => {
                        last.step = step;
                    }
                    _ => stages.push(Stage { step, expected }),
                }
            } else if let Some(row) = line.strip_prefix("# | ") {
                let stage = stages.last_mut().unwrap();
                stage.read_row(row.trim(), &mut services);
            }
        }
        for stage in &stages {
            stage.assert_complete();
        }
        Self {
            documents: text.to_owned(),
            stages,
        }
    }
}

impl Stage {
    /// Whether somebody reaches somebody.
    pub(crate) fn is_open(&self, from: usize, to: usize, service: Service) -> Option<bool> {
        Some(self.expected[&service][from]?[to])
    }

    /// Whether its step changes the configuration of the node.
    pub(crate) fn configures(&self) -> bool {
        matches!(self.step, Some(Step::Configure { .. }))
    }

    fn read_row(&mut self, row: &str, services: &mut Vec<Service>) {
        if row == "x:abc y:abc z:abc n w" {
            return;
        }
        if let Some(named) = self.services(row) {
            for service in &named {
                let twice = self.expected.insert(*service, Rows::default());
                assert!(twice.is_none(), "{} comes twice: {row}", service.name());
            }
            *services = named;
            return;
        }
        let (who, cells) = row
            .split_once(' ')
            .unwrap_or_else(|| panic!("no row: {row}"));
        let cells = cells.chars().filter(|cell| *cell != ' ');
        let cells: Vec<_> = cells.collect();
        assert!(
            cells.iter().all(|cell| "+-.".contains(*cell)),
            "no cells: {row}"
        );
        let cells: [char; NAMES.len()] = cells.try_into().unwrap_or_else(|_| panic!("{row}"));
        for from in who.split(',').flat_map(places) {
            for service in services.iter() {
                let rows = self.expected.get_mut(service).unwrap();
                rows[from] = Some(cells.map(|cell| cell == '+'));
            }
        }
    }

    /// The services that a line is about, if it is about any.
    fn services(&self, line: &str) -> Option<Vec<Service>> {
        let others = Service::all().filter(|it| !self.expected.contains_key(it));
        match line {
            "every port" => Some(Service::all().collect()),
            "other ports" => Some(others.collect()),
            _ => {
                let named = |name| Service::all().find(|service| service.name() == name);
                line.split(' ').map(named).collect()
            }
        }
    }

    fn assert_complete(&self) {
        for service in Service::all() {
            let name = service.name();
            let rows = self.expected.get(&service);
            let rows = rows.unwrap_or_else(|| panic!("nothing is said of {name}: {self:?}"));
            assert!(rows.iter().all(Option::is_some), "{name} lacks rows");
        }
    }
}

impl Step {
    fn read(text: &str) -> Self {
        let (verb, rest) = text.split_once(' ').unwrap_or_else(|| panic!("{text}"));
        let owned = str::to_owned;
        match verb {
            "label" => {
                let mut words = rest.split(' ').map(owned);
                let pod = words.next().unwrap();
                let changes = words.collect();
                Self::Label { pod, changes }
            }
            "delete" => Self::Delete { name: rest.into() },
            "replace" => {
                let (old, new) = rest.split_once(" => ").unwrap();
                let (old, new) = (owned(old), owned(new));
                Self::Replace { old, new }
            }
            "configure" => Self::Configure { line: rest.into() },
            _ => panic!("no step: {text}"),
        }
    }
}

/// Who is called so: one, all pods of a namespace, all pods, or everybody.
fn places(name: &str) -> Vec<usize> {
    let of = |is: &dyn Fn(usize) -> bool| (0..NAMES.len()).filter(|place| is(*place)).collect();
    let found: Vec<_> = match name {
        "all" => of(&|_| true),
        "pods" => of(&|place| place < NODE),
        "x" | "y" | "z" => of(&|place| NAMES[place].starts_with(name)),
        _ => of(&|place| NAMES[place] == name),
    };
    assert!(!found.is_empty(), "nobody is called {name}");
    found
}

#[test]
fn a_case_is_read_as_it_is_written() {
    let text = "# Text | and text\n# | tcp80\n# | all +++ +++ +++ + +\n# | pods,w --- +++ +++ + +\n# | xb +++ +++ +++ + +\n\
                # | other ports\n# | all --- --- --- - -\nkind: x\n# > label xa pod=b team-\n# | every port\n# | all +++++++++++\n";
    let case = Case::read(text);
    let service = |name: &str| Service::all().find(|it| it.name() == name).unwrap();
    let [first, second] = &case.stages[..] else {
        panic!("{case:?}");
    };
    for (from, to, name, is_open) in [
        (0, 2, "tcp80", false),
        (1, 2, "tcp80", true),
        (9, 2, "tcp80", true),
        (10, 2, "tcp80", false),
        (10, 3, "tcp80", true),
        (0, 3, "sctp81", false),
    ] {
        assert_eq!(
            first.is_open(from, to, service(name)),
            Some(is_open),
            "{from} {to} {name}"
        );
    }
    assert_eq!(second.is_open(0, 3, service("sctp81")), Some(true));
    let step = Step::Label {
        pod: "xa".into(),
        changes: vec!["pod=b".into(), "team-".into()],
    };
    assert_eq!(second.step, Some(step));
}

#[test]
#[should_panic(expected = "tcp81 lacks rows")]
fn a_grid_that_leaves_somebody_out_is_refused() {
    Case::read("# | tcp80\n# | all +++++++++++\n# | other ports\n# | pods +++++++++++\n");
}
