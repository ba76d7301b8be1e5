//! From bytes to types.

use super::bytes::{Bytes, range};
use super::{Btf, BtfError, Composite, CompositeMember, Kind, SectionEntry, Type, TypeId};

const MAGIC: u16 = 0xeb9f;
const VERSION: u8 = 1;
/// Magic, version, flags and the header's own length.
const HEADER_START: u32 = 8;
/// A tag that is on the declaration itself, not on a member or an argument.
const WHOLE_DECLARATION: u32 = u32::MAX;

impl Btf {
    /// Reads the bytes of the section `.BTF`.
    pub fn parse(section: &[u8]) -> Result<Self, BtfError> {
        let header = Header::read(section)?;
        let body = section
            .get(header.length..)
            .ok_or(BtfError::Cut(section.len()))?;
        let strings = Strings(range(body, header.strings.0, header.strings.1)?);
        let mut bytes = Bytes::new(range(body, header.types.0, header.types.1)?);
        let mut types = Vec::new();
        let mut id = 0;
        while !bytes.is_empty() {
            id += 1;
            types.push(read_type(&mut bytes, &strings, id)?);
        }
        let btf = Self { types };
        btf.check_references()?;
        Ok(btf)
    }

    fn check_references(&self) -> Result<(), BtfError> {
        for (id, type_) in (1..).zip(&self.types) {
            let dangling =
                |to: &TypeId| self.types.len() < usize::try_from(to.0).unwrap_or(usize::MAX);
            if let Some(to) = type_.kind.references().into_iter().find(dangling) {
                return Err(BtfError::Reference { id, to: to.0 });
            }
        }
        Ok(())
    }
}

impl Kind {
    fn references(&self) -> Vec<TypeId> {
        match self {
            Self::Pointer(id) | Self::Typedef(id) | Self::Qualified(id) | Self::Variable(id) => {
                vec![*id]
            }
            Self::Array { element, .. } => vec![*element],
            Self::Structure(it) | Self::Union(it) => it.members.iter().map(|m| m.type_id).collect(),
            Self::Function { signature } => vec![*signature],
            Self::Section(entries) => entries.iter().map(|e| e.variable).collect(),
            Self::Tag { target, .. } => vec![*target],
            Self::Integer { .. }
            | Self::Float { .. }
            | Self::Enumeration { .. }
            | Self::Forward
            | Self::Signature => Vec::new(),
        }
    }
}

/// Where the two parts are, as offset and length behind the header.
struct Header {
    length: usize,
    types: (u32, u32),
    strings: (u32, u32),
}

impl Header {
    fn read(section: &[u8]) -> Result<Self, BtfError> {
        let mut bytes = Bytes::new(section);
        let magic = bytes.u16()?;
        if magic != MAGIC {
            return Err(BtfError::Magic(magic));
        }
        let version = bytes.u8()?;
        if version != VERSION {
            return Err(BtfError::Version(version));
        }
        let _flags = bytes.u8()?;
        let length = bytes.u32()?;
        if length < HEADER_START {
            return Err(BtfError::Cut(section.len()));
        }
        Ok(Self {
            length: usize::try_from(length).unwrap_or(usize::MAX),
            types: (bytes.u32()?, bytes.u32()?),
            strings: (bytes.u32()?, bytes.u32()?),
        })
    }
}

/// Names, each ended by a zero.
struct Strings<'a>(&'a [u8]);

impl Strings<'_> {
    fn at(&self, offset: u32) -> Result<String, BtfError> {
        let text = || {
            let tail = self.0.get(usize::try_from(offset).ok()?..)?;
            let end = memchr::memchr(0, tail)?;
            std::str::from_utf8(tail.get(..end)?).ok()
        };
        text().map(str::to_owned).ok_or(BtfError::Name(offset))
    }
}

