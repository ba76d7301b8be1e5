mod refused;

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn ipam(block: &Value) -> Ipam {
    Ipam {
        kind: "weir".to_owned(),
        block: block.as_object().unwrap().clone(),
    }
}

fn ips(texts: &[&str]) -> BTreeSet<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// What a test says beside the block.
#[derive(Default)]
struct Beside<'a> {
    ranges: Option<Value>,
    wished: &'a [&'a str],
    reserved: &'a [&'a str],
    version: Option<Version>,
}

fn read_with(block: &Value, beside: &Beside<'_>) -> Result<Config, ConfigError> {
    let reserved: Vec<_> = ips(beside.reserved).into_iter().collect();
    read(Sources {
        version: beside.version.unwrap_or(Version::V1_0_0),
        ipam: &ipam(block),
        ip_ranges: beside.ranges.as_ref(),
        wished: ips(beside.wished),
        reserved: &reserved,
    })
}

fn config(block: &Value) -> Result<Config, ConfigError> {
    read_with(block, &Beside::default())
}

/// The sets as texts, the gateway of each range behind it.
fn shown(config: &Config) -> Vec<String> {
    let sets = config.pools.iter().map(|pool| {
        let ranges = pool.set.ranges().iter();
        let texts: Vec<_> = ranges
            .map(|range| format!("{range} via {}", range.gateway()))
            .collect();
        texts.join(", ")
    });
    sets.collect()
}

fn check(block: &Value, expected: &[&str]) {
    match config(block) {
        Ok(config) => assert_eq!(shown(&config), expected, "{block}"),
        Err(error) => panic!("{block}: {error}"),
    }
}

fn check_refused(result: Result<Config, ConfigError>, parts: &[&str]) {
    let text = result.unwrap_err().to_string();
    for part in parts {
        assert!(text.contains(part), "{text:?} lacks {part:?}");
    }
    assert!(!text.contains("not found"), "{text}");
}

#[test]
fn ranges_of_every_style_are_read_with_their_defaults() {
    let v4 = "10.88.0.1-10.88.255.254 via 10.88.0.1";
    let v6 = "fd88::1-fd88::ffff:ffff:ffff:ffff via fd88::1";
    let rows = [
        (json!({"ranges": [[{"subnet": "10.88.0.0/16"}]]}), vec![v4]),
        (json!({"subnet": "10.88.0.0/16"}), vec![v4]),
        (
            json!({"subnet": "10.88.0.0/16", "ranges": [[{"subnet": "fd88::/64"}]]}),
            vec![v4, v6],
        ),
        (
            json!({"ranges": [[{"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.20", "rangeEnd": "10.1.0.50",
                                "gateway": "10.1.0.254"}]]}),
            vec!["10.1.0.20-10.1.0.50 via 10.1.0.254"],
        ),
        (
            json!({"ranges": [[{"subnet": "10.1.0.0/24"}, {"subnet": "10.2.0.0/24"}]]}),
            vec!["10.1.0.1-10.1.0.254 via 10.1.0.1, 10.2.0.1-10.2.0.254 via 10.2.0.1"],
        ),
        // As Go reads it: keys in any case, null and "" for nothing.
        (
            json!({"Ranges": [[{"SUBNET": "10.88.0.0/16", "rangestart": null, "Gateway": ""}, null]], "routes": null,
                   "dataDir": null, "subnet": null, "resolvConf": ""}),
            vec![v4],
        ),
        // Neither the network nor the broadcast address is a pod's, whatever the ends say.
        (
            json!({"subnet": "10.1.0.0/29", "rangeStart": "10.1.0.0", "rangeEnd": "10.1.0.7"}),
            vec!["10.1.0.1-10.1.0.6 via 10.1.0.1"],
        ),
        (
            json!({"subnet": "fd00::/126", "rangeStart": "fd00::"}),
            vec!["fd00::1-fd00::3 via fd00::1"],
        ),
        (
            json!({"subnet": "10.1.0.0/30"}),
            vec!["10.1.0.1-10.1.0.2 via 10.1.0.1"],
        ),
        // Two parts of one network, as two addresses for a pod.
        (
            json!({"ranges": [[{"subnet": "10.1.0.0/24", "rangeEnd": "10.1.0.99"}],
                              [{"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.100"}]]}),
            vec![
                "10.1.0.1-10.1.0.99 via 10.1.0.1",
                "10.1.0.100-10.1.0.254 via 10.1.0.1",
            ],
        ),
    ];
    for (block, expected) in rows {
        check(&block, &expected);
    }
}

#[test]
fn ranges_of_the_runtime_come_first() {
    let beside = Beside {
        ranges: Some(json!([[{"subnet": "10.9.0.0/24"}]])),
        ..Beside::default()
    };
    let config = read_with(&json!({"subnet": "10.88.0.0/16"}), &beside).unwrap();
    assert_eq!(
        shown(&config),
        [
            "10.9.0.1-10.9.0.254 via 10.9.0.1",
            "10.88.0.1-10.88.255.254 via 10.88.0.1"
        ]
    );
    let alone = Beside {
        ranges: Some(Value::Null),
        ..Beside::default()
    };
    check_refused(read_with(&json!({}), &alone), &["no range", "\"ranges\""]);
}

#[test]
fn old_versions_have_one_address_of_each_family() {
    let two = json!({"ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "10.2.0.0/24"}]]});
    let dual = json!({"ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00::/64"}]]});
    for version in Version::ALL {
        let beside = Beside {
            version: Some(version),
            ..Beside::default()
        };
        assert!(read_with(&dual, &beside).is_ok(), "{version}");
        let is_new = version >= Version::V0_3_0;
        assert_eq!(read_with(&two, &beside).is_ok(), is_new, "{version}");
    }
}

