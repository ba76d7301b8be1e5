//! The versions of the protocol, and which command each of them knows.

use std::fmt;

/// A version of the protocol that is spoken here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Version {
    /// `ip4` and `ip6` in results.
    V0_1_0,
    /// The same; adds VERSION.
    V0_2_0,
    /// Interfaces, lists of addresses, chains.
    V0_3_0,
    /// The same.
    V0_3_1,
    /// Adds CHECK and the previous result on DEL.
    V0_4_0,
    /// Addresses without their family.
    V1_0_0,
    /// Adds GC and STATUS, and the MTU in results.
    V1_1_0,
}

impl Version {
    /// Every one, oldest first. Runtimes look for the exact text of their configuration's in this list.
    pub(crate) const ALL: [Self; 7] = [
        Self::V0_1_0,
        Self::V0_2_0,
        Self::V0_3_0,
        Self::V0_3_1,
        Self::V0_4_0,
        Self::V1_0_0,
        Self::V1_1_0,
    ];

    /// That of a configuration which names none.
    pub(crate) const UNNAMED: Self = Self::V0_1_0;

    /// That of the answers to what names none.
    pub(crate) const NEWEST: Self = Self::V1_1_0;

    /// As it stands on the wire.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::V0_1_0 => "0.1.0",
            Self::V0_2_0 => "0.2.0",
            Self::V0_3_0 => "0.3.0",
            Self::V0_3_1 => "0.3.1",
            Self::V0_4_0 => "0.4.0",
            Self::V1_0_0 => "1.0.0",
            Self::V1_1_0 => "1.1.0",
        }
    }

    /// The version of exactly this text; no text is [`Self::UNNAMED`].
    pub(crate) fn named(text: &str) -> Result<Self, VersionError> {
        if text.is_empty() {
            return Ok(Self::UNNAMED);
        }
        Self::ALL
            .into_iter()
            .find(|version| version.as_str() == text)
            .ok_or_else(|| VersionError::Unknown(text.to_owned()))
    }

    /// Every version as one line for people.
    pub(crate) fn list() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A configuration whose version does not fit.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum VersionError {
    /// It is none of ours.
    #[error(
        "cniVersion {0:?} is not spoken here: set one of {list} in the network configuration",
        list = Version::list()
    )]
    Unknown(String),
    /// The command came later.
    #[error(
        "{command} needs cniVersion {since} or newer and the network configuration has {asked}: raise it"
    )]
    TooOld {
        /// The command asked for.
        command: &'static str,
        /// The first version that has it.
        since: Version,
        /// The configuration's.
        asked: Version,
    },
}

impl VersionError {
    /// Both sides' versions, as the protocol wants them beside the message.
    pub(crate) fn details(&self) -> String {
        let asked = match self {
            Self::Unknown(text) => text.as_str(),
            Self::TooOld { asked, .. } => asked.as_str(),
        };
        format!(
            "config is {:?}, plugin supports {:?}",
            [asked],
            Version::ALL.map(Version::as_str)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_known_by_its_exact_text() {
        for version in Version::ALL {
            assert_eq!(Version::named(version.as_str()), Ok(version));
        }
        assert_eq!(Version::named(""), Ok(Version::V0_1_0));
        for text in [
            "1", "1.0", "1.0.1", "1.2.0", "1.99.0", "v1.0.0", " 1.0.0", "1.0.0-x",
        ] {
            let error = Version::named(text).unwrap_err();
            assert_eq!(error, VersionError::Unknown(text.to_owned()));
            assert!(error.details().contains(text), "{error:?}");
            assert!(error.details().contains("\"0.1.0\", \"0.2.0\""));
        }
    }

    #[test]
    fn versions_are_ordered_by_age() {
        assert!(Version::ALL.is_sorted());
        assert_eq!(Version::ALL.last(), Some(&Version::NEWEST));
    }
}
