//! The BTF of an object: the types, maps, tags and sections of a program, as the compiler describes them.
//!
//! [`Btf::parse`] reads the bytes of the section `.BTF` and is total: any bytes give a value or an error.
//! References and names are checked there, so the queries cannot meet a dangling one; a cycle of types,
//! which only forged bytes have, ends at a fixed depth. The format is the kernel's
//! `Documentation/bpf/btf.rst`.

mod bytes;
mod parse;
mod query;
#[cfg(test)]
mod tests;

pub use query::{MapDefinition, Member, SectionVariable, Structure, TailSlot};

/// The name of the section in an object.
pub const SECTION: &str = ".BTF";

/// A type by its number; 0 is `void`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TypeId(u32);

/// All types of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Btf {
    /// Type 1 stands first: `void` has no entry.
    types: Vec<Type>,
}

/// One type: everything BTF describes is one, also functions, variables and sections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Type {
    /// Its name; empty where it has none.
    pub name: String,
    /// What it is.
    pub kind: Kind,
}

/// What a type is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An integer, `char` and `bool` included.
    Integer {
        /// Its bytes.
        size: u32,
    },
    /// A floating-point number.
    Float {
        /// Its bytes.
        size: u32,
    },
    /// A pointer.
    Pointer(TypeId),
    /// An array.
    Array {
        /// Of what.
        element: TypeId,
        /// How many.
        count: u32,
    },
    /// A structure.
    Structure(Composite),
    /// A union.
    Union(Composite),
    /// An enumeration.
    Enumeration {
        /// Its bytes.
        size: u32,
        /// Names and values.
        values: Vec<(String, i64)>,
    },
    /// A structure or union that is not defined here.
    Forward,
    /// Another name for a type.
    Typedef(TypeId),
    /// `const`, `volatile`, `restrict` or a tag on a type.
    Qualified(TypeId),
    /// A function.
    Function {
        /// Its signature.
        signature: TypeId,
    },
    /// A signature.
    Signature,
    /// A variable.
    Variable(TypeId),
    /// A section of the object.
    Section(Vec<SectionEntry>),
    /// A tag on a declaration.
    Tag {
        /// What it is on.
        target: TypeId,
        /// The member or argument, or none for the declaration itself.
        component: Option<u32>,
    },
}

/// A structure's or union's own facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Composite {
    /// Its bytes.
    pub size: u32,
    /// Its members.
    pub members: Vec<CompositeMember>,
}

/// A member as BTF has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompositeMember {
    /// Its name; empty for an anonymous structure or union.
    pub name: String,
    /// Its type.
    pub type_id: TypeId,
    /// Bits before it.
    pub bit_offset: u32,
    /// The bits of a bit-field; 0 for anything else.
    pub bit_size: u32,
}

/// A variable's place in a section. The compiler leaves offsets to the linker: those of an object that is
/// not linked are in its symbol table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectionEntry {
    /// The variable.
    pub variable: TypeId,
    /// Its bytes.
    pub size: u32,
}

/// Why bytes are not readable as BTF, or do not describe what they should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BtfError {
    /// The bytes end before the data does.
    #[error("cannot read BTF: it is cut at byte {0}")]
    Cut(usize),
    /// Another format, or one for another machine.
    #[error("cannot read BTF: magic {0:#06x} is not that of little-endian BTF (0xeb9f)")]
    Magic(u16),
    /// A version that does not exist yet.
    #[error("cannot read BTF: version {0} is not known, only version 1 is")]
    Version(u8),
    /// A kind of type that does not exist yet.
    #[error(
        "cannot read BTF: type {id} is of the unknown kind {kind}: the compiler is newer than weir"
    )]
    Kind {
        /// The type.
        id: u32,
        /// Its kind.
        kind: u32,
    },
    /// A name outside the strings, or not text.
    #[error("cannot read BTF: no name stands at byte {0} of its strings")]
    Name(u32),
    /// A reference to a type that is not there.
    #[error("cannot read BTF: type {id} refers to type {to}, which does not exist")]
    Reference {
        /// The type.
        id: u32,
        /// What it refers to.
        to: u32,
    },
    /// A map whose definition is not understood.
    #[error("cannot read the definition of map {map}: {problem}")]
    Map {
        /// The map.
        map: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A tag on a tail program that names no slot.
    #[error("cannot read the tag {tag:?} of program {function}: it must be \"tail:MAP/SLOT\"")]
    TailTag {
        /// The program.
        function: String,
        /// The tag.
        tag: String,
    },
}