#[test]
fn routes_are_read_whole() {
    let block = json!({"subnet": "10.1.0.0/24", "routes": [
        {"dst": "0.0.0.0/0"}, null,
        {"DST": "10.9.9.9/8", "gw": "10.1.0.7", "mtu": 1400, "advmss": 1360, "priority": 5, "table": 100, "scope": 253,
         "later": true},
        {"dst": "::/0", "gw": "", "mtu": null},
    ]});
    let routes = config(&block).unwrap().routes;
    let net = |text: &str| text.parse::<ipnet::IpNet>().unwrap();
    assert_eq!(routes[0], Route::new(net("0.0.0.0/0"), None));
    let gw = Some("10.1.0.7".parse().unwrap());
    let expected = Route {
        mtu: Some(1400),
        advmss: Some(1360),
        priority: Some(5),
        table: Some(100),
        scope: Some(253),
        extra: json!({"later": true}).as_object().unwrap().clone(),
        ..Route::new(net("10.0.0.0/8"), gw)
    };
    assert_eq!(routes[1], expected);
    assert_eq!(routes[2], Route::new(net("::/0"), None));
    assert_eq!(routes.len(), 3);
}

#[test]
fn requested_addresses_each_find_their_set_or_are_refused() {
    let block = json!({"ranges": [[{"subnet": "10.1.0.0/24"}, {"subnet": "10.2.0.0/24"}], [{"subnet": "fd00::/64"}]]});
    let ask = |wished: &[&str]| {
        let beside = Beside {
            wished,
            reserved: &["10.1.0.77"],
            ..Beside::default()
        };
        let config = read_with(&block, &beside)?;
        let texts = config.pools.iter().map(|pool| {
            let requested = pool.requested;
            requested.map_or_else(|| "any".to_owned(), |address| address.to_string())
        });
        Ok::<_, ConfigError>(texts.collect::<Vec<_>>().join(" "))
    };
    let rows = [
        (&[][..], "any any"),
        (&["10.1.0.9"], "10.1.0.9 any"),
        (&["10.2.0.9"], "10.2.0.9 any"),
        (&["fd00::9"], "any fd00::9"),
        (&["fd00::9", "10.2.0.254"], "10.2.0.254 fd00::9"),
    ];
    for (wished, expected) in rows {
        assert_eq!(ask(wished).unwrap(), expected, "{wished:?}");
    }
    for (wished, part) in [
        (&["10.3.0.1"][..], "10.3.0.1"),
        // A second one of the same set is left over.
        (&["10.1.0.9", "10.2.0.9"], "10.2.0.9"),
        (&["10.1.0.0"], "no set of ranges"),
        (&["10.1.0.255"], "no set of ranges"),
        (&["10.1.0.1"], "gateway"),
        (&["10.1.0.77"], "for the node"),
    ] {
        let text = ask(wished).unwrap_err().to_string();
        assert!(text.contains(part), "{wished:?}: {text}");
    }
}

#[test]
fn data_lies_where_the_block_says() {
    let state = Path::new("/run/weir/state");
    let place = |value: Value| data_dir(&ipam(&json!({"dataDir": value})), state);
    let usual = PathBuf::from("/run/weir/state/ipam");
    assert_eq!(
        place(json!("/var/lib/cni/networks")),
        Ok(PathBuf::from("/var/lib/cni/networks"))
    );
    assert_eq!(place(Value::Null), Ok(usual.clone()));
    assert_eq!(place(json!("")), Ok(usual));
    for bad in [json!("networks"), json!("../x"), json!(7), json!("/a\0b")] {
        let text = place(bad).unwrap_err().to_string();
        assert!(text.contains("ipam.dataDir"), "{text}");
    }
}

proptest! {
    /// A round meets every number of the set once, what was given out last at the end.
    #[test]
    fn a_round_is_everything_once(
        sizes in proptest::collection::vec(1_u8..20, 1..5),
        pick in any::<prop::sample::Index>(),
        has_last in any::<bool>(),
    ) {
        let ranges = sizes.iter().enumerate().map(|(index, size)| json!({
            "subnet": format!("10.{index}.0.0/24"),
            "rangeStart": format!("10.{index}.0.10"),
            "rangeEnd": format!("10.{index}.0.{}", 9 + size),
        }));
        let config = config(&json!({"ranges": [ranges.collect::<Vec<_>>()]})).unwrap();
        let set = &config.pools[0].set;
        let all: Vec<u128> = set.ranges().iter().flat_map(|r| r.first()..=r.last()).collect();
        let last = has_last.then(|| *pick.get(&all));
        let round: Vec<u128> = set.round_from(last).into_iter().flat_map(|(a, b)| a..=b).collect();
        prop_assert_eq!(round.len(), all.len());
        if let Some(last) = last {
            prop_assert_eq!(round.last(), Some(&last));
            let place = all.iter().position(|n| *n == last).unwrap();
            prop_assert_eq!(round[0], all[(place + 1) % all.len()]);
        } else {
            prop_assert_eq!(round[0], all[0]);
        }
        let unique: BTreeSet<_> = round.into_iter().collect();
        prop_assert_eq!(unique, all.into_iter().collect::<BTreeSet<_>>());
    }

    /// Numbers are addresses in another form, in the same order.
    #[test]
    fn an_address_survives_its_number(bits in any::<u128>(), low in any::<u32>()) {
        let v6 = IpAddr::from(std::net::Ipv6Addr::from_bits(bits)).to_canonical();
        let v4 = IpAddr::from(std::net::Ipv4Addr::from_bits(low));
        prop_assert_eq!(address(number(v6)), v6);
        prop_assert_eq!(address(number(v4)), v4);
    }
}
