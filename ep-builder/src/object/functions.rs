//! The functions of an object, by their symbols.

use std::collections::{BTreeMap, BTreeSet};

use object::read::elf::ElfFile64;
use object::{LittleEndian, Object, ObjectSection, ObjectSymbol, SectionIndex, SymbolKind};

use super::{Function, ObjectError, Reference};

/// The section of functions that are only called.
pub(super) const CALLED_ONLY: &str = ".text";

/// Functions, found by a byte of their section.
#[derive(Debug, Default)]
pub(super) struct Functions {
    list: Vec<Function>,
    /// Section and first byte with the index in `list`, in order: thousands of source lines ask for theirs.
    places: Vec<((usize, u64), usize)>,
    sections: BTreeMap<String, SectionIndex>,
}

/// An instruction: which function, and where in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) function: usize,
    pub(super) instruction: usize,
}

impl Functions {
    pub(super) fn read(elf: &ElfFile64<'_, LittleEndian>) -> Result<Self, ObjectError> {
        let mut functions = Self::default();
        let mut names = BTreeSet::new();
        for symbol in elf.symbols() {
            let Some(section) = symbol.section_index() else {
                continue;
            };
            if symbol.kind() != SymbolKind::Text || symbol.size() == 0 {
                continue;
            }
            let name = symbol.name()?.to_owned();
            if !names.insert(name.clone()) {
                return Err(ObjectError::broken(format!("two functions {name}")));
            }
            let place = (section.0, symbol.address());
            functions.places.push((place, functions.list.len()));
            let section = elf.section_by_index(section)?;
            let code = section.data_range(symbol.address(), symbol.size())?;
            let code = code.map(<[u8]>::as_chunks::<8>);
            let Some((code, [])) = code.filter(|_| symbol.address().is_multiple_of(8)) else {
                let text = format!("function {name} does not consist of instructions");
                return Err(ObjectError::Broken(text));
            };
            functions
                .sections
                .insert(section.name()?.to_owned(), section.index());
            functions.list.push(Function {
                name,
                section: section.name()?.to_owned(),
                code: code.to_vec(),
                references: Vec::new(),
                func_info: Vec::new(),
                line_info: Vec::new(),
            });
        }
        functions.places.sort_unstable();
        let mut pairs = functions.places.array_windows();
        let twice = pairs.find_map(|[(one, _), (other, index)]| (one == other).then_some(*index));
        match twice.and_then(|index| functions.get(index)) {
            Some(Function { name, .. }) => {
                let text = format!("two functions where {name} is");
                Err(ObjectError::Broken(text))
            }
            None => Ok(functions),
        }
    }

    pub(super) fn into_list(self) -> Vec<Function> {
        self.list
    }

    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut Function> {
        self.list.get_mut(index)
    }

    pub(super) fn get(&self, index: usize) -> Option<&Function> {
        self.list.get(index)
    }

    /// The sections that have functions.
    pub(super) fn section(&self, name: &str) -> Option<SectionIndex> {
        self.sections.get(name).copied()
    }

    pub(super) fn sections(&self) -> BTreeSet<usize> {
        self.sections.values().map(|index| index.0).collect()
    }

    /// Each function with its section and first byte.
    pub(super) fn places(&self) -> Vec<(usize, u64, usize)> {
        let places = self.places.iter();
        places
            .map(|((section, start), index)| (*section, *start, *index))
            .collect()
    }

    /// The instruction at a byte of a section.
    pub(super) fn at(&self, section: usize, byte: u64) -> Option<Place> {
        let behind = self
            .places
            .partition_point(|(at, _)| *at <= (section, byte));
        let ((of, start), function) = self.places.get(behind.checked_sub(1)?)?;
        let inside = byte.checked_sub(*start).filter(|_| *of == section)?;
        let instruction = usize::try_from(inside / 8).ok()?;
        let code = &self.list.get(*function)?.code;
        (inside.is_multiple_of(8) && instruction < code.len()).then_some(Place {
            function: *function,
            instruction,
        })
    }

    /// The function that begins at a byte of a section.
    pub(super) fn beginning_at(&self, section: usize, byte: u64) -> Option<usize> {
        let at = self
            .places
            .binary_search_by_key(&(section, byte), |(at, _)| *at);
        self.places.get(at.ok()?).map(|(_, index)| *index)
    }

    pub(super) fn add_reference(&mut self, function: usize, reference: Reference) {
        if let Some(function) = self.list.get_mut(function) {
            function.references.push(reference);
        }
    }
}
