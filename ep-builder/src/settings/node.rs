//! What the node itself gets: `[node]` of `weir.toml`.

use crate::maps::Prefix;

/// What is decided about the node's own devices and networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeSettings {
    /// The devices that lead outside, by name; those of the default routes if there are none.
    pub devices: Vec<String>,
    /// Where pods keep their address: nothing is masqueraded on its way there.
    pub native_cidrs: Vec<Prefix>,
    /// The networks of the pods on this node; those that ADDs bring if there are none.
    pub pod_cidrs: Vec<Prefix>,
}

/// The longest name of a device, as the kernel counts without the zero.
const LONGEST_NAME: usize = 15;

/// Whether the kernel would take this for the name of a device.
pub(super) fn is_device_name(name: &str) -> bool {
    let bad = |byte: u8| byte == b'/' || byte == b':' || byte == 0 || byte.is_ascii_whitespace();
    !matches!(name, "" | "." | "..") && name.len() <= LONGEST_NAME && !name.bytes().any(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_kernel() {
        for (name, is_one) in [
            ("eth0", true),
            ("bond0.4094", true),
            ("br-3f2a1c0d9e8b", true),
            ("br-3f2a1c0d9e8b7", false),
            ("", false),
            (".", false),
            ("..", false),
            ("a/b", false),
            ("a b", false),
            ("eth0:1", false),
            ("a\0b", false),
            ("a\tb", false),
        ] {
            assert_eq!(is_device_name(name), is_one, "{name:?}");
        }
    }
}
