//! What the loader and the layout check ask.

use super::{Btf, BtfError, Composite, Kind, Type, TypeId};

/// No type written by a person nests deeper; a forged cycle ends here.
const DEPTH: u32 = 32;
/// The section of map definitions.
const MAPS: &str = ".maps";
/// How a tag on a tail program begins.
const TAIL: &str = "tail:";

/// A structure, with the sizes of its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Structure {
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// Its members, in order.
    pub members: Vec<Member>,
}

/// A member of a structure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Bytes before it.
    pub offset: u64,
    /// Its bytes.
    pub size: u64,
    /// Whether it is a bit-field: then offset and size are of the bytes it is in.
    pub is_bit_field: bool,
}

/// A variable in a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectionVariable {
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub size: u64,
}

/// The place of a tail program: it goes into `slot` of the program array `map`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TailSlot {
    /// The program.
    pub function: String,
    /// The program array.
    pub map: String,
    /// The place in it.
    pub slot: u32,
}

/// A map as the object defines it. What it does not say is 0, as in the kernel's interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MapDefinition {
    /// Its name.
    pub name: String,
    /// The kernel's number for its type.
    pub map_type: u32,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value.
    pub value_size: u32,
    /// Its limit: entries, or bytes of a ring buffer.
    pub max_entries: u32,
    /// The kernel's flags of creation.
    pub map_flags: u32,
    /// Whether it is pinned under its name.
    pub is_pinned: bool,
}

impl Btf {
    /// The type with this number; none for `void`.
    pub fn get(&self, id: TypeId) -> Option<&Type> {
        let index = id.0.checked_sub(1)?;
        self.types.get(usize::try_from(index).ok()?)
    }

    /// The bytes of a type: through typedefs, qualifiers and arrays. None where it has no size.
    pub fn size_of(&self, id: TypeId) -> Option<u64> {
        let (mut id, mut count) = (id, 1_u64);
        for _ in 0..DEPTH {
            let size = match &self.get(id)?.kind {
                Kind::Typedef(to) | Kind::Qualified(to) | Kind::Variable(to) => {
                    id = *to;
                    continue;
                }
                Kind::Array {
                    element,
                    count: elements,
                } => {
                    count = count.checked_mul(u64::from(*elements))?;
                    id = *element;
                    continue;
                }
                Kind::Integer { size } | Kind::Float { size } | Kind::Enumeration { size, .. } => {
                    *size
                }
                Kind::Structure(it) | Kind::Union(it) => it.size,
                Kind::Pointer(_) => 8,
                Kind::Forward
                | Kind::Function { .. }
                | Kind::Signature
                | Kind::Section(_)
                | Kind::Tag { .. } => return None,
            };
            return count.checked_mul(u64::from(size));
        }
        None
    }

    /// Every structure that has a name. One whose member has no size is left out: C has none.
    pub fn structures(&self) -> impl Iterator<Item = Structure> {
        self.types.iter().filter_map(|type_| match &type_.kind {
            Kind::Structure(composite) if !type_.name.is_empty() => {
                self.structure(&type_.name, composite)
            }
            _ => None,
        })
    }

    fn structure(&self, name: &str, composite: &Composite) -> Option<Structure> {
        let members = composite.members.iter().map(|member| {
            Some(Member {
                name: member.name.clone(),
                offset: u64::from(member.bit_offset / 8),
                size: self.size_of(member.type_id)?,
                is_bit_field: member.bit_size != 0 || !member.bit_offset.is_multiple_of(8),
            })
        });
        Some(Structure {
            name: name.to_owned(),
            size: u64::from(composite.size),
            members: members.collect::<Option<_>>()?,
        })
    }

    /// The values of the enumeration with this name.
    pub fn enumeration(&self, name: &str) -> Option<&[(String, i64)]> {
        self.types.iter().find_map(|type_| match &type_.kind {
            Kind::Enumeration { values, .. } if type_.name == name => Some(values.as_slice()),
            _ => None,
        })
    }

    /// Every tag on a whole declaration, with what it is on.
    pub fn tags(&self) -> impl Iterator<Item = (&Type, &str)> {
        self.types.iter().filter_map(|type_| match type_.kind {
            Kind::Tag {
                target,
                component: None,
            } => Some((self.get(target)?, type_.name.as_str())),
            _ => None,
        })
    }

