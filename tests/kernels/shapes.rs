//! The shapes that a kernel's verifier is asked about, and its answer.

use std::path::Path;

use ep_builder::attach::AttachMode;
use ep_builder::builder::Builder;
use ep_builder::compile::Search;
use ep_builder::device::{DeviceFacts, DeviceKind};
use ep_builder::endpoint::{Endpoint, EndpointId, InvalidId, MacAddr, Values};
use ep_builder::load::{self, LoadError, LoadedProgram, Owner, Target};
use ep_builder::options::OPTIONS;
use ep_builder::pairwise::{Shape, shapes};
use ep_builder::patch::Template;
use ep_builder::settings::{Paths, Settings};
use ep_builder::shape::{
    EndpointConfig, Features, MapPrefix, MapSizes, NodeConfig, summary, validate,
};
use ep_builder::timeline::Timeline;

/// The default shape with maps as small as they may be: those of a node take hundreds of megabytes, and the
/// verifier does not care.
pub(crate) fn base() -> Shape {
    let node = NodeConfig {
        sizes: MapSizes {
            endpoints: 64,
            ipcache: 64,
            policy: 64,
            metrics: 256,
            events: 4096,
            fragments: 64,
            snat: 64,
            host_ports: 64,
        },
        ..NodeConfig::default()
    };
    let endpoint = EndpointConfig {
        ct_tcp: 1024,
        ct_any: 1024,
        ..EndpointConfig::default()
    };
    (node, endpoint)
}

/// The shapes at the corners: the defaults, each family alone, all that can be switched on.
pub(crate) fn few() -> Vec<Shape> {
    let family = |ipv4, ipv6| {
        let (node, endpoint) = base();
        (NodeConfig { ipv4, ipv6, ..node }, endpoint)
    };
    vec![base(), family(true, false), family(false, true), full()]
}

/// Every switch on and every level at its highest, but for those that are refused.
fn full() -> Shape {
    let (node, mut endpoint) = base();
    endpoint.features = Features {
        force_local_policy_eval_at_source: true,
        routing: true,
        arp_responder: true,
        host_redirect: true,
        local_delivery_metrics: true,
    };
    for option in OPTIONS {
        let mut more = endpoint.clone();
        let is_set = more.options.set(option.name, option.max()).is_ok();
        if is_set && validate(&node, &more).is_ok() {
            endpoint = more;
        }
    }
    (node, endpoint)
}

/// Those, each single change of the defaults, and every two values of switches together.
pub(crate) fn every() -> Vec<Shape> {
    let mut all = shapes(&base());
    let more: Vec<_> = few()
        .into_iter()
        .filter(|shape| !all.contains(shape))
        .collect();
    all.extend(more);
    all
}

/// What a shape has more (`+`) and less (`-`) than the defaults.
pub(crate) fn name(shape: &Shape) -> String {
    let defaults = base();
    let words = |shape: &Shape| summary(&shape.0, &shape.1);
    let (usual, this) = (words(&defaults), words(shape));
    let less = usual
        .iter()
        .filter(|word| !this.contains(word))
        .map(|word| format!("-{word}"));
    let more = this
        .iter()
        .filter(|word| !usual.contains(word))
        .map(|word| format!("+{word}"));
    let changes: Vec<_> = less.chain(more).collect();
    if changes.is_empty() {
        "defaults".to_owned()
    } else {
        changes.join(" ")
    }
}

/// A builder of templates of this shape. With a folder they become a bundle there.
pub(crate) fn builder(
    shape: &Shape,
    paths: &Paths,
    folder: Option<&Path>,
) -> Result<Builder, ep_builder::error::Error> {
    let settings = Settings {
        node: shape.0.clone(),
        endpoint: shape.1.clone(),
        paths: paths.clone(),
        ..Settings::default()
    };
    let search = Search::from_environment(None);
    match folder {
        Some(folder) => Builder::open_bundle(settings, search, folder),
        None => Builder::open(settings, search),
    }
}

/// Has the kernel verify every program of an endpoint made from this template. Nothing is attached.
pub(crate) fn verify(
    template: &Template,
    endpoint: &Endpoint,
    bpffs_dir: &Path,
) -> Result<Vec<LoadedProgram>, LoadError> {
    let target = Target {
        owner: Owner::Endpoint(endpoint.id),
        device: String::new(),
        mode: AttachMode::Tc,
        bpffs_dir: bpffs_dir.to_owned(),
        prefix: MapPrefix::default(),
    };
    let object = template.patch(&Values::of_endpoint(endpoint));
    let datapath = load::load_detached(&object, &target, &mut Timeline::default())?;
    let programs = datapath.programs();
    datapath.abandon();
    programs
}

/// Likewise every program of a device of the node.
pub(crate) fn verify_device(
    template: &Template,
    kind: DeviceKind,
    bpffs_dir: &Path,
) -> Result<Vec<LoadedProgram>, LoadError> {
    let facts = DeviceFacts {
        name: String::new(),
        ifindex: 1,
        mac: MacAddr([2, 0, 0, 3, 0, 1]),
        kind,
        ipv4_masquerade: Some([192, 0, 2, 1].into()),
        ipv6_masquerade: Some([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into()),
        has_ethernet: true,
    };
    let target = Target {
        owner: Owner::Device(facts.id()),
        device: String::new(),
        mode: AttachMode::Tc,
        bpffs_dir: bpffs_dir.to_owned(),
        prefix: MapPrefix::default(),
    };
    let object = template.patch(&Values::of_device(&facts));
    let datapath = load::load_detached(&object, &target, &mut Timeline::default())?;
    let programs = datapath.programs();
    datapath.abandon();
    programs
}

/// An endpoint whose facts follow from its number.
pub(crate) fn endpoint(number: u8) -> Result<Endpoint, InvalidId> {
    Ok(Endpoint {
        container_id: format!("container-{number}"),
        ifname: "eth0".into(),
        host_ifname: format!("lxc{number}"),
        host_ifindex: number.into(),
        mac: MacAddr([2, 0, 0, 1, 0, number]),
        host_mac: MacAddr([2, 0, 0, 2, 0, number]),
        ipv4: Some([10, 1, 0, number].into()),
        ipv6: Some([0xfd00, 0, 0, 0, 0, 0, 0, number.into()].into()),
        identity: 1000 + u32::from(number),
        ..Endpoint::bare(EndpointId::new(number.into())?)
    })
}
