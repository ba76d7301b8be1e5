//! What a listener does not need it gives up, before it hears anybody: whoever gets into this process then gets
//! maps and files to read, and what root owns to write, but no network, no mounts and no other process.
#![expect(unsafe_code, reason = "no crate at hand wraps capset(2)")]

use nix::errno::Errno;
use nix::libc;
use nix::sys::prctl::set_no_new_privs;

use crate::failure::Failure;

/// `_LINUX_CAPABILITY_VERSION_3`
const VERSION: u32 = 0x2008_0522;
/// `CAP_DAC_READ_SEARCH`: where state and pins are not root's own.
const READ: u32 = 2;
/// `CAP_BPF`: without it bpf(2) opens no map.
const BPF: u32 = 39;

#[repr(C)]
struct Header {
    version: u32,
    /// 0: this thread, from which all later ones inherit.
    pid: i32,
}

/// 32 of the capabilities.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Word {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Keeps the two that reading takes, of those that are there. Where the kernel refuses nobody may be heard. Who has
/// none gives up nothing, which no kernel refuses.
pub(super) fn give_up() -> Result<(), Failure> {
    let given_up = set_no_new_privs().and_then(|()| keep(&[READ, BPF]));
    given_up.map_err(|errno| Failure::System {
        what: "cannot give up the capabilities that a listener does not need".to_owned(),
        source: errno.into(),
    })
}

fn keep(wanted: &[u32]) -> Result<(), Errno> {
    let mut header = Header {
        version: VERSION,
        pid: 0,
    };
    let mut words = [Word::default(); 2];
    // SAFETY: the kernel writes two words of this version to `words`, and the version to `header`; both are
    // borrowed for the call.
    let read = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, words.as_mut_ptr()) };
    Errno::result(read)?;
    for (index, word) in words.iter_mut().enumerate() {
        let kept = word.permitted & mask(wanted, index);
        *word = Word {
            effective: kept,
            permitted: kept,
            inheritable: 0,
        };
    }
    // SAFETY: the kernel reads the same two, which live until the call returns.
    let set = unsafe { libc::syscall(libc::SYS_capset, &raw mut header, words.as_ptr()) };
    Errno::result(set).map(|_| ())
}

/// The bits of these capabilities in one of the words.
fn mask(wanted: &[u32], word: usize) -> u32 {
    let of_it = wanted
        .iter()
        .filter(|capability| (**capability / 32) as usize == word);
    of_it.fold(0, |mask, capability| mask | 1 << (capability % 32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_capability_has_its_bit() {
        assert_eq!(mask(&[READ, BPF], 0), 1 << 2);
        assert_eq!(mask(&[READ, BPF], 1), 1 << 7);
    }

    #[test]
    fn a_thread_keeps_what_was_wanted_at_most() {
        // Of this thread alone.
        let status = std::thread::spawn(|| {
            keep(&[BPF]).unwrap();
            std::fs::read_to_string("/proc/thread-self/status").unwrap()
        });
        let status = status.join().unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
        let held = u64::from_str_radix(line.unwrap().trim(), 16).unwrap();
        assert_eq!(held & !(1 << BPF), 0);
    }
}
