//! Instructions before a function's own.

use super::{Function, Loadable};

impl Loadable {
    /// Puts instructions before those of the function of this name; whether there is one. They may change r0 and r6 to
    /// r9, which no function reads before it has written them, and go on behind their end.
    pub fn prepend(&mut self, function: &str, code: &[[u8; 8]]) -> bool {
        let mut functions = self.functions.iter_mut();
        let found = functions.find(|it| it.name == function);
        found.map(|function| function.prepend(code)).is_some()
    }
}

impl Function {
    /// Jumps within a function are relative, so references and records alone move. The records of its first
    /// instruction stay there: the kernel wants them at the beginning of a function.
    fn prepend(&mut self, code: &[[u8; 8]]) {
        let length = u32::try_from(code.len()).unwrap_or(u32::MAX);
        self.code.splice(0..0, code.iter().copied());
        for reference in &mut self.references {
            reference.instruction += code.len();
        }
        let funcs = self.func_info.iter_mut().map(|[at, ..]| at);
        let lines = self.line_info.iter_mut().map(|[at, ..]| at);
        for at in funcs.chain(lines).filter(|at| **at != 0) {
            *at = at.saturating_add(length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Reference, Target};
    use super::*;

    #[test]
    fn references_and_records_move_with_the_instructions() {
        let mut function = Function {
            name: "judge".to_owned(),
            section: ".text".to_owned(),
            code: vec![[1; 8], [2; 8]],
            references: vec![Reference {
                instruction: 1,
                target: Target::Map(0),
            }],
            func_info: vec![[0, 7]],
            line_info: vec![[0, 1, 1, 1], [1, 1, 2, 2]],
        };
        function.prepend(&[[8; 8], [9; 8], [10; 8]]);
        let firsts: Vec<_> = function.code.iter().map(|it| it[0]).collect();
        assert_eq!(firsts, [8, 9, 10, 1, 2]);
        assert_eq!(function.references[0].instruction, 4);
        assert_eq!(function.func_info, [[0, 7]]);
        assert_eq!(function.line_info, [[0, 1, 1, 1], [4, 1, 2, 2]]);
    }
}
