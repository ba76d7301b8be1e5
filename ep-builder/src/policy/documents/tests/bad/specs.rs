//! What a `spec` may not say. A row of a table is what stands there, `=>`, and the mistakes, with `|` between them.

use super::super::{network_policy, weir_policy};
use super::check_fields;

/// Words that stand for the long ones of messages.
const WORDS: [(&str, &str); 6] = [
    (
        "$KEY",
        "a name of at most 63 letters, digits, `-`, `_` and `.`, with a letter or digit at both ends, and before it, if \
         wanted, a domain and `/`",
    ),
    (
        "$VALUE",
        "at most 63 letters, digits, `-`, `_` and `.`, with a letter or digit at both ends, or nothing",
    ),
    (
        "$TEXT",
        "text, in quotes if it looks like a number or a truth value",
    ),
    (
        "$PORT",
        "a number from 1 to 65535, or a name of at most 15 small letters, digits and single `-` inside, with a letter \
         among them",
    ),
    ("$NET", "a network as 10.0.0.0/8 or fd00::/8"),
    (
        "$INSIDE",
        "is not a part of cidr 10.0.0.0/8: an exception is smaller and lies inside",
    ),
];

/// Checks each row of a table: `document` puts what stands there into a document, `field` is where that is.
#[track_caller]
fn check_table(table: &str, field: &str, document: impl Fn(&str) -> String) {
    let rows: Vec<_> = table.lines().filter(|line| !line.is_empty()).collect();
    assert!(!rows.is_empty());
    for row in rows {
        let (text, mistakes) = row.split_once(" => ").expect(row);
        let mistakes: Vec<_> = mistakes
            .split(" | ")
            .map(|one| spelled_out(field, one))
            .collect();
        let mistakes: Vec<_> = mistakes.iter().map(String::as_str).collect();
        check_fields(&document(text.trim()), &mistakes);
    }
}

fn spelled_out(field: &str, mistake: &str) -> String {
    let whole = format!("{field}{mistake}");
    WORDS
        .iter()
        .fold(whole, |text, (short, long)| text.replace(short, long))
}

const SPECS: &str = "
ingres: [] => .ingres: there is no field `ingres` here: did you mean `ingress`?
podselector: {} => .podselector: there is no field `podselector` here: did you mean `podSelector`?
<<: {} => [<<]: there is no field `<<` here: it takes podSelector, policyTypes, ingress, egress
policyTypes: Ingress => .policyTypes: this takes a list, not the text \"Ingress\"
policyTypes: [ingress] => .policyTypes[0]: there is no `ingress` here: did you mean `Ingress`?
policyTypes: [Both] => .policyTypes[0]: there is no `Both` here: it takes Ingress, Egress
policyTypes: [Ingress, Egress, Ingress] => .policyTypes: there are no more than the two, Ingress and Egress
ingress: {} => .ingress: this takes a list, not a mapping
ingress: [null, {}] => .ingress[0]: this takes a value: {} where an empty one is meant, not null
ingress: [x] => .ingress[0]: this takes a mapping, not the text \"x\"
ingress: [{to: []}] => .ingress[0].to: there is no field `to` here: it takes from, ports
egress: [{action: deny}] => .egress[0].action: there is no field `action` here: it takes to, ports
ingress: [{from: x, ports: y}] => .ingress[0].from: this takes a list, not the text \"x\" | .ingress[0].ports: this takes a list, not the text \"y\"
";

#[test]
fn specs() {
    check_table(SPECS, "spec", |text| network_policy(&format!(", {text}")));
}

#[test]
fn what_must_be_there() {
    let head = "apiVersion: networking.k8s.io/v1\n\n\nkind: NetworkPolicy\nmetadata: {name: a}\n";
    let check = |spec: &str, expected: &str| {
        let text = format!("{head}{spec}\n");
        let found = super::super::mistakes(&text);
        assert_eq!(found, [expected.to_owned()], "{text}");
    };
    let no_spec = "a.yaml:1:1: spec: this field is missing: it takes a mapping with the policy";
    check("", no_spec);
    check("spec:", no_spec);
    let no_pods = "a.yaml:6:7: spec.podSelector: this field is missing: it takes a selector; {} selects every pod of the \
                   namespace";
    check("spec: {}", no_pods);
    check("spec: {podSelector: null}", no_pods);
}

