//! What connections remember.

use std::thread::sleep;
use std::time::Duration;

use ep_builder::abi::CtValue;
use ep_builder::bpf::Update;
use ep_builder::events::clock::monotonic;

use super::scenario::{Want, from_pod};
use crate::bench::Bench;

/// Sends a frame of the pod in the second in which every connection has found that its peer is no pod. Tried again where the second was over before the packet came.
pub(super) fn within(bench: &mut Bench, frame: &[u8], want: &Want) -> Result<(), String> {
    let mut tries = (0..5).map(|_| {
        let now = monotonic().unwrap().as_secs();
        remember(bench, "sought", u32::try_from(now).unwrap() << 1);
        let came = from_pod(bench, frame, want);
        came.inspect_err(|_| sleep(Duration::from_millis(20)))
    });
    let first = tries.next().unwrap();
    first.or_else(|what| tries.find(Result::is_ok).unwrap_or(Err(what)))
}

/// Every connection gets this number in a field.
pub(super) fn remember(bench: &Bench, name: &str, number: u32) {
    let mut fields = CtValue::LAYOUT.fields.iter();
    let field = fields.find(|field| field.name == name).unwrap();
    for map in bench.conntrack() {
        let keys: Vec<_> = map.keys().map(Result::unwrap).collect();
        for key in keys {
            let mut value = map.lookup(&key).unwrap().unwrap();
            value[field.offset..][..field.size].copy_from_slice(&number.to_ne_bytes());
            map.update(&key, &value, Update::Replace).unwrap();
        }
    }
}
