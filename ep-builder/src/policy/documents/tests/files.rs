//! Folders and files.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::network_policy;
use crate::policy::documents::{DocumentError, files, read_files, read_folder, validate};
use crate::whole_file;

fn write(path: &Path, name: &str) {
    let text = network_policy("").replace("name: p", &format!("name: {name}"));
    whole_file::write(path, text.as_bytes()).unwrap();
}

fn names(documents: Result<crate::policy::Documents, DocumentError>) -> Vec<String> {
    let policies = documents.unwrap().set.policies;
    policies.into_iter().map(|policy| policy.name).collect()
}

#[test]
fn a_folders_documents_are_read_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (file, name) in [("b.yaml", "two"), ("a.yml", "one"), ("c.json", "three")] {
        write(&at(file), name);
    }
    for other in [
        ".hidden.yaml",
        "a.yaml~",
        "#a.yaml#",
        "#b.yaml",
        ".a.yaml.swp",
        "a.yaml.bak",
        "a.txt",
        "yaml",
        ".yaml",
        "4913",
    ] {
        whole_file::write(&at(other), b"kind: [").unwrap();
    }
    // An editor's lock: a link to nowhere.
    std::os::unix::fs::symlink("nobody@nowhere", at(".#a.yaml")).unwrap();
    assert_eq!(names(read_folder(folder.path())), ["one", "two", "three"]);
    assert_eq!(
        names(read_files(&[at("c.json"), at("a.yml")])),
        ["three", "one"]
    );
    assert_eq!(
        names(read_files(&[folder.path().to_owned()])),
        ["one", "two", "three"]
    );
    let documents = read_folder(folder.path()).unwrap();
    let paths: Vec<_> = documents
        .files
        .iter()
        .map(|file| file.path.clone())
        .collect();
    assert_eq!(paths, [at("a.yml"), at("b.yaml"), at("c.json")]);
    let files: Vec<_> = documents.sources.iter().map(|source| source.file).collect();
    assert_eq!(files, [0, 1, 2]);
}

#[test]
fn a_folder_that_is_not_there_is_empty_and_a_file_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("policy.d");
    assert_eq!(names(read_folder(&missing)), [""; 0]);
    let error = read_files(std::slice::from_ref(&missing)).unwrap_err();
    assert_eq!(error.to_string(), "cannot load a policy document");
    assert_eq!(error.advice(), Some("name a file that is there"));
    whole_file::write(&missing, b"").unwrap();
    assert!(matches!(
        read_folder(&missing),
        Err(DocumentError::Folder(_))
    ));
    assert_eq!(names(read_files(&[missing])), [""; 0]);
}

#[test]
fn a_mounted_folder_of_links_is_read_and_a_pipe_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("..data")).unwrap();
    write(&at("..data/a.yaml"), "linked");
    std::os::unix::fs::symlink("..data/a.yaml", at("a.yaml")).unwrap();
    assert_eq!(names(read_folder(folder.path())), ["linked"]);
    nix::unistd::mkfifo(&at("b.yaml"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let error = read_folder(folder.path()).unwrap_err();
    assert!(matches!(error, DocumentError::File(_)), "{error}");
}

#[test]
fn what_is_no_text_is_told_with_its_place_and_all_else() {
    let folder = tempfile::tempdir().unwrap();
    let files: [(_, &[u8]); 3] = [
        ("a.yaml", b"a: b\n\xc3\xa4: \xff"),
        ("b.yaml", b"kind: Pod"),
        ("c.yaml", b"\xfe\xff"),
    ];
    for (name, bytes) in files {
        whole_file::write(&folder.path().join(name), bytes).unwrap();
    }
    let error = read_folder(folder.path()).unwrap_err().to_string();
    let folder = format!("{}/", folder.path().display());
    let lines: Vec<_> = error
        .lines()
        .map(|line| line.strip_prefix(&folder).unwrap())
        .collect();
    let no_text = "this is not UTF-8: save the file in that encoding";
    let no_kind =
        "kind: there is no `Pod` here: it takes NetworkPolicy, WeirPolicy, Namespace, List";
    assert_eq!(
        lines,
        [
            format!("a.yaml:2:4: {no_text}"),
            format!("c.yaml:1:1: {no_text}"),
            format!("b.yaml:1:7: {no_kind}")
        ]
    );
}

#[test]
fn sizes_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let large = folder.path().join("a.yaml");
    whole_file::write(&large, &vec![b' '; 5 << 20]).unwrap();
    let error = read_files(&[large]).unwrap_err();
    assert!(error.advice().unwrap().contains("4 MiB"), "{error}");
    let many: Vec<PathBuf> = (0..17)
        .map(|number| folder.path().join(format!("{number}.yaml")))
        .collect();
    let comment = [b"#".as_slice(), &vec![b'x'; (4 << 20) - 1]].concat();
    whole_file::write(&many[0], &comment).unwrap();
    let all: Vec<PathBuf> = vec![many[0].clone(); 17];
    assert!(matches!(files::read(&all), Err(DocumentError::File(_))));
    assert_eq!(files::read(&all[..16]).unwrap().files.len(), 16);
}

#[test]
fn a_name_of_any_bytes_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder
        .path()
        .join(std::ffi::OsStr::from_bytes(b"\xff.yaml"));
    write(&path, "odd");
    assert_eq!(names(read_folder(folder.path())), ["odd"]);
}

#[test]
fn a_summary_counts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.yaml");
    let text = [
        network_policy(", ingress: [{}, {}], policyTypes: [Egress]"),
        super::weir_policy("egress: [{}]"),
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n".to_owned(),
    ];
    whole_file::write(&path, text.join("---\n").as_bytes()).unwrap();
    let summary = validate(&[path]).unwrap();
    let json = serde_json::to_value(&summary).unwrap();
    assert_eq!(json["notices"].as_array().unwrap().len(), 1);
    let counts = [
        "files",
        "networkPolicies",
        "weirPolicies",
        "namespaces",
        "rules",
    ]
    .map(|key| json[key].as_u64().unwrap());
    assert_eq!(counts, [1, 1, 1, 1, 1]);
}
