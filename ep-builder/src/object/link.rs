//! One program with all it calls, and with descriptors in place of references.

use super::{Function, Loadable, ObjectError, Target};

/// How the kernel tells what the number in a wide load or a call is: `BPF_PSEUDO_*`, in the source register.
const MAP_DESCRIPTOR: u8 = 1;
const MAP_VALUE: u8 = 2;
const FUNCTION_ADDRESS: u8 = 4;
const FUNCTION_CALL: u8 = 1;

/// What the kernel calls the maps: descriptors, in the order of the object.
#[derive(Clone, Copy, Debug)]
pub struct Numbers<'a> {
    /// Of each map.
    pub maps: &'a [i32],
    /// Of the map of each data section.
    pub data: &'a [i32],
}

/// A program as the kernel takes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Linked {
    /// Its instructions.
    pub code: Vec<[u8; 8]>,
    /// Which function begins at which instruction.
    pub func_info: Vec<[u32; 2]>,
    /// Which source line an instruction comes from.
    pub line_info: Vec<[u32; 4]>,
}

impl Loadable {
    /// Lays out a program and all functions that it calls, directly or not, and puts in the numbers.
    pub fn link(&self, program: usize, numbers: &Numbers<'_>) -> Result<Linked, ObjectError> {
        let order = self.reached(&[program]);
        let mut starts = vec![None; self.functions.len()];
        let mut linked = Linked::default();
        for &index in &order {
            let function = self.function(index)?;
            if let Some(start) = starts.get_mut(index) {
                *start = Some(linked.code.len());
            }
            linked.append(function);
        }
        for &index in &order {
            let start = starts.get(index).copied().flatten().unwrap_or(0);
            for reference in &self.function(index)?.references {
                let at = start + reference.instruction;
                let to = |index: usize| starts.get(index).copied().flatten();
                linked
                    .set(at, reference.target, numbers, to)
                    .ok_or_else(|| ObjectError::broken("a reference leads nowhere"))?;
            }
        }
        Ok(linked)
    }

    fn function(&self, index: usize) -> Result<&Function, ObjectError> {
        let function = self.functions.get(index);
        function.ok_or_else(|| ObjectError::broken("a call leads to no function"))
    }

    /// The programs, then what they call, each once.
    pub(crate) fn reached(&self, programs: &[usize]) -> Vec<usize> {
        let mut order = programs.to_vec();
        let mut next = 0;
        while let Some(function) = order.get(next).and_then(|index| self.functions.get(*index)) {
            for reference in &function.references {
                if let Target::Call(index) | Target::Callback(index) = reference.target
                    && !order.contains(&index)
                {
                    order.push(index);
                }
            }
            next += 1;
        }
        order
    }
}

impl Linked {
    fn append(&mut self, function: &Function) {
        let start = u32::try_from(self.code.len()).unwrap_or(u32::MAX);
        self.code.extend_from_slice(&function.code);
        let funcs = function.func_info.iter();
        self.func_info
            .extend(funcs.map(|[at, id]| [at.saturating_add(start), *id]));
        let lines = function.line_info.iter();
        self.line_info.extend(lines.map(|[at, rest @ ..]| {
            let [file, text, place] = *rest;
            [at.saturating_add(start), file, text, place]
        }));
    }

    fn set(
        &mut self,
        at: usize,
        target: Target,
        numbers: &Numbers<'_>,
        start_of: impl Fn(usize) -> Option<usize>,
    ) -> Option<()> {
        let distance = |index: usize| {
            let to = i64::try_from(start_of(index)?).ok()?;
            i32::try_from(to - i64::try_from(at).ok()? - 1).ok()
        };
        match target {
            Target::Map(map) => {
                let number = *numbers.maps.get(map)?;
                self.write(at, MAP_DESCRIPTOR, number)
            }
            Target::Data { section, offset } => {
                let number = *numbers.data.get(section)?;
                self.write(at, MAP_VALUE, number)?;
                write_number(self.code.get_mut(at + 1)?, offset.cast_signed());
                Some(())
            }
            Target::Call(index) => self.write(at, FUNCTION_CALL, distance(index)?),
            Target::Callback(index) => self.write(at, FUNCTION_ADDRESS, distance(index)?),
        }
    }

    fn write(&mut self, at: usize, source: u8, number: i32) -> Option<()> {
        let code = self.code.get_mut(at)?;
        let [_, registers, ..] = code;
        *registers = *registers & 0x0f | source << 4;
        write_number(code, number);
        Some(())
    }
}

fn write_number(code: &mut [u8; 8], number: i32) {
    let [_, _, _, _, place @ ..] = code;
    *place = number.to_le_bytes();
}
