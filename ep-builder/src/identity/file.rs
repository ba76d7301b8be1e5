//! The file of an identity: its number and its set of labels, under a checksum.
//!
//! It is [sealed], so an older weir can tell a newer file from a damaged one.

use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::{Damage, IdentityError};
use crate::digest::hex;
use crate::endpoint::Labels;
use crate::{sealed, whole_file};

/// The format written here, and the newest one read.
pub(super) const FORMAT: u32 = 1;

/// The most that is written and read. A pod's labels have a few kilobytes.
pub(super) const LIMIT: u64 = 1 << 20;

/// What a file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stored {
    format: u32,
    /// The number.
    #[serde(rename = "identity")]
    pub(super) number: u32,
    /// The set.
    pub(super) labels: Labels,
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}

impl Stored {
    /// The number of a set.
    pub(super) fn new(number: u32, labels: &Labels) -> Self {
        Self {
            format: FORMAT,
            number,
            labels: labels.clone(),
        }
    }

    /// The text of the file.
    pub(super) fn encode(&self) -> Result<Vec<u8>, IdentityError> {
        let encode = |source| IdentityError::Encode { source };
        let text = sealed::seal(serde_json::to_vec(self).map_err(encode)?);
        if text.len() as u64 > LIMIT {
            return Err(IdentityError::TooLarge {
                size: text.len() as u64,
                limit: LIMIT,
            });
        }
        Ok(text)
    }

    /// Reads the file at `path`.
    pub(super) fn read(path: &Path) -> Result<Self, IdentityError> {
        Self::decode(path, &whole_file::read(path, LIMIT)?)
    }

    /// Reads the text of the file at `path`.
    pub(super) fn decode(path: &Path, text: &[u8]) -> Result<Self, IdentityError> {
        let damaged = |source| IdentityError::damaged(path, source);
        let line = sealed::unseal(text).ok_or_else(|| damaged(Damage::Checksum))?;
        let parse = |error| damaged(Damage::Content(error));
        let Format { format } = serde_json::from_slice(line).map_err(parse)?;
        match format {
            FORMAT => serde_json::from_slice(line).map_err(parse),
            0 => Err(damaged(Damage::Format(format))),
            found => Err(IdentityError::NewerFormat {
                path: path.to_owned(),
                found,
                known: FORMAT,
            }),
        }
    }
}

/// The digest that stands for a set: the name under which its number is found. Independent of how files
/// are written, because another digest would be another number for every running pod.
pub(crate) fn digest(labels: &Labels) -> String {
    let mut hash = Sha256::new();
    for label in labels.iter() {
        for part in [&label.source, &label.key, &label.value] {
            // The length before the text: else "ab", "c" would be "a", "bc".
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    hex(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::endpoint::Label;

    #[test]
    fn the_digest_of_a_set_never_changes() {
        let labels = [
            Label::new("tier", "", "container"),
            Label::new("app", "web", "k8s"),
        ];
        assert_eq!(digest(&labels.into_iter().collect()), PINNED);
    }

    const PINNED: &str = "a97783841909d04a3b9db512472fe932f6785b0576242096f71722162dd17d14";

    fn labels() -> impl Strategy<Value = Vec<Label>> {
        // Few letters, so that sets often are alike; a quote and a newline, so that JSON has something to do.
        let text = "[ab\"\n]{0,2}";
        let label =
            (text, text, "[kc]").prop_map(|(key, value, source)| Label::new(&key, &value, &source));
        proptest::collection::vec(label, 0..4)
    }

    proptest! {
        #[test]
        fn equal_sets_have_equal_digests_and_others_do_not(one in labels(), other in labels()) {
            let (a, b): (Labels, Labels) = (one.into(), other.into());
            prop_assert_eq!(digest(&a) == digest(&b), a == b);
            let mut backwards: Vec<Label> = a.clone().into();
            backwards.reverse();
            prop_assert_eq!(digest(&backwards.into()), digest(&a));
        }

        #[test]
        fn a_file_reads_back_and_no_flipped_bit_does(set in labels(), number in 256u32..1 << 24, at in any::<prop::sample::Index>(), bit in 0..8) {
            let (path, stored) = (Path::new("x"), Stored::new(number, &set.into()));
            let mut text = stored.encode().unwrap();
            prop_assert_eq!(Stored::decode(path, &text).unwrap(), stored);
            let at = at.index(text.len());
            text[at] ^= 1u8 << bit;
            prop_assert!(Stored::decode(path, &text).is_err());
        }
    }

    #[test]
    fn a_newer_format_is_not_damage() {
        let seal = |json: &str| sealed::seal(json.as_bytes().to_vec());
        let decode = |json| Stored::decode(Path::new("x"), &seal(json)).unwrap_err();
        assert!(matches!(
            decode(r#"{"format":2,"set":[]}"#),
            IdentityError::NewerFormat { found: 2, .. }
        ));
        for json in [
            r#"{"format":0}"#,
            r#"{"format":1}"#,
            r#"{"identity":256,"labels":[]}"#,
            "[]",
        ] {
            assert!(
                matches!(decode(json), IdentityError::Damaged { .. }),
                "{json}"
            );
        }
    }
}
