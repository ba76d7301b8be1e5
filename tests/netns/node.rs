//! A node inside a thread: namespaces, bpffs, and objects for its endpoints.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use ep_builder::attach::{AttachMode, Filter, Hook, Rtnl};
use ep_builder::bpf::Map;
use ep_builder::builder::Builder;
use ep_builder::compile::Search;
use ep_builder::endpoint::{Endpoint, EndpointId, Values};
use ep_builder::load::{self, Installed, LoadError, Owner, Pins, Target};
use ep_builder::patch::{EndpointObject, Template};
use ep_builder::settings::Settings;
use ep_builder::shape::MapPrefix;
use ep_builder::timeline::Timeline;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use weir_tests::node::repository;
use weir_tests::pods::SMALLEST_MAPS;
use weir_tests::{bundle, process};

/// A node of the calling thread's own.
pub(crate) struct Host {
    pub(crate) bpffs_dir: PathBuf,
}

impl Host {
    /// Gives the thread its namespaces. The thread of a test ends with it, and the namespaces with the thread.
    pub(crate) fn new() -> Self {
        unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET).unwrap();
        let none: Option<&str> = None;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        mount(
            Some("bpf"),
            "/sys/fs/bpf",
            Some("bpf"),
            MsFlags::empty(),
            none,
        )
        .unwrap();
        run("ip link set lo up");
        for switch in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
            let path = Path::new("/proc/sys/net").join(switch);
            switch_on(&path);
        }
        Self {
            bpffs_dir: "/sys/fs/bpf/tc/globals".into(),
        }
    }

    pub(crate) fn target(&self, id: u16, device: &str) -> Target {
        Target {
            owner: Owner::Endpoint(EndpointId::new(id).unwrap()),
            device: device.to_owned(),
            mode: AttachMode::Tc,
            bpffs_dir: self.bpffs_dir.clone(),
            prefix: MapPrefix::default(),
        }
    }

    /// The names of all pins.
    pub(crate) fn pins(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(&self.bpffs_dir) else {
            return Vec::new();
        };
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }
}

/// A file of /proc/sys takes no temporary name.
fn switch_on(path: &Path) {
    let mut file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all(b"1").unwrap();
}

/// Runs a command in the thread's namespaces, and returns what it says.
pub(crate) fn run(line: &str) -> String {
    let words: Vec<_> = line.split_whitespace().collect();
    let (program, arguments) = words.split_first().unwrap();
    process::run(Command::new(program).args(arguments)).expect_success()
}

/// The template of the default shape with small maps; compiled once for all tests.
pub(crate) fn template() -> &'static Template {
    static TEMPLATE: OnceLock<Template> = OnceLock::new();
    TEMPLATE.get_or_init(|| compile(SMALLEST_MAPS))
}

/// Likewise with another size of the policy maps.
pub(crate) fn template_of_other_sizes() -> Template {
    compile(&SMALLEST_MAPS.replace("policy = 16", "policy = 32"))
}

/// Likewise with these lines of the configuration.
pub(crate) fn template_of(lines: &str) -> Template {
    compile(&format!("{SMALLEST_MAPS}{lines}"))
}

fn compile(lines: &str) -> Template {
    let state = tempfile::tempdir().unwrap();
    let builder = builder(lines, state.path());
    let obtained = builder.template(&builder.settings().endpoint, &mut Timeline::default());
    obtained.unwrap().entry.template
}

/// Builds for a configuration with these lines, and keeps in this folder what it compiles.
pub(crate) fn builder(lines: &str, state: &Path) -> Builder {
    let path = |path: &Path| format!("{:?}", path.display().to_string());
    let text = format!(
        "{lines}[paths]\nstate_dir = {}\nbpf_dir = {}\nbpf_templates_dir = {}\nbundle_dir = {}\n",
        path(state),
        path(&repository("bpf-src")),
        path(&repository("bpf-templates")),
        path(&bundle::given().unwrap_or_else(|| "/nowhere".into())),
    );
    let settings = Settings::from_toml(&text, Path::new("weir.toml")).unwrap();
    Builder::open(settings, Search::from_environment(None)).unwrap()
}

/// The object of an endpoint.
pub(crate) fn object(endpoint: &Endpoint) -> EndpointObject {
    template().patch(&Values::of_endpoint(endpoint))
}

pub(crate) fn install(object: &EndpointObject, target: &Target) -> Result<Installed, LoadError> {
    load::install(object, target, &mut Timeline::default())
}

/// What is in force for an endpoint: equal before and after a change that must not have happened.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InForce {
    pub(crate) filters: Vec<Filter>,
    pub(crate) policy: Option<Vec<u8>>,
    pub(crate) verdict: Option<Vec<u8>>,
    pub(crate) calls: Option<u32>,
    pub(crate) pins: Vec<String>,
}

impl InForce {
    pub(crate) fn now(host: &Host, target: &Target) -> Self {
        let pins = target.pins();
        let map = |name: String| Map::find_pin(&pins.of(&name)).unwrap();
        let Owner::Endpoint(id) = target.owner else {
            panic!("{target:?} is no endpoint's");
        };
        let slot = u32::from(id.get()).to_ne_bytes();
        let called = |name| map(name).and_then(|map| map.lookup(&slot).unwrap());
        Self {
            filters: Hook::OF_ENDPOINT
                .into_iter()
                .flat_map(|hook| filters(&target.device, hook))
                .collect(),
            policy: called(pins.call_policy_name()),
            verdict: called(pins.verdict_name()),
            calls: map(pins.calls_name()).map(|map| map.info().unwrap().id),
            pins: host.pins(),
        }
    }
}

/// The filters of a hook; none if there is no such device.
pub(crate) fn filters(device: &str, hook: Hook) -> Vec<Filter> {
    let mut rtnl = Rtnl::open().unwrap();
    let Ok(device) = rtnl.device(device) else {
        return Vec::new();
    };
    let filters = rtnl.filters(&device, hook).unwrap();
    filters
        .into_iter()
        .filter(|filter| filter.handle != 0)
        .collect()
}

/// Opens a map of an endpoint by its pin.
pub(crate) fn map(pins: &Pins, name: &str) -> Map {
    Map::open_pin(&pins.of(name)).unwrap()
}
