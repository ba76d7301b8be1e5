//! W1, W2, W4, W8: the variables and the arguments.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use serde_json::json;

use super::*;

/// Which command cannot do without which variable: section 2 of the specification.
const REQUIRED: [(&str, &[&str]); 5] = [
    ("ADD", &["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"]),
    ("DEL", &["CNI_CONTAINERID", "CNI_IFNAME"]),
    ("CHECK", &["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"]),
    ("STATUS", &[]),
    ("GC", &["CNI_PATH"]),
];

const OTHERS: [&str; 5] = [
    "CNI_CONTAINERID",
    "CNI_NETNS",
    "CNI_IFNAME",
    "CNI_ARGS",
    "CNI_PATH",
];

fn stdin() -> String {
    conf(json!({"prevResult": {"cniVersion": "1.1.0"}}))
}

#[test]
fn w1_each_command_needs_its_variables_and_empty_is_unset() {
    for (command, required) in REQUIRED {
        assert!(read(&variables(command), stdin()).is_ok(), "{command}");
        for name in OTHERS {
            let mut unset = variables(command);
            unset.retain(|(own, _)| *own != name);
            let mut empty = unset.clone();
            empty.push((name, ""));
            for variables in [unset, empty] {
                if !required.contains(&name) {
                    assert!(
                        read(&variables, stdin()).is_ok(),
                        "{command} without {name}"
                    );
                    continue;
                }
                let error = refusal(&variables, stdin());
                assert_eq!(error["code"], 4, "{command} without {name}");
                let text = error["msg"].as_str().unwrap();
                assert!(text.contains(&format!("[{name}]")), "{text}");
            }
        }
    }
}

#[test]
fn w1_all_missing_variables_are_named_at_once() {
    for (command, required) in REQUIRED
        .into_iter()
        .filter(|(_, required)| !required.is_empty())
    {
        let error = refusal(&[("CNI_COMMAND", command)], stdin());
        assert_eq!(
            (&error["code"], &error["cniVersion"]),
            (&json!(4), &json!("1.1.0"))
        );
        let text = error["msg"].as_str().unwrap();
        assert!(
            text.contains(&format!("[{}]", required.join(","))),
            "{text}"
        );
    }
}

#[test]
fn w2_bad_names_are_refused_where_they_are_used_and_only_there() {
    let bad = [
        ("CNI_CONTAINERID", "../../etc"),
        ("CNI_CONTAINERID", "-x"),
        ("CNI_CONTAINERID", "a b"),
        ("CNI_IFNAME", "a/b"),
        ("CNI_IFNAME", ".."),
        ("CNI_IFNAME", "sixteen_bytes_xx"),
        ("CNI_IFNAME", "a\u{2003}b"),
    ];
    for (name, value) in bad {
        for (command, required) in REQUIRED {
            let mut variables = variables(command);
            variables.push((name, value));
            if required.contains(&name) {
                let error = refusal(&variables, stdin());
                assert_eq!(error["code"], 4, "{command} {name}={value}");
                assert!(error["msg"].as_str().unwrap().contains(name), "{error}");
            } else {
                assert!(
                    read(&variables, stdin()).is_ok(),
                    "{command} {name}={value}"
                );
            }
        }
    }
}

#[test]
fn names_that_are_no_text_are_refused() {
    for name in ["CNI_CONTAINERID", "CNI_IFNAME", "CNI_NETNS"] {
        let given = variables("ADD")
            .into_iter()
            .map(|(k, v)| (k.into(), v.into()));
        let bytes: (OsString, OsString) = (name.into(), OsString::from_vec(vec![b'a', 0xff]));
        let environment = given.chain([bytes]).collect();
        let stdin = stdin();
        let error = request::read(&environment, &mut stdin.as_bytes(), &mut |_| {}).unwrap_err();
        assert_eq!(error.code(), 4, "{name}");
        assert!(error.message().contains(name), "{}", error.message());
    }
}

#[test]
fn w4_a_person_gets_help_and_the_release() {
    let cases = [
        (
            "--version",
            concat!("weir-cni ", env!("CARGO_PKG_VERSION"), "\n"),
        ),
        ("-V", concat!("weir-cni ", env!("CARGO_PKG_VERSION"), "\n")),
        ("--help", "CNI weir-cni plugin v"),
        ("-h", "CNI weir-cni plugin v"),
        ("anything", ""),
    ];
    for (argument, start) in cases {
        for command in [None, Some("VERSION")] {
            let variables = command.map(|command| ("CNI_COMMAND", command));
            let environment: Environment = variables.into_iter().collect();
            let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
            let mut streams = Streams {
                stdin: &mut Untouchable,
                stdout: &mut stdout,
                stderr: &mut stderr,
            };
            let environment = environment.with_argument(Some(argument.into()));
            assert_eq!(run(&environment, &mut streams), Exit::Success);
            let text = String::from_utf8(stdout).unwrap();
            // A runtime that sets a command is answered as a runtime.
            let start = if command.is_some() {
                "{\"cniVersion\""
            } else {
                start
            };
            assert!(text.starts_with(start), "{argument}: {text}");
            assert_eq!(stderr.is_empty(), !text.is_empty(), "{argument}");
        }
    }
}

