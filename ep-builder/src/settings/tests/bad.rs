//! Bad text and its messages.

use super::parse;

/// Bad text, the place `line:column` of the mistake, and what the message must say.
const BAD: &[(&str, &str, &str)] = &[
    // Names.
    (
        "[maps]\nct_tpc = 5",
        "2:1",
        "no key `ct_tpc` in [maps]: did you mean `ct_tcp`?",
    ),
    (
        "[paths]\nstateDir = \"/x\"",
        "2:1",
        "no key `stateDir` in [paths]: did you mean `state_dir`?",
    ),
    (
        "[options]\nConntrackLocal = true",
        "2:1",
        "did you mean `conntrack_local`?",
    ),
    (
        "\n\n[map]\nct_tcp = 5",
        "3:2",
        "no table [map]: did you mean `maps`?",
    ),
    (
        "[bananas]",
        "1:2",
        "no table [bananas]: known are paths, clang, cache, policy, node, node.firewall, datapath, maps, options",
    ),
    (
        "[clang]\nbananas = 1",
        "2:1",
        "no key `bananas` in [clang]: known are path, timeout_seconds, memory_mib",
    ),
    (
        "bananas = 1",
        "1:1",
        "no key `bananas` at the top level: known are map_prefix, attach, paths, ",
    ),
    ("map_prefx = 'a'", "1:1", "did you mean `map_prefix`?"),
    (
        "\"a\\u001B[31m\" = 1",
        "1:1",
        "no key `a\u{fffd}[31m` at the top level",
    ),
    (
        "attach = \"xdp\"",
        "1:10",
        "`attach` takes \"tc\" or \"tcx\", not \"xdp\"",
    ),
    (
        "attach = true",
        "1:10",
        "`attach` takes \"tc\" or \"tcx\", not true",
    ),
    (
        "[policy]\nallow_localhost = \"never\"",
        "2:19",
        "`allow_localhost` takes \"always\" or \"policy\", not \"never\"",
    ),
    (
        "[policy]\npolicy_dir = \"/x\"",
        "2:1",
        "no key `policy_dir` in [policy]: it belongs in [paths]",
    ),
    // Keys in the wrong table.
    (
        "[datapath]\nct_any = 5",
        "2:1",
        "no key `ct_any` in [datapath]: it belongs in [maps]",
    ),
    (
        "[cache]\ntimeout_seconds = 5",
        "2:1",
        "it belongs in [clang]",
    ),
    (
        "ipv4 = true",
        "1:1",
        "no key `ipv4` at the top level: it belongs in [datapath]",
    ),
    (
        "[paths]\nmap_prefix = 'a'",
        "2:1",
        "no key `map_prefix` in [paths]: it belongs above the first table",
    ),
    ("ct-tcp = 5", "1:1", "did you mean `ct_tcp` in [maps]?"),
    (
        "[ct_tcp]",
        "1:2",
        "no table [ct_tcp]: did you mean `ct_tcp` in [maps]?",
    ),
    (
        "[maps.paths]",
        "1:7",
        "no key `paths` in [maps]: [paths] is a table of its own",
    ),
    // Types.
    (
        "paths = 3",
        "1:1",
        "`paths` is a table, not a number: write [paths]",
    ),
    (
        "[[maps]]\nct_tcp = 5",
        "1:3",
        "`maps` is a table, not a list",
    ),
    (
        "[maps]\nct_tcp = \"5\"",
        "2:10",
        "`ct_tcp` takes a whole number from 1 to 67108864, not text",
    ),
    ("[maps]\nct_tcp = 5.0", "2:10", "not a fraction"),
    ("[maps]\nct_tcp = 1979-05-27", "2:10", "not a date"),
    ("[maps]\nct_tcp = [5]", "2:10", "not a list"),
    (
        "[maps.ct_tcp]",
        "1:1",
        "`ct_tcp` takes a whole number from 1 to 67108864, not a table",
    ),
    (
        "[datapath]\nipv6 = 1",
        "2:8",
        "`ipv6` takes true or false, not a number",
    ),
    (
        "[options]\ndebug = 1",
        "2:9",
        "`debug` takes true or false, not a number",
    ),
    (
        "[options]\nmonitor_aggregation = true",
        "2:23",
        "takes a whole number from 0 to 4, not true",
    ),
    (
        "map_prefix = false",
        "1:14",
        "`map_prefix` takes text in quotes, not false",
    ),
    (
        "[paths]\nbpf_dir = 7",
        "2:11",
        "`bpf_dir` takes an absolute path in quotes, not a number",
    ),
    // Values.
    (
        "[maps]\nct_tcp = 0",
        "2:10",
        "`ct_tcp` takes a whole number from 1 to 67108864, not 0",
    ),
    ("[maps]\nct_tcp = -1", "2:10", "not -1"),
    (
        "[maps]\nct_tcp = 99999999999999999999999",
        "2:10",
        "not 99999999999999999999999",
    ),
    ("[maps]\nevents = 5000", "2:10", "a power of two from 4096"),
    (
        "[options]\nmonitor_aggregation = 5",
        "2:23",
        "a whole number from 0 to 4, not 5",
    ),
    (
        "[clang]\ntimeout_seconds = 0",
        "2:19",
        "from 1 to 3600, not 0",
    ),
    (
        "map_prefix = \"We-ir\"",
        "1:14",
        "lower-case letters, digits and '_'",
    ),
    (
        "[paths]\nstate_dir = \"run/weir\"",
        "2:13",
        "`state_dir` takes an absolute path: weir runs in",
    ),
    (
        "[paths]\nstate_dir = \"\"",
        "2:13",
        "`state_dir` takes an absolute path",
    ),
    (
        "[paths]\nstate_dir = \"/a\\u0000b\"",
        "2:13",
        "no path contains a NUL byte",
    ),
    (
        "[clang]\npath = \"clang-18\"",
        "2:8",
        "`path` takes an absolute path",
    ),
    // Lists.
    (
        "[node]\ndevices = \"eth0\"",
        "2:11",
        "`devices` takes a list of device names, each in quotes, not text",
    ),
    (
        "[node]\ndevices = [\"eth0\", 7]",
        "2:11",
        "each in quotes, not [\"eth0\", 7]",
    ),
    (
        "[node]\ndevices = [\"eth0\", \"a/b\"]",
        "2:11",
        "each in quotes, not \"a/b\"",
    ),
    (
        "[node]\nnative_cidrs = [\"10.0.0.1/8\"]",
        "2:16",
        "`native_cidrs` takes a list of networks, each in quotes as \"10.0.0.0/8\" or \"fd00::/8\", not \"10.0.0.1/8\"",
    ),
    (
        "[node]\npod_cidrs = [\"10.0.0.1\"]",
        "2:13",
        "`pod_cidrs` takes a list of networks",
    ),
    (
        "[node]\nlabels = [\"role\"]",
        "2:10",
        "`labels` takes a list of labels, each in quotes as \"role=edge\"; kubernetes.io/hostname is the node's name, not \"role\"",
    ),
    (
        "[node.firewall]\nalways_open_ingress = [\"22/tcp\", \"ssh\"]",
        "2:23",
        "`always_open_ingress` takes a list of ports, each in quotes as \"22/tcp\", \"53/udp\" or \"9/sctp\", not \"ssh\"",
    ),
    (
        "[node]\nfirewall = true",
        "2:1",
        "`node.firewall` is a table",
    ),
    ("[node.firewall]\nalways_open = []", "2:1", "always_open_"),
    // Combinations: the mark is at the last value that has a part in them.
    (
        "[datapath]\nipv4 = false\nipv6 = false\nrouting = true",
        "3:8",
        "neither IPv4 nor IPv6 is enabled",
    ),
    (
        "[options]\nnat46 = true",
        "2:9",
        "NAT46 needs service translation, which this version does not have",
    ),
    (
        "[options]\ndebug_lb = true",
        "2:12",
        "DebugLB needs service translation, which this version does not have",
    ),
    (
        "[options]\nconntrack = false",
        "2:13",
        "`conntrack_accounting` needs `conntrack`: in [options], set conntrack = true or conntrack_accounting = false",
    ),
    // Text that is no TOML.
    (
        "[maps]\nct_tcp = 1\nct_tcp = 2",
        "3:1",
        "twice: keep one of them",
    ),
    ("[maps]\nct_tcp = 1\n[clang]\n[maps]", "4:2", "twice"),
    ("[maps]\nct_tcp 5", "2:8", "no TOML"),
    ("[maps\nct_tcp = 5", "1:6", "no TOML"),
    ("map_prefix = \"weir", "1:19", "no TOML"),
    ("map_prefix = weir", "1:14", "no TOML"),
    ("[maps]\nct_tcp =", "2:9", "no TOML"),
    ("\u{0}", "1:2", "no TOML"),
];

