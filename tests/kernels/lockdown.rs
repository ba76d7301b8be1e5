//! A kernel that keeps from root what only the kernel is to know (`kernel_lockdown(7)`): it is so, or what works in it
//! proves nothing. The programs of weir read nothing of the kernel's memory, so that all of them work.

use std::fs::{self, File};
use std::io::ErrorKind;

use crate::{Outcome, Report};

/// Which of the degrees is in force stands in brackets.
const DEGREE: &str = "/sys/kernel/security/lockdown";
/// The kernel's memory, of which nobody may read anything in the highest degree.
const MEMORY: &str = "/proc/kcore";

pub(crate) fn run(report: &mut Report) {
    report.note("the kernel is locked down", degree());
    report.note("its memory is its own", memory());
}

fn degree() -> Outcome<String> {
    let degrees = fs::read_to_string(DEGREE)?;
    if degrees.contains("[confidentiality]") {
        return Ok(format!("{DEGREE} says {}", degrees.trim()));
    }
    Err(format!("{DEGREE} says {}", degrees.trim()).into())
}

fn memory() -> Outcome<String> {
    match File::open(MEMORY) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            Ok(format!("{MEMORY}: {error}"))
        }
        Err(error) => Err(error.into()),
        Ok(_) => Err(format!("{MEMORY} can be opened").into()),
    }
}