const SELECTORS: &str = "
all => : this takes a mapping, not the text \"all\"
{app: web} => .app: there is no field `app` here: it takes matchLabels, matchExpressions
{matchLabel: {}} => .matchLabel: there is no field `matchLabel` here: did you mean `matchLabels`?
{matchLabels: [a]} => .matchLabels: this takes a mapping, not a list
{matchLabels: {a: 1}} => .matchLabels.a: this takes $TEXT, not the number 1
{matchLabels: {a: 1e3}} => .matchLabels.a: this takes $TEXT, not the number 1e3
{matchLabels: {a: true}} => .matchLabels.a: this takes $TEXT, not true
{matchLabels: {a: }} => .matchLabels.a: this takes $TEXT, not null
{matchLabels: {a/b/c: d}} => .matchLabels[a/b/c]: the key of a label takes $KEY
{matchLabels: {a: b c}} => .matchLabels.a: this takes $VALUE, not the text \"b c\"
{matchLabels: {-a: b c}} => .matchLabels[-a]: the key of a label takes $KEY | .matchLabels[-a]: this takes $VALUE, not the text \"b c\"
";

const EXPRESSIONS: &str = "
{operator: Exists} => .key: this field is missing: it takes $KEY
{key: a} => .operator: this field is missing: it takes In, NotIn, Exists or DoesNotExist
{key: '', operator: Exists} => .key: this takes $KEY, not the text \"\"
{key: a, operator: exists} => .operator: there is no `exists` here: did you mean `Exists`?
{key: a, operator: Gt, values: ['1']} => .operator: there is no `Gt` here: it takes In, NotIn, Exists, DoesNotExist
{key: a, operator: In} => .values: this field is missing: it takes the values that In and NotIn compare with
{key: a, operator: NotIn, values: null} => .values: this field is missing: it takes the values that In and NotIn compare with
{key: a, operator: In, values: []} => .values: this takes at least one value where operator is In or NotIn, not a list without items
{key: a, operator: NotIn, values: []} => .values: this takes at least one value where operator is In or NotIn, not a list without items
{key: a, operator: Exists, values: [b]} => .values: this takes no value where operator is Exists or DoesNotExist, not a list
{key: a, operator: DoesNotExist, values: [b]} => .values: this takes no value where operator is Exists or DoesNotExist, not a list
{key: a, operator: In, values: b} => .values: this takes a list, not the text \"b\"
{key: a, operator: In, values: [1]} => .values[0]: this takes $TEXT, not the number 1
{key: a, operator: In, values: ['-']} => .values[0]: this takes $VALUE, not the text \"-\"
";

#[test]
fn selectors() {
    let at = "spec.ingress[0].from[0].podSelector";
    let document =
        |text: &str| network_policy(&format!(", ingress: [{{from: [{{podSelector: {text}}}]}}]"));
    check_table(SELECTORS, at, document);
    check_table(EXPRESSIONS, &format!("{at}.matchExpressions[0]"), |text| {
        document(&format!("{{matchExpressions: [{text}]}}"))
    });
}

const PEERS: &str = "
{} => : this names nobody: it takes podSelector, namespaceSelector, ipBlock; for anybody, leave `to` out
{podSelector: null} => : this names nobody: it takes podSelector, namespaceSelector, ipBlock; for anybody, leave `to` out
null => : this takes a value: {} where an empty one is meant, not null
{ipBlock: {cidr: ::/0}, podSelector: {}} => : ipBlock stands alone: make it another item of `to`
{ipBlock: {cidr: ::/0}, namespaceSelector: {}} => : ipBlock stands alone: make it another item of `to`
{entities: [host]} => .entities: there is no field `entities` here: it takes podSelector, namespaceSelector, ipBlock
{ipBlock: {}} => .ipBlock.cidr: this field is missing: it takes $NET
{ipBlock: 10.0.0.0/8} => .ipBlock: this takes a mapping, not the text \"10.0.0.0/8\"
{ipBlock: {cidr: 10}} => .ipBlock.cidr: this takes $NET, not the number 10
{ipBlock: {cidr: 10.0.0/8}} => .ipBlock.cidr: this takes $NET, not \"10.0.0/8\"
{ipBlock: {cidr: 10.0.0.0/33}} => .ipBlock.cidr: this takes $NET, not \"10.0.0.0/33\": it has at most 32 bits
{ipBlock: {cidr: 10.0.0.1/8}} => .ipBlock.cidr: this takes $NET, not \"10.0.0.1/8\": write 10.0.0.0/8 for the network, 10.0.0.1/32 for the address
{ipBlock: {cidr: x, except: [10.0.0.0/8, y]}} => .ipBlock.cidr: this takes $NET, not \"x\" | .ipBlock.except[1]: this takes $NET, not \"y\"
{ipBlock: {cidr: 10.0.0.0/8, except: 10.1.0.0/16}} => .ipBlock.except: this takes a list, not the text \"10.1.0.0/16\"
{ipBlock: {cidr: '::/0', except: [0.0.0.0/1]}} => .ipBlock.except[0]: 0.0.0.0/1 is not a part of cidr ::/0: an exception is smaller and lies inside
";

const EXCEPTIONS: &str = "
172.16.0.0/12 => 172.16.0.0/12 $INSIDE
10.0.0.0/8 => 10.0.0.0/8 $INSIDE
10.0.0.0/7 => 10.0.0.0/7 $INSIDE
0.0.0.0/0 => 0.0.0.0/0 $INSIDE
fd00::/16 => fd00::/16 $INSIDE
x => this takes $NET, not \"x\"
";

