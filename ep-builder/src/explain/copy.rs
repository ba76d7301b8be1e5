//! Entries of the node's maps for the maps of twins.

use super::error::ExplainError;
use crate::abi::{CtValue, PolicyValue};
use crate::bpf::{BpfError, Entries, Map, Operation, Update};
use crate::maps::{Connection, Record, Tracked};

/// How often a policy that changes while it is read is read again.
const ATTEMPTS: usize = 16;

/// Copies every entry.
pub(super) fn copy_entries(from: &Map, to: &Map) -> Result<(), BpfError> {
    to.update_all(&entries(from)?)
}

/// Copies the entries of a policy, with counters at zero, and returns its revision. The revision is read before
/// and after: while it stands, so do its entries.
pub(super) fn copy_policy(
    from: &Map,
    to: &Map,
    revision: impl Fn() -> Result<u32, ExplainError>,
) -> Result<u32, ExplainError> {
    let mut before = revision()?;
    let mut found = entries(from)?;
    for _ in 0..ATTEMPTS {
        let after = revision()?;
        if before == after {
            break;
        }
        (before, found) = (after, entries(from)?);
    }
    found.values = without_counters(&found.values);
    to.update_all(&found)?;
    Ok(before)
}

/// Copies the connections that are wanted, and says which these are.
pub(super) fn copy_connections<K: Record>(
    from: &Map,
    to: &Map,
    is_wanted: impl Fn(&Connection) -> bool,
) -> Result<Vec<Tracked>, BpfError>
where
    for<'a> Connection: From<&'a K>,
{
    let all = entries(from)?;
    let keys = all.keys.chunks(size_of::<K>());
    let mut found = Vec::new();
    for (key, value) in keys.zip(all.values.chunks(size_of::<CtValue>())) {
        let connection = Connection::from(&K::from_bytes(key));
        if is_wanted(&connection) {
            to.update(key, value, Update::Any)?;
            let value = CtValue::from_bytes(value);
            found.push(Tracked { connection, value });
        }
    }
    Ok(found)
}

fn without_counters(values: &[u8]) -> Vec<u8> {
    let zero = |bytes: &[u8]| {
        let value = PolicyValue {
            packets: 0,
            bytes: 0,
            ..PolicyValue::from_bytes(bytes)
        };
        value.to_bytes()
    };
    let values = values.chunks(size_of::<PolicyValue>());
    values.flat_map(zero).collect()
}

fn entries(map: &Map) -> Result<Entries, BpfError> {
    let most = usize::try_from(map.shape().max_entries).unwrap_or(usize::MAX);
    match map.read_all(most.saturating_mul(2))? {
        Some(entries) => Ok(entries),
        None => Err(BpfError::Misuse {
            operation: Operation::LookUp,
            object: map.label().to_owned(),
            problem: "it changes faster than it can be read".to_owned(),
        }),
    }
}
