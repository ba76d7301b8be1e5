//! What GC is told to keep.

use crate::document::{Fault, Object};

/// The key of 1.1.0, and the one libcni sent before and still sends beside it.
const KEYS: [&str; 2] = ["cni.dev/valid-attachments", "cni.dev/attachments"];

/// What GC is told to keep. That nobody said is one thing, that nothing is valid another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Valid {
    /// No key: nobody said, so nothing may go.
    Unsaid,
    /// A null: what Go writes for an empty list that was never filled.
    Null,
    /// These, and nothing else of this network.
    Listed(Vec<ValidAttachment>),
}

/// An attachment that lives. Its names are compared and used for nothing else, so they are not checked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ValidAttachment {
    /// The container's id.
    pub(crate) container: String,
    /// The interface inside the pod.
    pub(crate) ifname: String,
}

impl Valid {
    /// Reads both keys. What either of them names lives.
    pub(super) fn read(object: &mut Object) -> Result<Self, Fault> {
        let mut valid = Self::Unsaid;
        for key in KEYS
            .into_iter()
            .filter(|key| object.has(key))
            .collect::<Vec<_>>()
        {
            let list = object
                .take(key)
                .map(|value| crate::document::list((key.to_owned(), value)));
            let Some(entries) = list.transpose()? else {
                valid = valid.joined_by(Self::Null);
                continue;
            };
            let entries = entries
                .into_iter()
                .map(|entry| attachment(Object::new(entry)?));
            valid = valid.joined_by(Self::Listed(entries.collect::<Result<_, _>>()?));
        }
        Ok(valid)
    }

    fn joined_by(self, other: Self) -> Self {
        match (self, other) {
            (Self::Listed(mut own), Self::Listed(more)) => {
                own.extend(more);
                Self::Listed(own)
            }
            (list @ Self::Listed(_), _) | (_, list @ Self::Listed(_)) => list,
            (_, other) => other,
        }
    }
}

/// An entry without a name would match nothing and cost a pod its network.
fn attachment(mut object: Object) -> Result<ValidAttachment, Fault> {
    Ok(ValidAttachment {
        container: named(&mut object, "containerID")?,
        ifname: named(&mut object, "ifname")?,
    })
}

fn named(object: &mut Object, key: &str) -> Result<String, Fault> {
    let missing = Fault::Missing {
        place: object.place(key),
        advice: "nothing is removed on the word of an incomplete list",
    };
    object
        .text(key)?
        .filter(|name| !name.is_empty())
        .ok_or(missing)
}
