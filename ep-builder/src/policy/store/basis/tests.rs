//! What is written reads back, and what is nothing is refused.

use super::*;
use crate::digest::sha256_hex;
use crate::policy::documents::{SourceFile, parse};
use crate::policy::oracle::random::{Choices, case};

/// A word of everything.
const ALL: &str = "apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {env: prod}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: all, namespace: shop}
spec:
  podSelector:
    matchExpressions: [{key: app, operator: NotIn, values: [a, b]}, {key: tier, operator: Exists}]
  policyTypes: [Ingress, Egress]
  ingress:
  - from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}, {ipBlock: {cidr: 'fd00::/8'}}]
    ports: [{port: 80, endPort: 90}, {protocol: SCTP, port: sctp}, {protocol: UDP}]
  egress:
  - to: [{namespaceSelector: {matchLabels: {env: prod}}, podSelector: {}}]
";

/// Random documents, in which all that the model can say occurs.
fn random(seed: u64) -> Basis {
    let case = case(&mut Choices::seeded(seed), 0);
    let node = NodeBasis {
        facts: case.node,
        open: [Direction::Ingress, Direction::Egress]
            .map(|direction| OpenPort {
                port: 22,
                protocol: 6,
                direction,
            })
            .into(),
    };
    Basis::new(case.allow_localhost, case.set, node)
}

#[test]
fn what_is_written_reads_back() {
    let all: Vec<_> = (0..500).map(random).collect();
    for (seed, basis) in all.iter().enumerate() {
        assert_eq!(&Basis::decode(&basis.encode()).unwrap(), basis, "{seed}");
    }
    let said = format!("{all:?}");
    let choices = [
        "WeirPolicy",
        "Labelled(",
        "Node(",
        "NotIn",
        "DoesNotExist",
        "Exists",
        "Deny",
        "Network {",
        "World",
        "Host",
        "All",
        "Sctp",
        "Range(",
        "Named(",
        "Any",
        "peers: None",
        "ports: None",
        "address: fd",
        "address: 10.",
    ];
    for choice in choices {
        assert!(said.contains(choice), "{choice} was not tried");
    }
}

/// Another digest is another layout of the file, and that needs another [`FORMAT`].
#[test]
fn the_format_is_this_one() {
    let file = SourceFile {
        path: "all.yaml".into(),
        text: ALL.into(),
    };
    let set = parse(vec![file]).unwrap().set;
    let basis = Basis::new(true, set, NodeBasis::default());
    let digest = "7f36b44893cbcbba9181c77bc191952d0dd097db8b0c7c615f5a4e981ea95161";
    assert_eq!(sha256_hex(&basis.encode()), digest);
}

#[test]
fn who_says_nothing_of_the_node_is_read_by_an_older_weir() {
    let all: Vec<_> = (0..100).map(random).collect();
    let formats = all.iter().map(|basis| {
        let expected = if basis.set.speaks_for_nodes() {
            FORMAT
        } else {
            OF_PODS
        };
        let format = basis.encode()[MAGIC.len()];
        assert_eq!(format, expected, "{basis:?}");
        format
    });
    let met: BTreeSet<_> = formats.collect();
    assert_eq!(met, [OF_PODS, FORMAT].into());
}

#[test]
fn what_is_no_basis_is_refused_and_costs_nothing() {
    let good = random(7).encode();
    let body = checked(&good).unwrap();
    for at in 0..body.len() {
        // With the right checksum: what it says is what is wrong.
        let cut = with_checksum(body[..at].to_vec());
        assert!(Basis::decode(&cut).is_err(), "cut at {at}");
        let mut other = body.to_vec();
        other[at] = 0xff;
        if let Ok(read) = Basis::decode(&with_checksum(other.clone())) {
            assert_eq!(read.encode().len(), good.len(), "byte {at}");
        }
        assert!(Basis::decode(&[&other, &good[body.len()..]].concat()).is_err() || other == body);
    }
    let newer = with_checksum([MAGIC.as_slice(), b"3anything"].concat());
    assert!(matches!(
        Basis::decode(&newer),
        Err(Unreadable::Newer(b'3'))
    ));
    let longer = with_checksum([body, &[0]].concat());
    assert!(Basis::decode(&longer).is_err());
}
