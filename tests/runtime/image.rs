//! An image made here: a static busybox as an OCI archive.

use std::env;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// What the image is called.
pub(crate) const NAME: &str = "localhost/weir-test:1";

/// What its web server answers.
pub(crate) const ANSWER: &str = "the pod answers";

const APPLETS: [&str; 7] = ["cat", "httpd", "ip", "ping", "sleep", "timeout", "wget"];
const OCI: &str = "application/vnd.oci.image";
const FOLDER: u32 = 0o755;

/// Writes the archive.
pub(crate) fn write(path: &Path) {
    let layer = layer();
    let platform = match env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let config = json!({
        "architecture": platform,
        "os": "linux",
        "config": { "Cmd": ["/bin/sleep", "1000000"], "Env": ["PATH=/bin"] },
        "rootfs": { "type": "layers", "diff_ids": [digest(&layer)] },
    })
    .to_string()
    .into_bytes();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": format!("{OCI}.manifest.v1+json"),
        "config": descriptor("config.v1+json", &config),
        "layers": [descriptor("layer.v1.tar", &layer)],
    })
    .to_string()
    .into_bytes();
    let mut entry = descriptor("manifest.v1+json", &manifest);
    // The one name is read by containerd, the other by podman.
    entry["annotations"] =
        json!({ "io.containerd.image.name": NAME, "org.opencontainers.image.ref.name": NAME });
    let index = json!({ "schemaVersion": 2, "manifests": [entry] });

    let mut archive = Tar::default();
    for blob in [&layer, &config, &manifest] {
        let digest = digest(blob).replace(':', "/");
        archive.file(&format!("blobs/{digest}"), 0o644, blob);
    }
    archive.file("index.json", 0o644, index.to_string().as_bytes());
    archive.file("oci-layout", 0o644, br#"{"imageLayoutVersion":"1.0.0"}"#);
    let mut file = File::create(path).expect("an archive can be made");
    file.write_all(&archive.end())
        .expect("an archive can be written");
}

fn layer() -> Vec<u8> {
    let mut layer = Tar::default();
    for folder in ["bin/", "etc/", "www/"] {
        layer.entry(folder, b'5', FOLDER, "", &[]);
    }
    layer.file("bin/busybox", 0o755, &fs::read(busybox()).unwrap());
    for applet in APPLETS {
        layer.entry(&format!("bin/{applet}"), b'2', 0o777, "busybox", &[]);
    }
    layer.file("www/index.html", 0o644, ANSWER.as_bytes());
    layer.end()
}

fn busybox() -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut places = env::split_paths(&path).map(|folder| folder.join("busybox"));
    let found = places.find(|place| place.is_file());
    found.expect("busybox is a need of the test")
}

fn digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let hex: Vec<_> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{}", hex.concat())
}

fn descriptor(kind: &str, bytes: &[u8]) -> Value {
    json!({ "mediaType": format!("{OCI}.{kind}"), "digest": digest(bytes), "size": bytes.len() })
}

/// An archive in the format ustar.
#[derive(Default)]
struct Tar {
    bytes: Vec<u8>,
}

impl Tar {
    fn file(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.entry(name, b'0', mode, "", content);
    }

    fn entry(&mut self, name: &str, kind: u8, mode: u32, target: &str, content: &[u8]) {
        let mut header = [0; 512];
        let mut put =
            |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
        put(0, name);
        put(100, &format!("{mode:07o}"));
        put(108, "0000000");
        put(116, "0000000");
        put(124, &format!("{:011o}", content.len()));
        put(136, "00000000000");
        put(157, target);
        put(257, "ustar\u{0}00");
        // The sum is taken with blanks in its own place.
        put(148, "        ");
        header[156] = kind;
        let sum: u32 = header.iter().copied().map(u32::from).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.bytes.extend_from_slice(&header);
        self.bytes.extend_from_slice(content);
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
    }

    fn end(mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(&[0; 1024]);
        self.bytes
    }
}
