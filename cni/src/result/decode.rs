//! Reads the result of another plugin, or of our own earlier ADD, in any version.

use super::legacy;
use super::model::{Address, Dns, Interface, Outcome, Route};
use crate::document::{Fault, Object, Placed};
use crate::version::Version;

/// What an address must look like.
pub(super) const CIDR: &str = "it must be an address with the length of its prefix, as 10.0.0.2/24";
/// What a gateway must look like.
pub(super) const IP: &str = "it must be an IP address";

impl Outcome {
    /// Reads a result. One that names no version has that of the configuration it came with; libcni's own
    /// delegates may leave it out.
    pub(crate) fn decode(result: Placed, otherwise: Version) -> Result<Self, Fault> {
        let mut object = Object::new(result)?;
        let version = match object.text("cniVersion")?.filter(|text| !text.is_empty()) {
            None => otherwise,
            Some(text) => Version::named(&text).map_err(|_| {
                let rule = format!("the versions known are {}", Version::list());
                Fault::value(&object.place("cniVersion"), format_args!("{text:?}"), rule)
            })?,
        };
        if version < Version::V0_3_0 {
            return legacy::decode(object);
        }
        let interfaces = entries(&mut object, "interfaces", |o| interface(o, version))?;
        let mut ips = entries(&mut object, "ips", |o| address(o, version))?;
        for ip in &mut ips {
            // An index past the end stops containerd with a panic: it is not handed on.
            ip.interface = ip.interface.filter(|index| *index < interfaces.len());
        }
        Ok(Self {
            ips,
            routes: entries(&mut object, "routes", |o| route(o, version))?,
            dns: object
                .object("dns")?
                .map(dns)
                .transpose()?
                .unwrap_or_default(),
            interfaces,
            extra: object.rest(),
        })
    }
}

/// The entries of a list of objects.
pub(super) fn entries<T>(
    object: &mut Object,
    key: &str,
    read: impl Fn(Object) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    let list = object.list(key)?.into_iter();
    list.map(|placed| read(Object::new(placed)?)).collect()
}

fn interface(mut object: Object, version: Version) -> Result<Interface, Fault> {
    Ok(Interface {
        name: object.text("name")?.unwrap_or_default(),
        mac: object.text("mac")?.unwrap_or_default().to_ascii_lowercase(),
        sandbox: object.text("sandbox")?.filter(|path| !path.is_empty()),
        mtu: newer(&mut object, version, "mtu")?.filter(|mtu| *mtu > 0),
        extra: object.rest(),
    })
}

fn address(mut object: Object, version: Version) -> Result<Address, Fault> {
    if version < Version::V1_0_0 {
        // The family stands in the address too, and that one is used.
        object.take("version");
    }
    // Old plugins write -1 for "none".
    let index = object.number::<i64>("interface")?;
    Ok(Address {
        address: required(&mut object, "address", CIDR)?,
        gateway: object.parsed("gateway", IP)?,
        interface: index.and_then(|index| usize::try_from(index).ok()),
        extra: object.rest(),
    })
}

/// A route; the oldest versions have the same in other places.
pub(super) fn route(mut object: Object, version: Version) -> Result<Route, Fault> {
    Ok(Route {
        dst: required(&mut object, "dst", CIDR)?,
        gw: object.parsed("gw", IP)?,
        mtu: newer(&mut object, version, "mtu")?.filter(|mtu| *mtu > 0),
        advmss: newer(&mut object, version, "advmss")?.filter(|size| *size > 0),
        priority: newer(&mut object, version, "priority")?.filter(|metric| *metric > 0),
        table: newer(&mut object, version, "table")?,
        scope: newer(&mut object, version, "scope")?,
        extra: object.rest(),
    })
}

/// The resolver's configuration, in a result or in a network configuration.
pub(crate) fn dns(mut object: Object) -> Result<Dns, Fault> {
    Ok(Dns {
        nameservers: object.texts("nameservers")?,
        domain: object.text("domain")?.unwrap_or_default(),
        search: object.texts("search")?,
        options: object.texts("options")?,
        extra: object.rest(),
    })
}

/// An address with its prefix, or a destination.
pub(super) fn required<T: std::str::FromStr>(
    object: &mut Object,
    key: &str,
    rule: &'static str,
) -> Result<T, Fault> {
    let missing = Fault::Missing {
        place: object.place(key),
        advice: rule,
    };
    object.parsed(key, rule)?.ok_or(missing)
}

/// A field of 1.1.0. Plugins of today write it into older results too: it is used where it means something
/// and stays with the unknown ones, so that it goes out again as it came.
fn newer<T: TryFrom<i128>>(
    object: &mut Object,
    version: Version,
    key: &str,
) -> Result<Option<T>, Fault> {
    if version >= Version::V1_1_0 {
        return object.number(key);
    }
    Ok(object.peek_number(key))
}
