//! Headers with the fewest values that compile, and a folder to compile them in.

use std::env;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use ep_builder::btf::{self, Btf};
use ep_builder::compile::{FLAGS, Search};
use ep_builder::whole_file;
use object::{Object, ObjectSection};
use tempfile::TempDir;

const NODE_CONFIG: &str = "
#define ENDPOINTS_MAP test_lxc
#define IPCACHE_MAP test_ipcache
#define METRICS_MAP test_metrics
#define EVENTS_MAP test_events
#define CALL_POLICY_MAP test_call_policy
#define POLICY_REVISION_MAP test_policy_rev
#define POLICY_VERDICT_MAP test_verdict
#define SELF_MAP test_self
#define FRAG4_MAP test_frag4
#define FRAG6_MAP test_frag6
#define ENDPOINTS_MAP_SIZE 11
#define IPCACHE_MAP_SIZE 12
#define POLICY_MAP_SIZE 13
#define METRICS_MAP_SIZE 14
#define EVENTS_MAP_SIZE 4096
#define FRAG_MAP_SIZE 15
";

const EP_CONFIG: &str = "
#include \"lib/utils.h\"
DEFINE_U32(LXC_ID, 65535);
#define LXC_ID fetch_u32(LXC_ID)
DEFINE_MAC(NODE_MAC, 1, 2, 3, 4, 5, 6);
#define NODE_MAC fetch_mac(NODE_MAC)
DEFINE_U32(SECLABEL, 2);
#define SECLABEL fetch_u32(SECLABEL)
DEFINE_U32(SECLABEL_NB, 0x02000000);
#define SECLABEL_NB fetch_u32(SECLABEL_NB)
DEFINE_U32(POLICY_VERDICT_LOG_FILTER, 0);
#define POLICY_VERDICT_LOG_FILTER fetch_u32(POLICY_VERDICT_LOG_FILTER)
#define POLICY_MAP test_policy_65535
#define CALLS_MAP test_calls_65535
#define CT_MAP_TCP4 test_ct4_global
#define CT_MAP_ANY4 test_ct_any4_global
#define CT_MAP_TCP6 test_ct6_global
#define CT_MAP_ANY6 test_ct_any6_global
#define CT_MAP_SIZE_TCP 16
#define CT_MAP_SIZE_ANY 17
";

/// The constants of an endpoint with both addresses.
pub(crate) const ADDRESSES: &str = "
DEFINE_IPV6(LXC_IP, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
#define LXC_IP fetch_ipv6(LXC_IP)
DEFINE_U32(LXC_IPV4, 0x01020304);
#define LXC_IPV4 fetch_u32(LXC_IPV4)
";

/// Both families.
pub(crate) const BOTH: &str = "#define ENABLE_IPV4 1\n#define ENABLE_IPV6 1\n";

/// A folder as the builder makes one: two headers and a copy of the sources, and the machine's clang.
pub(crate) struct Bench {
    folder: TempDir,
    clang: PathBuf,
}

impl Bench {
    /// None, reported as skipped, where there is no clang; a failure under `CI`.
    pub(crate) fn new(test: &str) -> Option<Self> {
        let Some(clang) = Search::from_environment(None)
            .candidates()
            .ok()
            .and_then(|all| all.into_iter().next())
        else {
            assert!(env::var_os("CI").is_none(), "{test} needs clang");
            report_skip(&format!("{test}: clang is missing"));
            return None;
        };
        let bench = Self {
            folder: tempfile::tempdir().unwrap(),
            clang,
        };
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bpf-src");
        copy_tree(&sources, &bench.path("bpf-src"));
        Some(bench)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        whole_file::write(&self.path(name), text.as_bytes()).unwrap();
    }

    pub(crate) fn try_compile(&self, source: &str) -> Result<Vec<u8>, String> {
        let output = Command::new(&self.clang)
            .current_dir(self.folder.path())
            .args(FLAGS)
            .args(["-c", source, "-o", "out.o"])
            .output()
            .unwrap();
        if output.status.success() {
            Ok(fs::read(self.path("out.o")).unwrap())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    pub(crate) fn compile(&self, source: &str) -> Btf {
        Btf::parse(&section(&self.try_compile(source).unwrap(), btf::SECTION)).unwrap()
    }

    /// The datapath, with these lines in front of the headers.
    pub(crate) fn datapath(&self, families: &str, options: &str) -> Vec<u8> {
        self.write("node_config.h", &format!("{families}{NODE_CONFIG}"));
        self.write("ep_config.h", &format!("{EP_CONFIG}{options}"));
        self.try_compile("bpf-src/bpf_lxc.c").unwrap()
    }
}

fn report_skip(line: &str) {
    eprintln!("skipped: {line}");
    if let Some(log) = env::var_os("WEIR_SKIP_LOG") {
        let mut log = OpenOptions::new()
            .append(true)
            .create(true)
            .open(log)
            .unwrap();
        writeln!(log, "{line}").unwrap();
    }
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (entry, to) = entry.map(|e| (e.path(), to.join(e.file_name()))).unwrap();
        if entry.is_dir() {
            copy_tree(&entry, &to);
        } else {
            fs::copy(&entry, &to).unwrap();
        }
    }
}

/// The bytes of a section.
pub(crate) fn section(object: &[u8], name: &str) -> Vec<u8> {
    let file = object::File::parse(object).unwrap();
    file.section_by_name(name).unwrap().data().unwrap().to_vec()
}

/// What an object says of itself.
pub(crate) fn btf_of(object: &[u8]) -> Btf {
    Btf::parse(&section(object, btf::SECTION)).unwrap()
}
