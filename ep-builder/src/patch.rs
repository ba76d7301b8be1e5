//! From the template's bytes and the values of an endpoint or a device to its bytes. Pure.

use std::ops::Range;

use crate::elf::{ConstantSite, ElfError, TemplateLayout};
use crate::endpoint::{DefinedBy, EndpointId, Values};
use crate::unit::Unit;

/// A verified template: its bytes, and where an endpoint's values go.
#[derive(Clone, Debug)]
pub struct Template {
    bytes: Vec<u8>,
    layout: TemplateLayout,
}

/// The object of one endpoint, or of one device of the node: what is kept in its folder is what is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointObject(Vec<u8>);

impl Template {
    /// Reads the layout; refuses what is no template.
    pub fn read(unit: Unit, bytes: Vec<u8>) -> Result<Self, ElfError> {
        let layout = TemplateLayout::read(unit, &bytes)?;
        Ok(Self { bytes, layout })
    }

    /// The template's own bytes. They must never be loaded.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The places that [`Template::patch`] writes.
    pub fn layout(&self) -> &TemplateLayout {
        &self.layout
    }

    /// Writes the id into the names of the endpoint's maps, which is all that its programs are laid out by: what
    /// follows from them can be had before the other values are known.
    pub fn name(&mut self, id: EndpointId) {
        write_names(&mut self.bytes, &self.layout, &id.five_digits());
    }

    /// A copy with these values; it differs from the template at the places of the layout only.
    pub fn patch(&self, values: &Values) -> EndpointObject {
        filled(self.bytes.clone(), &self.layout, values)
    }

    /// As [`Template::patch`], in the template's own memory.
    pub fn into_object(self, values: &Values) -> EndpointObject {
        filled(self.bytes, &self.layout, values)
    }
}

fn filled(mut bytes: Vec<u8>, layout: &TemplateLayout, values: &Values) -> EndpointObject {
    write_constants(&mut bytes, &layout.constants, values, |_| true);
    write_names(&mut bytes, layout, values.name());
    EndpointObject(bytes)
}

fn write_names(bytes: &mut [u8], layout: &TemplateLayout, name: &str) {
    for site in &layout.names {
        overwrite(bytes, &site.digits, name.as_bytes());
    }
}

fn write_constants(
    bytes: &mut [u8],
    sites: &[ConstantSite],
    values: &Values,
    wanted: impl Fn(DefinedBy) -> bool,
) {
    // Sites and values both follow the table of constants, in its order.
    for (site, (constant, value)) in sites.iter().zip(values.iter()) {
        debug_assert_eq!(site.constant, constant);
        if wanted(constant.defined_by) {
            overwrite(bytes, &site.range, value);
        }
    }
}

/// The layout was checked against these very bytes: a range that does not fit cannot be.
fn overwrite(bytes: &mut [u8], range: &Range<usize>, value: &[u8]) {
    debug_assert_eq!(range.len(), value.len());
    if let Some(place) = bytes.get_mut(range.clone()) {
        place.copy_from_slice(value);
    }
}

impl EndpointObject {
    /// Takes what a compiler made from the endpoint's own header, and fills in the constants that stand
    /// in no header. The others must come out of the compiler right.
    pub fn from_direct(mut bytes: Vec<u8>, sites: &[ConstantSite], values: &Values) -> Self {
        write_constants(&mut bytes, sites, values, |by| by == DefinedBy::Datapath);
        Self(bytes)
    }

    /// Takes what was kept in the state folder, whose digest the store has checked.
    pub fn from_store(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The object file.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}
