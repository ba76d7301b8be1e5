//! Waiting until no processor runs what was replaced.
#![expect(unsafe_code, reason = "no crate at hand wraps membarrier(2)")]

use nix::errno::Errno;
use nix::libc;

/// `MEMBARRIER_CMD_GLOBAL`: the kernel waits for one RCU grace period, within which every program that ran
/// at the call has ended.
const GLOBAL: libc::c_int = 1;

/// Returns once every program that was running at the call has ended: some milliseconds, of which no
/// processor time is ours. A kernel without the call is not waited for.
pub fn wait_for_running_programs() {
    // SAFETY: the call takes three numbers and no address; it changes nothing.
    let result = unsafe { libc::syscall(libc::SYS_membarrier, GLOBAL, 0, 0) };
    let _refused: Result<_, Errno> = Errno::result(result);
}
