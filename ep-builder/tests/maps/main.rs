//! The maps API on maps of the kernel, and the names of events as the compiler has them.

// Said, so that the lints know that helpers are tests, too.
#[cfg(test)]
mod bench;
#[cfg(test)]
mod generations;
#[cfg(test)]
mod tables;
#[cfg(test)]
mod vocabulary;