#[test]
fn peers() {
    let at = "spec.egress[0].to[0]";
    let document = |text: &str| network_policy(&format!(", egress: [{{to: [{text}]}}]"));
    check_table(PEERS, at, document);
    check_table(EXCEPTIONS, &format!("{at}.ipBlock.except[1]: "), |text| {
        document(&format!(
            "{{ipBlock: {{cidr: 10.0.0.0/8, except: [10.1.0.0/16, '{text}']}}}}"
        ))
    });
}

const PORTS: &str = "
80 => : this takes a mapping, not the number 80
{port: 0} => .port: this takes $PORT, not the number 0
{port: 65536} => .port: this takes $PORT, not the number 65536
{port: -1} => .port: this takes $PORT, not the number -1
{port: 080} => .port: this takes $PORT, not the number 080
{port: 99999999999999999999999} => .port: this takes $PORT, not the number 99999999999999999999999
{port: 80.0} => .port: this takes $PORT, not the number 80.0
{port: true} => .port: this takes $PORT, not true
{port: [80]} => .port: this takes $PORT, not a list
{port: '80'} => .port: \"80\" in quotes would be a name: write 80 for the number
{port: '0'} => .port: this takes $PORT, not the text \"0\"
{port: HTTP} => .port: this takes $PORT, not the text \"HTTP\"
{port: 80-90} => .port: this takes $PORT, not the text \"80-90\"
{protocol: tcp} => .protocol: there is no `tcp` here: did you mean `TCP`?
{protocol: ICMP} => .protocol: there is no `ICMP` here: it takes TCP, UDP, SCTP
{protocol: 6} => .protocol: this takes a word, not the number 6
{endPort: 80} => .endPort: a range needs `port`, its first number
{port: http, endPort: 80} => .endPort: a range begins with a number: `port` is a name here
{port: 80, endPort: 79} => .endPort: 79 is less than `port`, which is 80: a range ends where it begins or above
{port: 80, endPort: '90'} => .endPort: this takes a number from 1 to 65535, not the text \"90\"
{port: 80, endPort: 65536} => .endPort: this takes a number from 1 to 65535, not the number 65536
{port: 80, endport: 90} => .endport: there is no field `endport` here: did you mean `endPort`?
{port: '80', protocol: tcp} => .port: \"80\" in quotes would be a name: write 80 for the number | .protocol: there is no `tcp` here: did you mean `TCP`?
";

#[test]
fn ports() {
    check_table(PORTS, "spec.ingress[0].ports[1]", |text| {
        network_policy(&format!(", ingress: [{{ports: [{{}}, {text}]}}]"))
    });
}

const WEIR: &str = "
action: Drop => .action: there is no `Drop` here: it takes allow, deny
action: Deny => .action: there is no `Deny` here: did you mean `deny`?
from: [{entities: []}] => .from[0].entities: this takes one or more of host, world, all, not a list without items
from: [{entities: [cluster]}] => .from[0].entities[0]: there is no `cluster` here: it takes host, world, all
from: [{entities: host}] => .from[0].entities: this takes a list, not the text \"host\"
from: [{entities: [host], podSelector: {}}] => .from[0]: ipBlock and entities each stand alone: make it another item of `from`
from: [{entities: [host], ipBlock: {cidr: ::/0}}] => .from[0]: ipBlock and entities each stand alone: make it another item of `from`
from: [{}] => .from[0]: this names nobody: it takes podSelector, namespaceSelector, ipBlock, entities; for anybody, leave `from` out
";

#[test]
fn rules_of_weir_policies() {
    check_table(WEIR, "spec.ingress[0]", |text| {
        weir_policy(&format!("ingress: [{{{text}}}]"))
    });
}

const CONTRADICTION: &str = "a policy is about the node or about pods: leave this or `OTHER` out, and write two policies for both";

#[test]
fn policies_of_the_node() {
    for other in ["podSelector", "namespaceSelector"] {
        check_fields(
            &weir_policy(&format!("nodeSelector: {{}}, {other}: {{}}")),
            &[&format!(
                "spec.nodeSelector: {}",
                CONTRADICTION.replace("OTHER", other)
            )],
        );
    }
    check_fields(
        &network_policy(", nodeSelector: {}"),
        &["spec.nodeSelector: there is no field `nodeSelector` here: did you mean `podSelector`?"],
    );
    let names = "only pods have names for ports: write the number";
    for (direction, field) in [("ingress", "spec.ingress[0]"), ("egress", "spec.egress[0]")] {
        check_fields(
            &weir_policy(&format!(
                "nodeSelector: {{}}, {direction}: [{{ports: [{{port: ssh}}]}}]"
            )),
            &[&format!("{field}.ports[0].port: {names}")],
        );
    }
}