#[test]
fn bad_input_is_refused_with_its_place_and_what_is_allowed() {
    for (text, place, part) in BAD {
        let message = parse(text).expect_err(text).to_string();
        let head = format!("/etc/weir/weir.toml:{place}: ");
        assert!(message.starts_with(&head), "{text:?} {place}: {message}");
        assert!(message.contains(part), "{text:?} {part:?}: {message}");
        let number: usize = place.split(':').next().unwrap().parse().unwrap();
        let line = text
            .lines()
            .nth(number - 1)
            .unwrap()
            .replace('\0', "\u{fffd}");
        assert!(
            message.contains(&format!("\n{number} | {line}\n")),
            "{message}"
        );
    }
}

#[test]
fn the_mark_stands_below_the_mistake() {
    let check = |text: &str, expected: &str| {
        let message = parse(text).expect_err(text).to_string();
        let (_, excerpt) = message.split_once('\n').unwrap();
        assert_eq!(excerpt, expected);
    };
    check(
        "[maps]\n\tct_tpc = 5 # ä",
        "2 |  ct_tpc = 5 # ä\n  |  ^^^^^^",
    );
    check(
        "[maps]\r\nct_tcp = 'ä'\r\n",
        "2 | ct_tcp = 'ä'\n  |          ^^^",
    );
    let long = format!("[maps]\npolicy = '{}'", "x".repeat(5_000));
    check(
        &long,
        &format!(
            "2 | policy = '{}\n  |          {}",
            "x".repeat(110),
            "^".repeat(60)
        ),
    );
    let late = format!("maps = {{ {}ct_tcp = true }}", " ".repeat(200));
    check(
        &late,
        &format!(
            "1 | {}ct_tcp = true }}\n  | {}^^^^",
            " ".repeat(51),
            " ".repeat(60)
        ),
    );
}
