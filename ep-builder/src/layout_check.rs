//! Compares the structures of an object, as its BTF has them, with their twins in [`crate::abi`].
//!
//! Both sides are asserted where they are compiled; this finds the case that no compiler can see, two
//! sides that agree with themselves and not with each other.

use std::collections::BTreeMap;
use std::fmt;

use crate::abi::{self, LAYOUTS, Layout};
use crate::btf::{Btf, Kind, Member, Structure};

/// The tag that marks a structure of C as shared.
const SHARED: &str = "abi";

/// Which structures must be in the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Required {
    /// Whichever it uses: the compiler describes no others.
    Used,
    /// All of them.
    All,
}

/// Something that C and Rust do not agree about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The structure, by its name in C.
    pub structure: String,
    /// What differs in it.
    pub what: What,
}

/// What differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The object has no such structure.
    MissingInC,
    /// C says it is shared, and Rust does not know it.
    MissingInRust,
    /// Its bytes.
    Size {
        /// In C.
        c: u64,
        /// In Rust.
        rust: u64,
    },
    /// A field of Rust alone.
    FieldMissingInC(String),
    /// A field of C alone.
    FieldMissingInRust(String),
    /// A field's offset or size.
    Field {
        /// The field.
        name: String,
        /// What of it, as a noun.
        what: &'static str,
        /// In C.
        c: u64,
        /// In Rust.
        rust: u64,
    },
    /// A field of C that Rust cannot have.
    BitField(String),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "struct {}: ", self.structure)?;
        match &self.what {
            What::MissingInC => write!(f, "the object does not have it"),
            What::MissingInRust => write!(f, "it has no twin in abi.rs"),
            What::Size { c, rust } => write!(f, "size {c} in C, {rust} in Rust"),
            What::FieldMissingInC(field) => write!(f, "field {field} is missing in C"),
            What::FieldMissingInRust(field) => write!(f, "field {field} is missing in Rust"),
            What::Field {
                name,
                what,
                c,
                rust,
            } => {
                write!(f, "field {name}: {what} {c} in C, {rust} in Rust")
            }
            What::BitField(field) => write!(f, "field {field} is a bit-field in C"),
        }
    }
}

/// Everything in which the object and Rust differ; empty when they agree.
pub fn check(btf: &Btf, required: Required) -> Vec<Difference> {
    let structures: BTreeMap<String, Structure> = btf
        .structures()
        .map(|structure| (structure.name.clone(), structure))
        .collect();
    let mut found = Vec::new();
    for layout in LAYOUTS {
        match structures.get(layout.name) {
            Some(structure) => compare(structure, layout, &mut found),
            None if required == Required::All => {
                found.push(difference(layout.name, What::MissingInC));
            }
            None => {}
        }
    }
    found.extend(without_twin(btf).map(|name| difference(name, What::MissingInRust)));
    found
}

fn difference(structure: &str, what: What) -> Difference {
    Difference {
        structure: structure.to_owned(),
        what,
    }
}

fn without_twin(btf: &Btf) -> impl Iterator<Item = &str> {
    btf.tags()
        .filter(|(on, tag)| *tag == SHARED && matches!(on.kind, Kind::Structure(_)))
        .map(|(on, _)| on.name.as_str())
        .filter(|name| !LAYOUTS.iter().any(|layout| layout.name == *name))
}

fn compare(structure: &Structure, layout: &Layout, found: &mut Vec<Difference>) {
    let mut push = |what| found.push(difference(layout.name, what));
    let size = layout.size as u64;
    if structure.size != size {
        push(What::Size {
            c: structure.size,
            rust: size,
        });
    }
    for field in layout.fields {
        match structure
            .members
            .iter()
            .find(|member| member.name == field.name)
        {
            Some(member) => compare_field(member, field).into_iter().for_each(&mut push),
            None => push(What::FieldMissingInC(field.name.to_owned())),
        }
    }
    for member in &structure.members {
        if !layout.fields.iter().any(|field| field.name == member.name) {
            push(What::FieldMissingInRust(member.name.clone()));
        }
    }
}

fn compare_field(member: &Member, field: &abi::Field) -> Vec<What> {
    let name = member.name.clone();
    if member.is_bit_field {
        return vec![What::BitField(name)];
    }
    let pairs = [
        ("offset", member.offset, field.offset as u64),
        ("size", member.size, field.size as u64),
    ];
    pairs
        .into_iter()
        .filter(|(_, c, rust)| c != rust)
        .map(|(what, c, rust)| What::Field {
            name: name.clone(),
            what,
            c,
            rust,
        })
        .collect()
}
