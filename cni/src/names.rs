//! The names a runtime gives, checked, and the names that follow from them.
//!
//! Each becomes a part of a path or of a link's name somewhere, so nothing that is not a name gets past
//! these constructors. The rules are libcni's (`pkg/utils`), and those of the places the names go to.

use std::fmt;

use ep_builder::endpoint::{Endpoint, EndpointId};
use ep_builder::health;
use sha2::{Digest, Sha256};

/// The kernel's bound for a link's name, and for its alias.
const LINK_NAME_MAX: usize = 15;
const ALIAS_MAX: usize = 255;

/// libcni has no bound, but a file system has: a network's addresses have folders with its name and more.
const NETWORK_NAME_MAX: usize = 200;

/// How the alias of a link of ours begins.
pub(crate) const MARK: &str = "weir:";

/// How the name of the host end of a pair begins.
pub(crate) const HOST_PREFIX: &str = "lxc";

/// A name that breaks the rules for its kind.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} {value:?} is not valid: it must {rule}")]
pub(crate) struct InvalidName {
    what: &'static str,
    value: String,
    rule: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) struct $name(String);

        impl $name {
            /// Takes a name that keeps the rules.
            pub(crate) fn new(value: &str) -> Result<Self, InvalidName> {
                if $check(value) {
                    return Ok(Self(value.to_owned()));
                }
                Err(InvalidName { what: $what, value: value.to_owned(), rule: $rule })
            }

            /// The name.
            pub(crate) fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// `CNI_CONTAINERID`.
    ContainerId, "CNI_CONTAINERID",
    "begin with a letter or digit and go on with letters, digits, '_', '.' and '-'", is_identifier
);
name!(
    /// `CNI_IFNAME`.
    InterfaceName, "CNI_IFNAME",
    "have 1 to 15 bytes, be neither '.' nor '..', and contain no '/', no ':' and no white space", is_link_name
);
name!(
    /// The name of a network configuration.
    NetworkName, "the network name",
    "begin with a letter or digit, go on with letters, digits, '_', '.' and '-', and have at most 200 bytes",
    is_network
);

fn is_identifier(value: &str) -> bool {
    let mut bytes = value.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphanumeric())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

fn is_network(value: &str) -> bool {
    value.len() <= NETWORK_NAME_MAX && is_identifier(value)
}

fn is_link_name(value: &str) -> bool {
    (1..=LINK_NAME_MAX).contains(&value.len())
        && !matches!(value, "." | "..")
        && !value.contains(|c: char| matches!(c, '/' | ':' | '\0') || c.is_whitespace())
}

/// One interface of one container on one network: what every verb is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Attachment {
    /// The network.
    pub(crate) network: NetworkName,
    /// The container or sandbox.
    pub(crate) container: ContainerId,
    /// The interface inside the pod.
    pub(crate) ifname: InterfaceName,
}

impl Attachment {
    /// Whether it is the health endpoint's, which weir itself asks for.
    pub(crate) fn is_health(&self) -> bool {
        self.container.as_str() == health::CONTAINER && self.ifname.as_str() == health::INTERFACE
    }

    /// The name of the host end: the same at every call, so DEL finds it without any state.
    pub(crate) fn host_name(&self) -> String {
        if self.is_health() {
            return health::DEVICE.to_owned();
        }
        let mut hash = Sha256::new();
        hash.update(self.container.as_str());
        hash.update([0]);
        hash.update(self.ifname.as_str());
        let digest = hash.finalize();
        let hex = digest.iter().take(6).map(|byte| format!("{byte:02x}"));
        hex.fold(HOST_PREFIX.to_owned(), |name, pair| name + &pair)
    }

    /// The mark on our links: whose they are, readable when all state is lost.
    pub(crate) fn alias(&self, id: EndpointId) -> String {
        let mut alias = format!("{MARK}{}:{}:{}", id.get(), self.container, self.ifname);
        // All of it is ASCII but the interface's name, which may be cut inside a character.
        while alias.len() > ALIAS_MAX {
            alias.pop();
        }
        alias
    }

