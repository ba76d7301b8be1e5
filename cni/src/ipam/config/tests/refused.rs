//! What is refused, and that it is said where.

use super::*;

/// A configuration whose second set is this range.
fn second(range: Value) -> Value {
    let set = Value::Array(vec![range]);
    json!({"ranges": [[{"subnet": "10.0.0.0/24"}], set]})
}

#[test]
fn a_wrong_range_is_refused_by_its_name() {
    let rows: Vec<(Value, &[&str])> = vec![
        (json!({}), &["no range"]),
        (json!({"ranges": []}), &["no range"]),
        (json!({"ranges": null}), &["no range"]),
        (json!({"ranges": [[]]}), &["ipam.ranges[0]", "empty"]),
        (json!({"ranges": {}}), &["ipam.ranges", "a list"]),
        (
            json!({"ranges": [{"subnet": "10.1.0.0/24"}]}),
            &["ipam.ranges[0]", "a list"],
        ),
        (
            json!({"ranges": [["10.1.0.0/24"]]}),
            &["ipam.ranges[0][0]", "an object"],
        ),
        (json!({"subnet": 7}), &["ipam.subnet", "a string"]),
        (second(json!({})), &["ipam.ranges[1][0].subnet", "missing"]),
        (
            second(json!({"subnet": "10.1.0.0"})),
            &["ipam.ranges[1][0].subnet", "10.1.0.0\""],
        ),
        (
            second(json!({"subnet": "10.1.0.0/33"})),
            &["ipam.ranges[1][0].subnet"],
        ),
        (
            second(json!({"subnet": "10.1.0.7/24"})),
            &["ipam.ranges[1][0]", "10.1.0.7/24", "10.1.0.0/24"],
        ),
        (second(json!({"subnet": "fd00::7/64"})), &["fd00::/64"]),
        (
            second(json!({"subnet": "10.1.0.0/31"})),
            &["10.1.0.0/31", "/30"],
        ),
        (
            second(json!({"subnet": "10.1.0.0/32"})),
            &["10.1.0.0/32", "/30"],
        ),
        (
            second(json!({"subnet": "fd00::/127"})),
            &["fd00::/127", "/126"],
        ),
        (
            second(json!({"subnet": "fd00::/128"})),
            &["fd00::/128", "/126"],
        ),
    ];
    for (block, parts) in rows {
        check_refused(config(&block), parts);
    }
}

#[test]
fn ends_and_gateways_outside_are_refused_by_their_names() {
    let rows: Vec<(Value, &[&str])> = vec![
        (
            second(json!({"subnet": "10.1.0.0/24", "rangeStart": "x"})),
            &["ipam.ranges[1][0].rangeStart"],
        ),
        (
            second(json!({"subnet": "10.1.0.0/24", "rangeStart": "10.2.0.1"})),
            &["rangeStart 10.2.0.1", "10.1.0.0/24"],
        ),
        (
            second(json!({"subnet": "10.1.0.0/24", "rangeEnd": "10.2.0.1"})),
            &["rangeEnd 10.2.0.1"],
        ),
        (
            second(json!({"subnet": "10.1.0.0/24", "rangeEnd": "fd00::1"})),
            &["rangeEnd fd00::1"],
        ),
        (
            second(json!({"subnet": "10.1.0.0/24", "gateway": "10.2.0.1"})),
            &["gateway 10.2.0.1"],
        ),
        (
            second(
                json!({"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.9", "rangeEnd": "10.1.0.8"}),
            ),
            &["10.1.0.9", "10.1.0.8"],
        ),
        (
            second(json!({"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.255"})),
            &["ipam.ranges[1][0]", "starts at"],
        ),
        (
            second(
                json!({"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.255", "rangeEnd": "10.1.0.255"}),
            ),
            &["ipam.ranges[1][0]", "no pod may have"],
        ),
    ];
    for (block, parts) in rows {
        check_refused(config(&block), parts);
    }
}

#[test]
fn ranges_that_do_not_go_together_are_refused() {
    let rows: Vec<(Value, &[&str])> = vec![
        (
            json!({"ranges": [[{"subnet": "10.1.0.0/24"}, {"subnet": "fd00::/64"}]]}),
            &["ipam.ranges[0]", "IPv4 and IPv6"],
        ),
        (
            json!({"ranges": [[{"subnet": "10.1.0.0/16"}, {"subnet": "10.1.9.0/24"}]]}),
            &["ipam.ranges[0]", "overlaps"],
        ),
        (
            json!({"ranges": [[{"subnet": "10.0.0.0/24"}], [{"subnet": "10.0.0.0/16"}]]}),
            &["set 1", "10.0.0.1-10.0.0.254"],
        ),
        (
            json!({"subnet": "10.1.0.0/16", "ranges": [[{"subnet": "10.1.9.0/24"}]]}),
            &["set 1", "overlaps"],
        ),
        (
            json!({"subnet": "10.1.0.0/24", "routes": [{}]}),
            &["ipam.routes[0].dst", "missing"],
        ),
        (
            json!({"subnet": "10.1.0.0/24", "routes": [{"dst": "x"}]}),
            &["ipam.routes[0].dst"],
        ),
        (
            json!({"subnet": "10.1.0.0/24", "routes": [{"dst": "::/0", "scope": 256}]}),
            &["ipam.routes[0].scope"],
        ),
        (
            json!({"subnet": "10.1.0.0/24", "resolvConf": 1}),
            &["ipam.resolvConf"],
        ),
    ];
    for (block, parts) in rows {
        check_refused(config(&block), parts);
    }
}
