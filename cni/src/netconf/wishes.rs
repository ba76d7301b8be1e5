//! What is asked for one pod, and in which of three places: `runtimeConfig` by the runtime's own means,
//! `args.cni` by the conventions, `CNI_ARGS` by the old ones.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ep_builder::endpoint::MacAddr;
use ep_builder::policy::NamedPort;
use serde_json::Value;

use super::ports::named_ports;
use crate::document::{Fault, Object, Placed, parse, text};

const IP: &str = "it must be an IP address, with or without the length of a prefix";
const MAC: &str = "it must be six pairs of hex digits joined by ':'";

/// What is asked for one pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wishes {
    /// The addresses it must get.
    pub(crate) ips: Vec<WishedIp>,
    /// The address of its link.
    pub(crate) mac: Option<MacAddr>,
    /// Labels of `args.cni.labels`.
    pub(crate) labels: BTreeMap<String, String>,
    /// The names of its ports, of `args.cni.ports`.
    pub(crate) ports: Vec<NamedPort>,
}

/// An address somebody asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct WishedIp {
    /// The address.
    pub(crate) address: IpAddr,
    /// The length of the prefix, where one was named.
    pub(crate) prefix: Option<u8>,
}

/// `CNI_ARGS`, read without ever failing: runtimes and people put anything there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Arguments(BTreeMap<String, String>);

impl Arguments {
    /// Splits the text at `;` and each pair at its first `=`. What is no pair is nobody's argument.
    pub(crate) fn parse(text: &str) -> Self {
        let pairs = text.split(';').filter_map(|pair| pair.split_once('='));
        Self(
            pairs
                .map(|(key, value)| (key.trim().to_owned(), value.to_owned()))
                .collect(),
        )
    }

    /// An argument that says something.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        let value = self.0.get(key)?;
        (!value.is_empty()).then_some(value)
    }
}

impl Wishes {
    /// Takes what stands in the document. The addresses of both places are joined; the MAC of
    /// `runtimeConfig` counts first.
    pub(super) fn read(args: &mut Object, runtime: &mut Object) -> Result<Self, Fault> {
        let mut cni = args.object("cni")?.unwrap_or_default();
        let mut ips = ips(&mut cni)?;
        for ip in self::ips(runtime)? {
            if !ips.contains(&ip) {
                ips.push(ip);
            }
        }
        Ok(Self {
            ips,
            mac: mac(runtime)?.or(mac(&mut cni)?),
            labels: labels(&mut cni)?,
            ports: ports(&mut cni)?,
        })
    }

    /// Asks `CNI_ARGS` for what the document does not name: a bad argument that nobody needs harms nobody.
    pub(crate) fn complete_from(&mut self, arguments: &Arguments) -> Result<(), Fault> {
        let placed = |key, text: &str| (format!("{key} in CNI_ARGS"), text.to_owned());
        if self.ips.is_empty() {
            let ips = arguments.get("IP").unwrap_or_default().split(',');
            let named = ips.filter(|ip| !ip.is_empty());
            let wished = named.map(|ip| wished_ip(placed("IP", ip)));
            self.ips = wished.collect::<Result<_, _>>()?;
        }
        if let (None, Some(mac)) = (self.mac, arguments.get("MAC")) {
            self.mac = Some(parse(placed("MAC", mac), MAC)?);
        }
        Ok(())
    }
}

fn ips(object: &mut Object) -> Result<Vec<WishedIp>, Fault> {
    let entries = object.list("ips")?.into_iter();
    let texts = entries.map(|(place, value)| Ok((place.clone(), text((place, value))?)));
    let texts: Vec<(String, String)> = texts.collect::<Result<_, Fault>>()?;
    let named = texts.into_iter().filter(|(_, text)| !text.is_empty());
    named.map(wished_ip).collect()
}

fn wished_ip((place, text): (String, String)) -> Result<WishedIp, Fault> {
    let (address, prefix) = match text.split_once('/') {
        Some(_) => {
            let net: ipnet::IpNet = parse((place, text), IP)?;
            (net.addr(), Some(net.prefix_len()))
        }
        None => (parse((place, text), IP)?, None),
    };
    Ok(WishedIp { address, prefix })
}

fn mac(object: &mut Object) -> Result<Option<MacAddr>, Fault> {
    object.parsed("mac", MAC)
}

fn ports(object: &mut Object) -> Result<Vec<NamedPort>, Fault> {
    let place = object.place("ports");
    let ports = object.take("ports");
    ports.map_or(Ok(Vec::new()), |ports| named_ports((place, ports)))
}

/// Pairs of `key` and `value` by the conventions; a plain object says the same.
fn labels(object: &mut Object) -> Result<BTreeMap<String, String>, Fault> {
    let place = object.place("labels");
    match object.take("labels") {
        None => Ok(BTreeMap::new()),
        Some(value @ Value::Object(_)) => Object::new((place, value))?.into_texts(),
        Some(list) => crate::document::list((place, list))?
            .into_iter()
            .map(label)
            .collect(),
    }
}

fn label(pair: Placed) -> Result<(String, String), Fault> {
    let mut pair = Object::new(pair)?;
    let missing = Fault::Missing {
        place: pair.place("key"),
        advice: "a label has a key and a value",
    };
    let key = pair
        .text("key")?
        .filter(|key| !key.is_empty())
        .ok_or(missing)?;
    Ok((key, pair.text("value")?.unwrap_or_default()))
}
