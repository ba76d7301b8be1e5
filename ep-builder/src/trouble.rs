//! What to do about failures of the machine and not of a request: disks, memory, limits. They may come from any call,
//! so no error of a part has advice for them.

use std::error::Error;
use std::io;

use nix::errno::Errno;

/// What to do about the first cause of an error, if it is one of these.
pub fn advice(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(advice) = errno(error).and_then(about) {
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

fn about(errno: Errno) -> Option<&'static str> {
    Some(match errno {
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
    use crate::whole_file::FileError;

    #[test]
    fn the_machine_s_troubles_are_told_wherever_they_are() {
        for (code, word) in [
            (Errno::EIO, Some("dmesg")),
            (Errno::ENOSPC, Some("df -i")),
            (Errno::EROFS, Some("mount it writable")),
            (Errno::ENOMEM, Some("memory.max")),
            (Errno::EMFILE, Some("ulimit")),
            (Errno::ENOENT, None),
        ] {
            let wrapped = FileError::of("write", Path::new("/a"))(code.into());
            for error in [&code as &(dyn Error + 'static), &wrapped] {
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
