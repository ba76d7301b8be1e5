//! The results of 0.1.0 and 0.2.0: one address of each family, with its routes beside it.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;

use super::Unwritable;
use super::decode::{CIDR, IP, dns, entries, required, route};
use super::encode::{self, put, without};
use super::model::{Address, Extra, Outcome, Route};
use crate::document::{Fault, Object};
use crate::version::Version;

/// The keys of the two families.
const FAMILIES: [(&str, bool); 2] = [("ip4", true), ("ip6", false)];

/// Reads one.
pub(super) fn decode(mut object: Object) -> Result<Outcome, Fault> {
    let mut outcome = Outcome::default();
    for (key, is_four) in FAMILIES {
        let Some(mut family) = object.object(key)? else {
            continue;
        };
        let place = family.place("ip");
        let address: IpNet = required(&mut family, "ip", CIDR)?;
        if is_ipv4(address) != is_four {
            return Err(Fault::value(&place, address, "it is of the other family"));
        }
        let gateway: Option<IpAddr> = family.parsed("gateway", IP)?;
        let routes = entries(&mut family, "routes", |o| route(o, Version::V0_2_0))?;
        outcome.routes.extend(routes);
        outcome.ips.push(Address {
            address,
            gateway,
            interface: None,
            extra: family.rest(),
        });
    }
    outcome.dns = object
        .object("dns")?
        .map(dns)
        .transpose()?
        .unwrap_or_default();
    outcome.extra = object.rest();
    Ok(outcome)
}

/// Writes one: of each family the first address, as libcni does, and all its routes.
pub(super) fn encode(outcome: &Outcome, version: Version) -> Result<Extra, Unwritable> {
    let mut fields = without(&outcome.extra, &["ip4", "ip6"]);
    let mut written = false;
    for (key, is_four) in FAMILIES {
        let mut of_family = outcome
            .ips
            .iter()
            .filter(|ip| is_ipv4(ip.address) == is_four);
        let Some(first) = of_family.next() else {
            continue;
        };
        let routes = outcome
            .routes
            .iter()
            .filter(|route| is_ipv4(route.dst) == is_four);
        let routes: Vec<Route> = routes.cloned().collect();
        put(&mut fields, key, family(first, &routes, version));
        written = true;
    }
    if !written {
        return Err(Unwritable(version));
    }
    Ok(fields)
}

fn family(address: &Address, routes: &[Route], version: Version) -> Value {
    let mut fields = without(&address.extra, &["ip", "gateway", "routes"]);
    put(&mut fields, "ip", address.address.to_string());
    if let Some(gateway) = address.gateway {
        put(&mut fields, "gateway", gateway.to_string());
    }
    encode::list(&mut fields, "routes", routes, |r| encode::route(r, version));
    Value::Object(fields)
}

fn is_ipv4(net: IpNet) -> bool {
    net.addr().is_ipv4()
}
