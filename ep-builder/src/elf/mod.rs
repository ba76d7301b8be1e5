//! Reading and slimming of compiled objects. Pure; nothing here trusts the bytes.

mod content;
mod slim;
mod template;

pub use content::{Content, Instruction};
pub use slim::slim;
pub use template::{ConstantSite, NameSite, TemplateLayout, constant_sites};

/// Prefix of the symbol of every constant.
pub const CONSTANT_PREFIX: &str = "__config_";
/// The section of the constants.
pub const CONSTANT_SECTION: &str = ".rodata.config";

/// Why bytes are not the object they should be.
#[derive(Debug, thiserror::Error)]
pub enum ElfError {
    /// Not an ELF file, or cut.
    #[error("the object is no readable ELF file")]
    Read(#[from] object::read::Error),
    /// Not for BPF, or of another byte order or class.
    #[error("the object is not a little-endian 64-bit BPF object")]
    Kind,
    /// A section every template has.
    #[error("the object has no section {0}")]
    Section(&'static str),
    /// An offset outside the file.
    #[error("the object is cut: {0} lies outside the file")]
    Outside(&'static str),
    /// A constant that the table has and the object has not, or the other way round.
    #[error("constant {name} {problem}: bpf-src and endpoint/values.rs must agree")]
    Constant {
        /// Its name.
        name: String,
        /// What differs.
        problem: String,
    },
    /// No map carries the placeholder.
    #[error("no map of the object is named after an endpoint or a device: it is no template")]
    NoName,
    /// A placeholder where it cannot be patched.
    #[error("the placeholder {name} stands at byte {offset}, outside the string tables")]
    StrayName {
        /// The name.
        name: String,
        /// Where.
        offset: usize,
    },
}
