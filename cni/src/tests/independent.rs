//! Against the crate `cni-plugin`, an implementation that is not ours: what we write it reads, and what it
//! refuses or loses of what runtimes send is read here. docs/decisions/0013 has the whole table; the numbers are its.

use cni_plugin::config::{NetworkConfig, RuntimeConfig};
use cni_plugin::reply::{ErrorReply, SuccessReply};
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::results::outcomes;
use super::{added, conf, read, variables};
use crate::result::Outcome;
use crate::version::Version;

/// Its view of a result of ours, against ours.
fn agrees(outcome: &Outcome, version: Version) -> Result<(), TestCaseError> {
    let written = outcome.encode(version).unwrap();
    let theirs: SuccessReply = serde_json::from_value(written)
        .map_err(|e| TestCaseError::fail(format!("{version}: {e}")))?;
    prop_assert_eq!(theirs.cni_version.to_string(), version.as_str());
    for (their, our) in theirs.interfaces.iter().zip(&outcome.interfaces) {
        prop_assert_eq!(&their.name, &our.name);
        prop_assert_eq!(
            their.mac.as_ref().unwrap().to_string().to_lowercase(),
            &*our.mac
        );
        let sandbox = our.sandbox.as_deref().unwrap_or_default();
        prop_assert_eq!(their.sandbox.to_str(), Some(sandbox));
    }
    for (their, our) in theirs.ips.iter().zip(&outcome.ips) {
        prop_assert_eq!(their.address.ip(), our.address.addr());
        prop_assert_eq!(their.address.prefix(), our.address.prefix_len());
        prop_assert_eq!(
            (their.gateway, their.interface),
            (our.gateway, our.interface)
        );
    }
    for (their, our) in theirs.routes.iter().zip(&outcome.routes) {
        prop_assert_eq!((their.dst.ip(), their.gw), (our.dst.addr(), our.gw));
    }
    let counts = (
        theirs.interfaces.len(),
        theirs.ips.len(),
        theirs.routes.len(),
    );
    let own = (
        outcome.interfaces.len(),
        outcome.ips.len(),
        outcome.routes.len(),
    );
    prop_assert_eq!(counts, own);
    let servers: Vec<_> = theirs
        .dns
        .nameservers
        .iter()
        .map(ToString::to_string)
        .collect();
    prop_assert_eq!(&servers, &outcome.dns.nameservers);
    Ok(())
}

proptest! {
    #[test]
    fn it_reads_what_we_write(outcome in outcomes()) {
        agrees(&outcome, Version::V0_4_0)?;
        agrees(&outcome, Version::V1_0_0)?;
    }
}

