//! `weir top`: which endpoints, or which programs, have how much to do.

mod live;
mod owners;
mod rates;
mod source;
mod terminal;

use std::time::Instant;

use crate::cli::{Sort, Top};
use crate::failure::Failure;
use crate::monitor::signals::Signals;
use crate::node::Node;
use crate::screen::{Columns, Format, Screen};
use rates::{EndpointRow, ProgramRow};
use source::{Look, ProgramLook, Source, Woken};

/// What is to be shown, and how.
struct Asked {
    programs: bool,
    sort: Sort,
    filter: String,
}

/// What happened between two looks.
enum Shown {
    Endpoints(Vec<EndpointRow>),
    Programs(Vec<ProgramRow>),
}

/// The look before the next one.
enum Between {
    Endpoints(Look, Instant),
    Programs(ProgramLook, Instant),
}

pub(crate) fn run(arguments: &Top, node: &Node, screen: &Screen) -> Result<(), Failure> {
    let signals = Signals::block()?;
    let mut source = Source::open(node)?;
    if arguments.programs {
        source.measure_programs()?;
    }
    let asked = Asked {
        programs: arguments.programs,
        sort: arguments.sort,
        filter: arguments.filter.clone(),
    };
    let is_table = matches!(screen.format(), Format::Table);
    if is_table && !arguments.once && terminal::is_there() {
        return live::run(&mut source, asked, arguments.interval, &signals, screen);
    }
    let mut between = Between::begin(&mut source, asked.programs)?;
    let until = between.began() + arguments.interval;
    while source.wait(&signals, &[], until)? == Woken::Idle {}
    between.next(&mut source)?.print(&asked, screen)
}

impl Between {
    fn begin(source: &mut Source<'_>, programs: bool) -> Result<Self, Failure> {
        let now = Instant::now();
        Ok(if programs {
            Self::Programs(source.look_at_programs()?, now)
        } else {
            Self::Endpoints(source.look()?, now)
        })
    }

    fn began(&self) -> Instant {
        match self {
            Self::Endpoints(_, at) | Self::Programs(_, at) => *at,
        }
    }

    /// Before the second look there is nothing to tell.
    fn nothing(&self) -> Shown {
        match self {
            Self::Endpoints(..) => Shown::Endpoints(Vec::new()),
            Self::Programs(..) => Shown::Programs(Vec::new()),
        }
    }

    /// Looks again, and says what has happened since.
    fn next(&mut self, source: &mut Source<'_>) -> Result<Shown, Failure> {
        let now = Instant::now();
        match self {
            Self::Endpoints(before, at) => {
                let after = source.look()?;
                let rows = source.endpoints(before, &after);
                (*before, *at) = (after, now);
                Ok(Shown::Endpoints(rows))
            }
            Self::Programs(before, at) => {
                let after = source.look_at_programs()?;
                let rows = source.programs(before, &after)?;
                (*before, *at) = (after, now);
                Ok(Shown::Programs(rows))
            }
        }
    }
}

impl Shown {
    fn headings(&self) -> &'static [&'static str] {
        match self {
            Self::Endpoints(_) => EndpointRow::HEADINGS,
            Self::Programs(_) => ProgramRow::HEADINGS,
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Endpoints(rows) => rows.len(),
            Self::Programs(rows) => rows.len(),
        }
    }

    /// The rows that were asked for, in their order.
    fn rows(&self, asked: &Asked) -> Vec<Vec<String>> {
        let (sort, filter) = (asked.sort, asked.filter.as_str());
        match self {
            Self::Endpoints(rows) => {
                let rows = rates::endpoints(rows.clone(), sort, filter);
                rows.iter().map(EndpointRow::columns).collect()
            }
            Self::Programs(rows) => {
                let rows = rates::programs(rows.clone(), sort, filter);
                rows.iter().map(ProgramRow::columns).collect()
            }
        }
    }

    fn print(self, asked: &Asked, screen: &Screen) -> Result<(), Failure> {
        let headings = self.headings();
        let columns = Columns {
            headings,
            plain: headings.len(),
            rows: self.rows(asked),
            empty: "nothing to show: no endpoint is attached, or none has what the filter asks for",
        };
        match self {
            Self::Endpoints(rows) => {
                screen.list(&rates::endpoints(rows, asked.sort, &asked.filter), &columns)
            }
            Self::Programs(rows) => {
                screen.list(&rates::programs(rows, asked.sort, &asked.filter), &columns)
            }
        }
    }
}
