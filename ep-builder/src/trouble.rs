//! What to do about failures of the machine and not of a request: disks, memory, limits. They may come from any call,
//! so no error of a part has advice for them.

use std::error::Error;
use std::io;

use nix::errno::Errno;

use crate::whole_file::FileError;

/// What to do about the first cause of an error, if it is one of these.
pub fn advice(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let (mut cause, mut is_of_file) = (Some(error), false);
    while let Some(error) = cause {
        is_of_file |= error.is::<FileError>();
        if let Some(advice) = errno(error).and_then(|errno| about(errno, is_of_file)) {
            return Some(advice);
        }
        cause = error.source();
    }
    None
}

fn errno(error: &(dyn Error + 'static)) -> Option<Errno> {
    if let Some(errno) = error.downcast_ref::<Errno>() {
        return Some(*errno);
    }
    let code = error.downcast_ref::<io::Error>()?.raw_os_error();
    code.map(Errno::from_raw)
}

/// Of a call that is about no file, "no space" is seldom that of a disk: the kernel says it of its own limits, too.
fn about(errno: Errno, is_of_file: bool) -> Option<&'static str> {
    Some(match errno {
        Errno::ENOSPC if !is_of_file => {
            "a limit of the kernel is reached, of namespaces (`sysctl user`), of watched files (`sysctl fs.inotify`) or of a map (`weir map list`), or what is written to is full (`df -h`, `df -i`): make room there and try again"
        }
        Errno::EIO => {
            "the disk or its file system fails: look into the kernel's log (`dmesg`), and try again when it is mended"
        }
        Errno::ENOSPC | Errno::EDQUOT => {
            "make room on that file system (`df -h`, `df -i`) and try again"
        }
        Errno::EROFS => {
            "that file system is read-only, which the kernel also makes it after errors (`dmesg`): mount it writable and try again"
        }
        Errno::ENOMEM => {
            "memory is short, of the machine or of this control group (`memory.max`): give it more and try again"
        }
        Errno::EMFILE | Errno::ENFILE => {
            "too many files are open: raise the limit (`ulimit -n`, `fs.file-max`) and try again"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_machine_s_troubles_are_told_wherever_they_are() {
        for (code, of_a_file, alone) in [
            (Errno::EIO, Some("dmesg"), Some("dmesg")),
            (Errno::ENOSPC, Some("df -i"), Some("sysctl user")),
            (Errno::EDQUOT, Some("df -i"), Some("df -i")),
            (
                Errno::EROFS,
                Some("mount it writable"),
                Some("mount it writable"),
            ),
            (Errno::ENOMEM, Some("memory.max"), Some("memory.max")),
            (Errno::EMFILE, Some("ulimit"), Some("ulimit")),
            (Errno::ENOENT, None, None),
        ] {
            let wrapped = FileError::of("write", Path::new("/a"))(code.into());
            let plain = io::Error::from(code);
            let all = [
                (&code as &(dyn Error + 'static), alone),
                (&plain, alone),
                (&wrapped, of_a_file),
            ];
            for (error, word) in all {
                let advice = advice(error);
                let fits = match word {
                    Some(word) => advice.is_some_and(|advice| advice.contains(word)),
                    None => advice.is_none(),
                };
                assert!(fits, "{error:?}: {advice:?}");
            }
        }
    }
}