    /// Every tail program's slot, in the order of the object.
    pub fn tail_slots(&self) -> Result<Vec<TailSlot>, BtfError> {
        self.tags()
            .filter(|(on, tag)| matches!(on.kind, Kind::Function { .. }) && tag.starts_with(TAIL))
            .map(|(on, tag)| {
                tail_slot(&on.name, tag).ok_or_else(|| BtfError::TailTag {
                    function: on.name.clone(),
                    tag: tag.to_owned(),
                })
            })
            .collect()
    }

    /// The variables of a section; none if the object has no such section.
    pub fn section(&self, name: &str) -> Option<Vec<SectionVariable>> {
        let entries = self.types.iter().find_map(|type_| match &type_.kind {
            Kind::Section(entries) if type_.name == name => Some(entries),
            _ => None,
        })?;
        let variable = |entry: &super::SectionEntry| {
            let name = self.get(entry.variable)?.name.clone();
            Some(SectionVariable {
                name,
                size: u64::from(entry.size),
            })
        };
        entries.iter().map(variable).collect()
    }

    /// The definition of every map; empty if there are none.
    pub fn maps(&self) -> Result<Vec<MapDefinition>, BtfError> {
        self.types
            .iter()
            .filter(|type_| type_.name == MAPS)
            .filter_map(|type_| match &type_.kind {
                Kind::Section(entries) => Some(entries),
                _ => None,
            })
            .flatten()
            .filter_map(|entry| self.get(entry.variable))
            .map(|variable| self.map(variable))
            .collect()
    }

    fn map(&self, variable: &Type) -> Result<MapDefinition, BtfError> {
        let error = |problem: String| BtfError::Map {
            map: variable.name.clone(),
            problem,
        };
        let Kind::Variable(type_id) = variable.kind else {
            return Err(error("it is no variable".into()));
        };
        let Some(Type {
            kind: Kind::Structure(composite),
            ..
        }) = self.unqualified(type_id)
        else {
            return Err(error("it is no structure".into()));
        };
        let mut map = MapDefinition {
            name: variable.name.clone(),
            ..MapDefinition::default()
        };
        for member in &composite.members {
            let field = member.name.as_str();
            self.set_attribute(&mut map, field, member.type_id)
                .ok_or_else(|| error(format!("attribute {field:?} is unknown or has no value")))?;
        }
        Ok(map)
    }

    /// A number is the length of an array that the attribute points to; a type is what it points to.
    fn set_attribute(&self, map: &mut MapDefinition, field: &str, type_id: TypeId) -> Option<()> {
        let Kind::Pointer(to) = self.unqualified(type_id)?.kind else {
            return None;
        };
        let number = || match self.unqualified(to)?.kind {
            Kind::Array { count, .. } => Some(count),
            _ => None,
        };
        let size = || u32::try_from(self.size_of(to)?).ok();
        match field {
            "type" => map.map_type = number()?,
            "key" => map.key_size = size()?,
            "value" => map.value_size = size()?,
            "key_size" => map.key_size = number()?,
            "value_size" => map.value_size = number()?,
            "max_entries" => map.max_entries = number()?,
            "map_flags" => map.map_flags = number()?,
            "pinning" => map.is_pinned = pinned_by_name(number()?)?,
            _ => return None,
        }
        Some(())
    }

    fn unqualified(&self, id: TypeId) -> Option<&Type> {
        let mut type_ = self.get(id)?;
        for _ in 0..DEPTH {
            match type_.kind {
                Kind::Typedef(to) | Kind::Qualified(to) => type_ = self.get(to)?,
                _ => return Some(type_),
            }
        }
        None
    }
}

/// libbpf's numbers: 0 is no pin, 1 is by name, and there are no others.
fn pinned_by_name(number: u32) -> Option<bool> {
    match number {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

fn tail_slot(function: &str, tag: &str) -> Option<TailSlot> {
    let (map, slot) = tag.strip_prefix(TAIL)?.split_once('/')?;
    if map.is_empty() || !slot.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(TailSlot {
        function: function.to_owned(),
        map: map.to_owned(),
        slot: slot.parse().ok()?,
    })
}
