//! The network configuration: what the administrator wrote and what the runtime put into it.
//!
//! Each command reads what it uses and nothing else: a key that only ADD needs cannot make DEL fail.

pub(crate) mod mappings;
mod ports;
mod raw;
pub(crate) mod runtime;
mod valid;
mod wishes;

use std::path::PathBuf;

pub(crate) use ports::named_ports;
pub(crate) use raw::{Document, Unreadable};
pub(crate) use runtime::RuntimeConfig;
pub(crate) use valid::Valid;
pub(crate) use wishes::{Arguments, WishedIp, Wishes};

use crate::document::{Fault, Object};
use crate::names::{InvalidName, NetworkName};
use crate::result::{Dns, Extra, Outcome, dns};
use crate::version::Version;

/// What a link's MTU may be: IPv4's least, and the largest the kernel gives a pair.
const MTU: std::ops::RangeInclusive<u32> = 68..=65_535;

/// A configuration that does not say what it must.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConfigError {
    /// A key is missing, of the wrong type or without meaning.
    #[error("the network configuration cannot be used")]
    Fault(#[from] Fault),
    /// The network's name.
    #[error("the network configuration cannot be used")]
    Name(#[from] InvalidName),
}

/// What every command uses.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Common {
    /// stdin as it came: delegates get these bytes.
    pub(crate) raw: Vec<u8>,
    /// The version all answers are in.
    pub(crate) version: Version,
    /// The network.
    pub(crate) network: NetworkName,
    /// Where `weir.toml` is, if somewhere of its own.
    pub(crate) settings: Option<PathBuf>,
    /// Who gives addresses; none for a pod without any.
    pub(crate) ipam: Option<Ipam>,
}

/// `ipam`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ipam {
    /// Its `type`: the name of a plugin, never a path.
    pub(crate) kind: String,
    /// The whole block, `type` included, with its keys as they came.
    pub(crate) block: Extra,
}

/// What ADD uses, and those that ask about an ADD.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NetConf {
    /// What every command uses.
    pub(crate) common: Common,
    /// The MTU; none means that of the default route's link.
    pub(crate) mtu: Option<u32>,
    /// Whether what leaves the node leaves with the node's address.
    pub(crate) ip_masq: bool,
    /// The administrator's resolver.
    pub(crate) dns: Dns,
    /// What is asked for this pod's link.
    pub(crate) wishes: Wishes,
    /// What else the runtime asks for this pod.
    pub(crate) runtime: RuntimeConfig,
    /// The result of the plugins before us, or that of the whole chain.
    pub(crate) prev_result: Option<Outcome>,
}

impl Common {
    /// Reads what every command uses.
    pub(crate) fn read(document: &mut Document, version: Version) -> Result<Self, ConfigError> {
        let object = &mut document.object;
        Ok(Self {
            version,
            network: network(object)?,
            settings: settings(object)?,
            ipam: ipam(object)?,
            raw: std::mem::take(&mut document.raw),
        })
    }

    /// The same for DEL: what was edited since ADD, and is broken now, must not keep a pod from going.
    pub(crate) fn forgiving(
        document: &mut Document,
        version: Version,
    ) -> Result<Self, ConfigError> {
        let object = &mut document.object;
        Ok(Self {
            version,
            network: network(object)?,
            settings: settings(object).unwrap_or_default(),
            ipam: ipam(object).unwrap_or_default(),
            raw: std::mem::take(&mut document.raw),
        })
    }
}

impl NetConf {
    /// Reads everything.
    pub(crate) fn read(document: &mut Document, version: Version) -> Result<Self, ConfigError> {
        let common = Common::read(document, version)?;
        let object = &mut document.object;
        let mut args = object.object("args")?.unwrap_or_default();
        let mut runtime = object.object("runtimeConfig")?.unwrap_or_default();
        let prev_result = object.take("prevResult");
        let prev_result =
            prev_result.map(|value| Outcome::decode(("prevResult".to_owned(), value), version));
        Ok(Self {
            common,
            mtu: mtu(object)?,
            ip_masq: object.flag("ipMasq")?.unwrap_or(false),
            dns: object
                .object("dns")?
                .map(dns)
                .transpose()?
                .unwrap_or_default(),
            wishes: Wishes::read(&mut args, &mut runtime)?,
            runtime: RuntimeConfig::read(&mut runtime)?,
            prev_result: prev_result.transpose()?,
        })
    }
}

impl Valid {
    /// Reads what GC is told to keep.
    pub(crate) fn of(document: &mut Document) -> Result<Self, ConfigError> {
        Ok(Self::read(&mut document.object)?)
    }
}

fn network(object: &mut Object) -> Result<NetworkName, ConfigError> {
    let name = object.text("name")?.filter(|name| !name.is_empty());
    let name = name.ok_or(Fault::Missing {
        place: "name".to_owned(),
        advice: "a network configuration needs a name",
    })?;
    Ok(NetworkName::new(&name)?)
}

fn settings(object: &mut Object) -> Result<Option<PathBuf>, Fault> {
    let Some(path) = object.text("config")?.filter(|path| !path.is_empty()) else {
        return Ok(None);
    };
    if path.starts_with('/') && !path.contains('\0') {
        return Ok(Some(PathBuf::from(path)));
    }
    let shown = format_args!("{path:?}");
    Err(Fault::value(
        "config",
        shown,
        "it must be the absolute path of weir.toml",
    ))
}

/// The block, unless it asks for nothing: `{}`, null and an empty type are how "no addresses" is written.
fn ipam(object: &mut Object) -> Result<Option<Ipam>, Fault> {
    let Some(block) = object.object("ipam")? else {
        return Ok(None);
    };
    let mut own = block.clone();
    let block = block.rest();
    let kind = match own.text("type")? {
        Some(kind) if kind.is_empty() => return Ok(None),
        None if block.is_empty() => return Ok(None),
        None => {
            return Err(Fault::Missing {
                place: "ipam.type".to_owned(),
                advice: "set it to \"weir\" or to the name of an IPAM plugin",
            });
        }
        Some(kind) => kind,
    };
    if kind.contains(['/', '\0']) || kind == "." || kind == ".." {
        let shown = format_args!("{kind:?}");
        let rule = "it must be the name of a plugin and no path";
        return Err(Fault::value("ipam.type", shown, rule));
    }
    Ok(Some(Ipam { kind, block }))
}

fn mtu(object: &mut Object) -> Result<Option<u32>, Fault> {
    let Some(mtu) = object.number::<i64>("mtu")?.filter(|mtu| *mtu != 0) else {
        return Ok(None);
    };
    let fitting = u32::try_from(mtu).ok().filter(|mtu| MTU.contains(mtu));
    let rule = format!(
        "it must be 0, for the MTU of the default route's link, or {} to {}",
        MTU.start(),
        MTU.end()
    );
    fitting
        .map(Some)
        .ok_or_else(|| Fault::value("mtu", mtu, rule))
}
