//! Where a plugin is: a regular file that can be run, in the first folder of `CNI_PATH` that has one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::DelegateError;

/// The program of this name. What cannot be run is passed over, as the shell does.
pub(super) fn program(name: &str, path: &[PathBuf]) -> Result<PathBuf, DelegateError> {
    let leads_elsewhere = name.contains(['/', '\0']) || matches!(name, "" | "." | "..");
    if leads_elsewhere {
        let name = name.to_owned();
        return Err(DelegateError::Name { name });
    }
    let mut programs = path.iter().map(|folder| folder.join(name));
    programs
        .find(|program| can_run(program))
        .ok_or_else(|| DelegateError::Missing {
            name: name.to_owned(),
            path: path.to_vec(),
        })
}

/// Links are followed: distributions link plugins into the folder.
fn can_run(program: &Path) -> bool {
    let metadata = fs::metadata(program);
    metadata.is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_program_of_the_path_counts() {
        let root = tempfile::tempdir().unwrap();
        let folders = ["a", "b", "c", "d"].map(|name| root.path().join(name));
        for folder in &folders {
            fs::create_dir(folder).unwrap();
        }
        fs::create_dir(folders[0].join("ipam")).unwrap();
        let place = |folder: &Path, mode| {
            let file = folder.join("ipam");
            ep_builder::whole_file::write(&file, b"").unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            file
        };
        place(&folders[1], 0o644);
        let first = place(&folders[2], 0o755);
        place(&folders[3], 0o755);
        assert_eq!(program("ipam", &folders).unwrap(), first);
        let error = program("ipam", &folders[..2]).unwrap_err();
        assert!(error.to_string().contains("/b\""), "{error}");
        assert!(program("ipam", &[]).is_err());
    }

    #[test]
    fn a_name_that_is_a_path_is_refused_though_there_is_a_program() {
        for name in ["../bin/sh", "/bin/sh", "", ".", "..", "a/b", "sh\0"] {
            let found = program(name, &[PathBuf::from("/bin")]);
            assert!(matches!(found, Err(DelegateError::Name { .. })), "{name:?}");
        }
    }
}
