//! The document: <https://spdx.github.io/spdx-spec/v2.3/>.

use serde_json::{Value, json};

use crate::graph::{Crate, Graph, Part};

const NOTHING: &str = "NOASSERTION";
const RELEASE: &str = "SPDXRef-weir";

/// Parts that are no crates: how each is called, what it is, its licence.
const OTHERS: [(&str, &str, &str); 3] = [
    (
        "SPDXRef-datapath",
        "weir-datapath",
        "GPL-2.0-only OR BSD-2-Clause",
    ),
    ("SPDXRef-libc", "glibc", "LGPL-2.1-or-later"),
    ("SPDXRef-rust-std", "rust-std", "MIT OR Apache-2.0"),
];

/// The document of a release.
pub(crate) fn document(graph: &Graph, created: &str) -> Value {
    let mut packages = vec![release(graph)];
    packages.extend(graph.crates.iter().map(package));
    packages.extend(OTHERS.map(|other| other_package(&graph.version, other)));
    let mut relations = vec![relation("SPDXRef-DOCUMENT", "DESCRIBES", RELEASE)];
    relations.extend(graph.crates.iter().map(|it| match it.part {
        Part::Linked => relation(RELEASE, "STATIC_LINK", &id(it)),
        Part::Tool => relation(&id(it), "BUILD_TOOL_OF", RELEASE),
    }));
    relations.push(relation(RELEASE, "CONTAINS", OTHERS[0].0));
    relations.extend(
        OTHERS[1..]
            .iter()
            .map(|it| relation(RELEASE, "STATIC_LINK", it.0)),
    );
    json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": format!("weir-{}", graph.version),
        "documentNamespace": format!("https://spdx.org/spdxdocs/weir-{}-{}", graph.version, graph.digest),
        "creationInfo": { "created": created, "creators": [format!("Tool: weir-sbom-{}", graph.version)] },
        "packages": packages,
        "relationships": relations,
    })
}

fn release(graph: &Graph) -> Value {
    json!({
        "SPDXID": RELEASE,
        "name": "weir",
        "versionInfo": graph.version,
        "primaryPackagePurpose": "APPLICATION",
        "downloadLocation": NOTHING,
        "filesAnalyzed": false,
        "licenseConcluded": NOTHING,
        "licenseDeclared": "Apache-2.0 AND (GPL-2.0-only OR BSD-2-Clause)",
        "copyrightText": NOTHING,
    })
}

fn package(it: &Crate) -> Value {
    let mut package = json!({
        "SPDXID": id(it),
        "name": it.name,
        "versionInfo": it.version,
        "primaryPackagePurpose": "LIBRARY",
        "downloadLocation": it.source.as_deref().unwrap_or(NOTHING),
        "filesAnalyzed": false,
        "licenseConcluded": NOTHING,
        "licenseDeclared": it.license,
        "copyrightText": NOTHING,
        "externalRefs": [{
            "referenceCategory": "PACKAGE-MANAGER",
            "referenceType": "purl",
            "referenceLocator": format!("pkg:cargo/{}@{}", it.name, it.version),
        }],
    });
    if let Some(checksum) = &it.checksum {
        package["checksums"] = json!([{ "algorithm": "SHA256", "checksumValue": checksum }]);
    }
    package
}

/// The versions of libraries that the toolchain brings are not ours to know; the datapath has the release's.
fn other_package(version: &str, (id, name, license): (&str, &str, &str)) -> Value {
    json!({
        "SPDXID": id,
        "name": name,
        "versionInfo": if id == OTHERS[0].0 { version } else { NOTHING },
        "downloadLocation": NOTHING,
        "filesAnalyzed": false,
        "licenseConcluded": NOTHING,
        "licenseDeclared": license,
        "copyrightText": NOTHING,
    })
}

fn relation(from: &str, kind: &str, to: &str) -> Value {
    json!({ "spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to })
}

/// Letters, digits, `.` and `-` are allowed in it.
fn id(it: &Crate) -> String {
    let name = format!("{}-{}", it.name, it.version);
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    let name: String = name
        .chars()
        .map(|c| if allowed(c) { c } else { '-' })
        .collect();
    format!("SPDXRef-crate-{name}")
}
