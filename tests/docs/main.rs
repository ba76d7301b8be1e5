//! The pages are true: what they show is run, what is written from the code is what the code says.

#[cfg(test)]
mod blocks;
#[cfg(test)]
mod compare;
#[cfg(test)]
mod json;
#[cfg(test)]
mod json_commands;
#[cfg(test)]
mod links;
#[cfg(test)]
mod lists;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod scripts;
#[cfg(test)]
mod session;