/// `CNI_ARGS`, and what is in it.
type Parsed<'a> = (&'a str, &'a [(&'a str, Option<&'a str>)]);

/// W8 and field failure 28.
#[test]
fn w8_arguments_are_never_refused() {
    let cases: [Parsed<'_>; 6] = [
        (
            "IgnoreUnknown=1;K8S_POD_NAME=a",
            &[("K8S_POD_NAME", Some("a"))],
        ),
        (
            "K8S_POD_NAME=a;X=1;",
            &[("K8S_POD_NAME", Some("a")), ("X", Some("1"))],
        ),
        (
            "A=b=c;;=;novalue; B =d",
            &[("A", Some("b=c")), ("B", Some("d")), ("novalue", None)],
        ),
        (
            "K8S_POD_NAMESPACE=;K8S_POD_UID=u",
            &[("K8S_POD_NAMESPACE", None), ("K8S_POD_UID", Some("u"))],
        ),
        ("A=1;A=2", &[("A", Some("2"))]),
        (";;;", &[("", None)]),
    ];
    for (text, expected) in cases {
        let mut variables = variables("ADD");
        variables.push(("CNI_ARGS", text));
        let Request::Add(add) = read(&variables, conf(json!({}))).unwrap() else {
            panic!("{text}");
        };
        for (key, value) in expected {
            assert_eq!(add.arguments.get(key), *value, "{text}: {key}");
        }
    }
}

#[test]
fn w8_what_the_document_asks_for_counts_before_cni_args() {
    let (old, args, runtime) = (
        "IP=10.0.0.1,10.0.0.2/24;MAC=02:00:00:00:00:01",
        "args",
        "runtimeConfig",
    );
    let by_args = json!({"cni": {"ips": ["10.0.0.3"], "mac": "02:00:00:00:00:02"}});
    let by_runtime = json!({"IPs": ["10.0.0.4/16", "10.0.0.3"], "Mac": "02:00:00:00:00:03"});
    let cases = [
        (json!({}), vec!["10.0.0.1", "10.0.0.2/24"], 1),
        (json!({args: by_args}), vec!["10.0.0.3"], 2),
        (
            json!({runtime: by_runtime}),
            vec!["10.0.0.4/16", "10.0.0.3"],
            3,
        ),
        (
            json!({args: by_args, runtime: by_runtime}),
            vec!["10.0.0.3", "10.0.0.4/16"],
            3,
        ),
        (
            json!({args: null, runtime: {"ips": [], "mac": ""}}),
            vec!["10.0.0.1", "10.0.0.2/24"],
            1,
        ),
    ];
    for (more, ips, mac) in cases {
        let mut variables = variables("ADD");
        variables.push(("CNI_ARGS", old));
        let Request::Add(add) = read(&variables, conf(more.clone())).unwrap() else {
            panic!("{more}");
        };
        let wished = add.conf.wishes.ips.iter().map(|ip| match ip.prefix {
            Some(prefix) => format!("{}/{prefix}", ip.address),
            None => ip.address.to_string(),
        });
        assert_eq!(wished.collect::<Vec<_>>(), ips, "{more}");
        assert_eq!(add.conf.wishes.mac.unwrap().0[5], mac, "{more}");
    }
}

#[test]
fn a_bad_argument_counts_where_it_is_asked_for() {
    for bad in ["IP=10.0.0.x", "IP=10.0.0.1/33", "MAC=02:00"] {
        let mut with = variables("ADD");
        with.push(("CNI_ARGS", bad));
        let error = refusal(&with, conf(json!({})));
        assert_eq!(error["code"], 4, "{bad}");
        let asked = json!({"runtimeConfig": {"ips": ["10.0.0.1"], "mac": "02:00:00:00:00:01"}});
        assert!(read(&with, conf(asked)).is_ok(), "{bad}");
        let mut del = variables("DEL");
        del.push(("CNI_ARGS", bad));
        assert!(read(&del, conf(json!({}))).is_ok(), "{bad}");
    }
}

/// W14 and W15, as far as they are the wire's: order kept, nothing empty; the override as libcni's skeleton has it.
#[test]
fn paths_overrides_and_traces_are_carried() {
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let cases = [
        ("CNI_PATH", "/b::/a:/b:", "/b /a /b false -"),
        ("CNI_NETNS_OVERRIDE", "1", "/opt/cni/bin true -"),
        ("CNI_NETNS_OVERRIDE", "True", "/opt/cni/bin true -"),
        ("CNI_NETNS_OVERRIDE", "0", "/opt/cni/bin false -"),
        ("TRACEPARENT", trace, &format!("/opt/cni/bin false {trace}")),
        ("TRACEPARENT", "a\nb", "/opt/cni/bin false -"),
    ];
    for (name, value, expected) in cases {
        let mut variables = variables("ADD");
        variables.push((name, value));
        let Request::Add(add) = read(&variables, conf(json!({}))).unwrap() else {
            panic!("{name}");
        };
        let folders: Vec<_> = add
            .path
            .iter()
            .map(|folder: &PathBuf| folder.to_str().unwrap())
            .collect();
        let trace = add.trace.as_deref().unwrap_or("-");
        let got = format!("{} {} {trace}", folders.join(" "), add.own_netns_is_fine);
        assert_eq!(got, expected, "{name}={value}");
    }
}