    /// Whether an endpoint is this attachment's.
    pub(crate) fn is_of(&self, endpoint: &Endpoint) -> bool {
        endpoint.container_id == self.container.as_str() && endpoint.ifname == self.ifname.as_str()
    }

    /// Whether an alias is that of this attachment, and the endpoint's id in it.
    pub(crate) fn id_in(&self, alias: &str) -> Option<EndpointId> {
        let id = marked_id(alias)?;
        (alias == self.alias(id)).then_some(id)
    }
}

/// The endpoint's id in an alias of ours.
pub(crate) fn marked_id(alias: &str) -> Option<EndpointId> {
    let (id, _) = alias.strip_prefix(MARK)?.split_once(':')?;
    EndpointId::new(id.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attachment(container: &str, ifname: &str) -> Attachment {
        Attachment {
            network: NetworkName::new("net").unwrap(),
            container: ContainerId::new(container).unwrap(),
            ifname: InterfaceName::new(ifname).unwrap(),
        }
    }

    #[test]
    fn names_keep_the_rules_of_libcni() {
        for good in ["a", "A1", "0_.-", "abc.def", &"x".repeat(200)] {
            assert!(ContainerId::new(good).is_ok(), "{good:?}");
            assert!(NetworkName::new(good).is_ok(), "{good:?}");
        }
        let long = "x".repeat(300);
        assert!(ContainerId::new(&long).is_ok() && NetworkName::new(&long).is_err());
        for bad in [
            "", ".", "..", "-a", "_a", "a/b", "a b", "a\0", "../x", "é", "a\n",
        ] {
            assert!(ContainerId::new(bad).is_err(), "{bad:?}");
            assert!(NetworkName::new(bad).is_err(), "{bad:?}");
        }
        for good in ["e", "eth0", "a.b", "...", "123456789012345", "é"] {
            assert!(InterfaceName::new(good).is_ok(), "{good:?}");
        }
        for bad in [
            "",
            ".",
            "..",
            "a/b",
            "a:b",
            "a b",
            "a\t",
            "a\0",
            "a\u{a0}b",
            "a\u{2003}b",
            "1234567890123456",
            "ééééééé1é",
        ] {
            assert!(InterfaceName::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_host_name_is_short_stable_and_the_pairs_own() {
        let name = attachment("c1", "eth0").host_name();
        assert_eq!(name, attachment("c1", "eth0").host_name());
        assert_eq!((name.len(), &name[..3]), (LINK_NAME_MAX, HOST_PREFIX));
        assert_ne!(name, attachment("c1", "eth1").host_name());
        // Without a separator these two would be one.
        assert_ne!(attachment("c1e", "th0").host_name(), name);
        let ours = attachment(health::CONTAINER, health::INTERFACE);
        assert_eq!(ours.host_name(), "lxc_health");
        assert_eq!(attachment(health::CONTAINER, "eth1").host_name().len(), 15);
    }

    #[test]
    fn an_alias_is_known_by_its_attachment_alone() {
        let (id, long) = (EndpointId::new(2665).unwrap(), "x".repeat(400));
        for container in ["c1", &long] {
            let ours = attachment(container, "eth0");
            let alias = ours.alias(id);
            assert!(alias.len() <= ALIAS_MAX);
            assert_eq!(
                (ours.id_in(&alias), marked_id(&alias)),
                (Some(id), Some(id))
            );
            assert_eq!(attachment("other", "eth0").id_in(&alias), None);
        }
        for foreign in [
            "",
            "weir",
            "weir:",
            "weir:0:c:e",
            "weir:65535:c:e",
            "weir:x:c:e",
            "other:1:c:e",
        ] {
            assert_eq!(marked_id(foreign), None, "{foreign:?}");
        }
    }
}
