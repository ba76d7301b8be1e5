//! Writes a result as its version has it.

use serde_json::Value;

use super::Unwritable;
use super::legacy;
use super::model::{Address, Dns, Extra, Interface, Outcome, Route};
use crate::version::Version;

impl Outcome {
    /// The result on the wire. Only the two oldest versions have none for a pod without an address.
    pub(crate) fn encode(&self, version: Version) -> Result<Value, Unwritable> {
        let mut fields = if version < Version::V0_3_0 {
            legacy::encode(self, version)?
        } else {
            self.fields(version)
        };
        put(&mut fields, "cniVersion", version.as_str());
        // Up to 1.0.0 Go always wrote it, and there are decoders that insist.
        if version <= Version::V1_0_0 || self.dns != Dns::default() {
            put(&mut fields, "dns", dns(&self.dns));
        }
        Ok(Value::Object(fields))
    }

    fn fields(&self, version: Version) -> Extra {
        let mut fields = without(&self.extra, &["interfaces", "ips", "routes"]);
        list(&mut fields, "interfaces", &self.interfaces, |i| {
            interface(i, version)
        });
        list(&mut fields, "ips", &self.ips, |ip| address(ip, version));
        list(&mut fields, "routes", &self.routes, |r| route(r, version));
        fields
    }
}

fn interface(interface: &Interface, version: Version) -> Value {
    let mut fields = interface.extra.clone();
    put(&mut fields, "name", interface.name.as_str());
    if !interface.mac.is_empty() {
        put(&mut fields, "mac", interface.mac.to_ascii_lowercase());
    }
    // "Empty if on the host", says the specification; Go leaves it out then, and reads both alike.
    put(
        &mut fields,
        "sandbox",
        interface.sandbox.as_deref().unwrap_or(""),
    );
    newer(&mut fields, version, "mtu", interface.mtu);
    Value::Object(fields)
}

fn address(address: &Address, version: Version) -> Value {
    let mut fields = without(&address.extra, &["address", "gateway", "interface"]);
    if version < Version::V1_0_0 {
        let family = if address.address.addr().is_ipv4() {
            "4"
        } else {
            "6"
        };
        put(&mut fields, "version", family);
    }
    put(&mut fields, "address", address.address.to_string());
    if let Some(gateway) = address.gateway {
        put(&mut fields, "gateway", gateway.to_string());
    }
    if let Some(index) = address.interface {
        put(&mut fields, "interface", index);
    }
    Value::Object(fields)
}

/// A route, which looks the same wherever a version puts it.
pub(super) fn route(route: &Route, version: Version) -> Value {
    let mut fields = route.extra.clone();
    put(&mut fields, "dst", route.dst.to_string());
    if let Some(gw) = route.gw {
        put(&mut fields, "gw", gw.to_string());
    }
    newer(&mut fields, version, "mtu", route.mtu);
    newer(&mut fields, version, "advmss", route.advmss);
    newer(&mut fields, version, "priority", route.priority);
    newer(&mut fields, version, "table", route.table);
    newer(&mut fields, version, "scope", route.scope);
    Value::Object(fields)
}

fn dns(dns: &Dns) -> Value {
    let mut fields = dns.extra.clone();
    let lists = [
        ("nameservers", &dns.nameservers),
        ("search", &dns.search),
        ("options", &dns.options),
    ];
    for (key, texts) in lists {
        list(&mut fields, key, texts, |text| text.as_str().into());
    }
    if !dns.domain.is_empty() {
        put(&mut fields, "domain", dns.domain.as_str());
    }
    Value::Object(fields)
}

/// A list that is left out when it is empty.
pub(super) fn list<T>(fields: &mut Extra, key: &str, entries: &[T], write: impl Fn(&T) -> Value) {
    if !entries.is_empty() {
        put(fields, key, entries.iter().map(write).collect::<Vec<_>>());
    }
}

/// A field that 1.1.0 brought.
fn newer(fields: &mut Extra, version: Version, key: &str, value: Option<impl Into<Value>>) {
    if version < Version::V1_1_0 {
        return;
    }
    *fields = without(fields, &[key]);
    if let Some(value) = value {
        put(fields, key, value);
    }
}

/// Unknown fields, without those that this version knows after all: another one may have let them pass.
pub(super) fn without(extra: &Extra, keys: &[&str]) -> Extra {
    let is_known = |field: &str| keys.iter().any(|key| key.eq_ignore_ascii_case(field));
    let unknown = extra.iter().filter(|(field, _)| !is_known(field));
    unknown
        .map(|(field, value)| (field.clone(), value.clone()))
        .collect()
}

/// Sets a field.
pub(super) fn put(fields: &mut Extra, key: &str, value: impl Into<Value>) {
    fields.insert(key.to_owned(), value.into());
}
