//! `{{#if}}` that is as strict as the rest.
//!
//! The library's own takes a name that does not exist for false, strict mode or not: a misspelt condition
//! would drop an endpoint's address from its header without a word.

use handlebars::{
    Context, Handlebars, Helper, HelperDef, HelperResult, JsonTruthy, Output, RenderContext,
    RenderErrorReason, Renderable,
};

/// The helper.
pub(super) struct If;

impl HelperDef for If {
    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        registry: &'reg Handlebars<'reg>,
        context: &'rc Context,
        state: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        let condition = helper
            .param(0)
            .ok_or(RenderErrorReason::ParamNotFoundForIndex("if", 0))?;
        if condition.is_value_missing() {
            let name = condition.relative_path().cloned();
            return Err(RenderErrorReason::MissingVariable(name).into());
        }
        let branch = if condition.value().is_truthy(false) {
            helper.template()
        } else {
            helper.inverse()
        };
        branch.map_or(Ok(()), |branch| {
            branch.render(registry, context, state, out)
        })
    }
}