#[test]
fn it_reads_our_refusals_that_have_details() {
    let refusal = super::refusal(&variables("ADD"), conf(json!({"cniVersion": "9.9.9"})));
    let text = refusal.to_string();
    // It refuses every text with an escape (13), and a version has quotes around it.
    assert!(serde_json::from_str::<ErrorReply<'_>>(&text).is_err());
    let plain = text.replace("\\\"", "'");
    let theirs: ErrorReply<'_> = serde_json::from_str(&plain).unwrap();
    assert_eq!(theirs.code, 1);
}

fn it_refuses<T: DeserializeOwned>(value: &Value) {
    assert!(
        serde_json::from_value::<T>(value.clone()).is_err(),
        "{value}"
    );
}

fn own(value: &Value) -> Outcome {
    Outcome::decode(("result".to_owned(), value.clone()), Version::UNNAMED).unwrap()
}

/// 15, 16, 17: what Go plugins write.
#[test]
fn results_that_it_refuses() {
    let dns = json!({});
    let rows = [
        (
            15,
            json!({"cniVersion": "1.0.0", "dns": dns, "interfaces": [{"name": "veth0"}]}),
        ),
        (
            16,
            json!({"cniVersion": "1.0.0", "interfaces": [{"name": "veth0", "sandbox": ""}]}),
        ),
        (
            17,
            json!({"cniVersion": "0.4.0", "dns": dns, "ips": [{"address": "10.0.0.1/8", "interface": -1}]}),
        ),
        (
            17,
            json!({"cniVersion": "1.0.0", "dns": dns, "interfaces": [{"name": "ib0", "mac": "80:00:00:48:fe:80:00:00", "sandbox": ""}]}),
        ),
    ];
    for (row, result) in rows {
        it_refuses::<SuccessReply>(&result);
        let own = own(&result);
        assert_eq!(own.interfaces.len() + own.ips.len(), 1, "{row}: {result}");
    }
}

/// 17, 18: what it loses between reading and writing.
#[test]
fn results_that_it_changes() {
    let result = json!({
        "cniVersion": "1.0.0",
        "interfaces": [{"name": "eth0", "mac": "0a:58:0a:58:00:02", "sandbox": "x", "mtu": 1400, "socketPath": "s", "pciID": "p"}],
        "ips": [{"address": "10.0.0.1/8"}],
        "routes": [{"dst": "0.0.0.0/0", "mtu": 1400, "table": 7}],
        "dns": {},
    });
    let theirs: SuccessReply = serde_json::from_value(result.clone()).unwrap();
    let theirs = serde_json::to_value(&theirs).unwrap();
    let interface = &theirs["interfaces"][0];
    assert_eq!(interface["mac"], "0A:58:0A:58:00:02");
    for key in ["mtu", "socketPath", "pciID"] {
        assert!(interface[key].is_null(), "{key}");
    }
    assert!(theirs["routes"][0]["mtu"].is_null());
    let ours = own(&result).encode(Version::V1_0_0).unwrap();
    assert_eq!(ours["interfaces"], result["interfaces"]);
    assert_eq!(ours["routes"], result["routes"]);
    let old = json!({"cniVersion": "0.4.0", "ips": [{"version": "4", "address": "10.0.0.1/8"}], "dns": {}});
    let theirs: SuccessReply = serde_json::from_value(old.clone()).unwrap();
    assert!(serde_json::to_value(&theirs).unwrap()["ips"][0]["version"].is_null());
    assert_eq!(own(&old).encode(Version::V0_4_0).unwrap(), old);
}

/// 4, 5, 6: the name and the version.
#[test]
fn configurations_that_it_takes_or_refuses() {
    let named =
        |name: &str, version: &str| json!({"cniVersion": version, "name": name, "type": "t"});
    for taken in [named("../../etc", "1.0.0"), named("a", "1.99.0")] {
        assert!(
            serde_json::from_value::<NetworkConfig>(taken.clone()).is_ok(),
            "{taken}"
        );
        assert!(
            read(&variables("ADD"), taken.to_string()).is_err(),
            "{taken}"
        );
    }
    let unnamed = json!({"name": "a", "type": "t"});
    for refused in [unnamed, named("a", "")] {
        it_refuses::<NetworkConfig>(&refused);
        assert!(
            read(&variables("ADD"), refused.to_string()).is_ok(),
            "{refused}"
        );
    }
}

/// 19, 20: what containerd and podman ask for.
#[test]
fn requests_that_it_refuses_or_loses() {
    let rows = [
        json!({"portMappings": [{"HostPort": 8080, "ContainerPort": 80, "Protocol": "tcp", "HostIP": ""}]}),
        json!({"portMappings": [{"hostPort": 53, "containerPort": 53, "protocol": "sctp"}]}),
        json!({"aliases": {"net": ["a"]}}),
        json!({"mac": ""}),
    ];
    for runtime in rows {
        it_refuses::<RuntimeConfig>(&runtime);
        added(json!({"runtimeConfig": runtime}));
    }
    let bandwidth = json!({"bandwidth": {"IngressRate": 1000, "EgressRate": 2000}});
    let theirs: RuntimeConfig = serde_json::from_value(bandwidth.clone()).unwrap();
    assert_eq!(theirs.bandwidth.unwrap().ingress_rate, None);
    let ours = added(json!({"runtimeConfig": bandwidth})).conf.runtime;
    assert_eq!(ours.ingress.unwrap().rate, 1000);
}

/// 13: what Go plugins answer when they fail has no version and often no details.
#[test]
fn errors_that_it_refuses() {
    let rows = [
        r#"{"code":11,"msg":"try again later","details":""}"#,
        r#"{"cniVersion":"1.0.0","code":11,"msg":"try again later"}"#,
        r#"{"cniVersion":"1.0.0","code":11,"msg":"a \"quoted\" name","details":""}"#,
    ];
    for row in rows {
        assert!(
            serde_json::from_str::<ErrorReply<'_>>(row).is_err(),
            "{row}"
        );
    }
}
