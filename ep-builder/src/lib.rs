//! From an endpoint's facts to its loadable object.
pub mod endpoint;
pub mod options;
pub mod shape;
pub mod whole_file;