fn read_type(bytes: &mut Bytes<'_>, strings: &Strings<'_>, id: u32) -> Result<Type, BtfError> {
    let name = strings.at(bytes.u32()?)?;
    let info = bytes.u32()?;
    let (count, kind, flag) = (info & 0xffff, info >> 24 & 0x1f, info >> 31 == 1);
    // One word with two meanings, by kind.
    let size = bytes.u32()?;
    let target = TypeId(size);
    let kind = match kind {
        1 => {
            let _encoding = bytes.u32()?;
            Kind::Integer { size }
        }
        2 => Kind::Pointer(target),
        3 => read_array(bytes)?,
        4 => Kind::Structure(read_composite(bytes, strings, size, count, flag)?),
        5 => Kind::Union(read_composite(bytes, strings, size, count, flag)?),
        6 => read_enumeration(bytes, strings, size, count, flag, false)?,
        7 => Kind::Forward,
        8 => Kind::Typedef(target),
        // volatile, const, restrict, and a tag on a type
        9..=11 | 18 => Kind::Qualified(target),
        12 => Kind::Function { signature: target },
        13 => read_signature(bytes, count)?,
        14 => {
            let _linkage = bytes.u32()?;
            Kind::Variable(target)
        }
        15 => read_section(bytes, count)?,
        16 => Kind::Float { size },
        17 => read_tag(bytes, target)?,
        19 => read_enumeration(bytes, strings, size, count, flag, true)?,
        unknown => return Err(BtfError::Kind { id, kind: unknown }),
    };
    Ok(Type { name, kind })
}

fn read_array(bytes: &mut Bytes<'_>) -> Result<Kind, BtfError> {
    let element = TypeId(bytes.u32()?);
    let _index = bytes.u32()?;
    Ok(Kind::Array {
        element,
        count: bytes.u32()?,
    })
}

/// With `flag`, a member's offset word also carries the width of a bit-field.
fn read_composite(
    bytes: &mut Bytes<'_>,
    strings: &Strings<'_>,
    size: u32,
    count: u32,
    flag: bool,
) -> Result<Composite, BtfError> {
    let member = |_| {
        let name = strings.at(bytes.u32()?)?;
        let type_id = TypeId(bytes.u32()?);
        let place = bytes.u32()?;
        let (bit_offset, bit_size) = if flag {
            (place & 0x00ff_ffff, place >> 24)
        } else {
            (place, 0)
        };
        Ok(CompositeMember {
            name,
            type_id,
            bit_offset,
            bit_size,
        })
    };
    Ok(Composite {
        size,
        members: (0..count).map(member).collect::<Result<_, _>>()?,
    })
}

/// With `flag`, values are signed; `wide` ones have two words.
fn read_enumeration(
    bytes: &mut Bytes<'_>,
    strings: &Strings<'_>,
    size: u32,
    count: u32,
    flag: bool,
    wide: bool,
) -> Result<Kind, BtfError> {
    let value = |_| {
        let name = strings.at(bytes.u32()?)?;
        let low = bytes.u32()?;
        let value = match (wide, flag) {
            (true, _) => (u64::from(low) | u64::from(bytes.u32()?) << 32).cast_signed(),
            (false, true) => i64::from(low.cast_signed()),
            (false, false) => i64::from(low),
        };
        Ok((name, value))
    };
    Ok(Kind::Enumeration {
        size,
        values: (0..count).map(value).collect::<Result<_, _>>()?,
    })
}

fn read_signature(bytes: &mut Bytes<'_>, count: u32) -> Result<Kind, BtfError> {
    for _ in 0..count {
        let _parameter = (bytes.u32()?, bytes.u32()?);
    }
    Ok(Kind::Signature)
}

fn read_section(bytes: &mut Bytes<'_>, count: u32) -> Result<Kind, BtfError> {
    let entry = |_| {
        let variable = TypeId(bytes.u32()?);
        let _offset = bytes.u32()?;
        Ok(SectionEntry {
            variable,
            size: bytes.u32()?,
        })
    };
    Ok(Kind::Section(
        (0..count).map(entry).collect::<Result<_, _>>()?,
    ))
}

fn read_tag(bytes: &mut Bytes<'_>, target: TypeId) -> Result<Kind, BtfError> {
    let component = bytes.u32()?;
    Ok(Kind::Tag {
        target,
        component: (component != WHOLE_DECLARATION).then_some(component),
    })
}
