//! Objects: what kind a document is, what it is called, and what it says.

use std::collections::BTreeMap;
use std::ops::Range;

use super::cursor::{Cursor, Fields, Read, Reader};
use super::cut::item_spans;
use super::error::{Problem, named};
use super::labels::labels;
use super::names::{DNS_LABEL, SUBDOMAIN, is_dns_label, is_subdomain};
use super::policies::{Spec, network_policy, weir_policy};
use super::tree::Tree;
use super::{DocumentKind, Source};
use crate::policy::{DEFAULT_NAMESPACE, Document, Place, PolicyKind, PolicySet};

/// The fields of every object.
pub(super) const OBJECT: &[&str] = &["apiVersion", "kind", "metadata", "spec", "status"];
/// The fields of a list.
pub(super) const LIST: &[&str] = &["apiVersion", "kind", "metadata", "items"];
/// The fields that describe an object. Only name, namespace and, of namespaces, labels say something here; the others
/// are those that a cluster adds.
pub(super) const METADATA: &[&str] = &[
    "name",
    "namespace",
    "labels",
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "managedFields",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];
/// The kinds; their order is that of [`VERSIONS`].
const KINDS: &[&str] = &["NetworkPolicy", "WeirPolicy", "Namespace", "List"];
/// The version of each kind.
const VERSIONS: [&str; 4] = ["networking.k8s.io/v1", "weir.dev/v1alpha1", "v1", "v1"];
/// The label of every namespace with its name.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// What has been read of all files.
#[derive(Debug, Default)]
pub(super) struct Collected {
    pub(super) set: PolicySet,
    pub(super) sources: Vec<Source>,
    places: BTreeMap<(DocumentKind, String, String), Place>,
}

/// Where a document's bytes are.
#[derive(Clone, Debug)]
pub(super) struct Extent {
    /// Its file's number.
    pub(super) file: usize,
    pub(super) span: Range<usize>,
}

/// Reads a document of a file. One that is empty says nothing.
pub(super) fn document(
    reader: &mut Reader,
    tree: &Tree,
    text: &str,
    file: usize,
    all: &mut Collected,
) {
    let root = Cursor::root(&tree.root);
    if root.is_null() {
        return;
    }
    let span = tree.span.clone();
    // What is refused has been noted by the reader.
    object(reader, &root, text, Extent { file, span }, all).unwrap_or_default();
}

fn object(
    reader: &mut Reader,
    at: &Cursor<'_>,
    text: &str,
    extent: Extent,
    all: &mut Collected,
) -> Read<()> {
    let kind = kind(reader, at)?;
    let Some(kind) = kind else {
        return list(reader, at, text, extent.file, all);
    };
    let fields = reader.fields(at, OBJECT)?;
    let name = metadata(reader, &fields, kind);
    match kind {
        DocumentKind::Namespace => namespace(reader, &fields, name, extent, all),
        DocumentKind::NetworkPolicy | DocumentKind::WeirPolicy => {
            policy(reader, &fields, kind, name, extent, all)
        }
    }
}

fn list(
    reader: &mut Reader,
    at: &Cursor<'_>,
    text: &str,
    file: usize,
    all: &mut Collected,
) -> Read<()> {
    let fields = reader.fields(at, LIST)?;
    let Some(at) = fields.get("items") else {
        return Ok(());
    };
    let items = reader.items(&at)?;
    let spans = item_spans(text, at.node);
    for (item, span) in items.into_iter().zip(spans) {
        if reader.is_full() {
            break;
        }
        object(reader, &item, text, Extent { file, span }, all).unwrap_or_default();
    }
    Ok(())
}

/// The kind of an object; none for a list of them.
fn kind(reader: &mut Reader, at: &Cursor<'_>) -> Read<Option<DocumentKind>> {
    let fields = reader.any_fields(at)?;
    let Some(at_kind) = fields.get("kind") else {
        return Err(reader.refuse_absent(
            at,
            "kind",
            "NetworkPolicy, WeirPolicy, Namespace or List",
        ));
    };
    let index = reader.word(&at_kind, KINDS)?;
    let Some(at_version) = fields.get("apiVersion") else {
        return Err(reader.refuse_absent(at, "apiVersion", VERSIONS[index]));
    };
    let version = reader.text(&at_version, VERSIONS[index])?;
    if version != VERSIONS[index] {
        let problem = Problem::Version {
            kind: KINDS[index],
            known: VERSIONS[index],
            found: named(version),
        };
        return Err(reader.refuse(&at_version, problem));
    }
    Ok(match index {
        0 => Some(DocumentKind::NetworkPolicy),
        1 => Some(DocumentKind::WeirPolicy),
        2 => Some(DocumentKind::Namespace),
        _ => None,
    })
}

/// What an object is called, and its labels.
#[derive(Clone, Debug)]
struct Metadata {
    namespace: String,
    name: String,
    labels: BTreeMap<String, String>,
}

fn metadata(reader: &mut Reader, fields: &Fields<'_>, kind: DocumentKind) -> Read<Metadata> {
    const TAKES: &str = "a mapping with the name";
    let Some(at) = fields.get("metadata") else {
        return Err(reader.refuse_absent(&fields.at, "metadata", TAKES));
    };
    let fields = reader.fields(&at, METADATA)?;
    let (takes, is_name): (_, fn(&str) -> bool) = match kind {
        DocumentKind::Namespace => (DNS_LABEL, is_dns_label),
        DocumentKind::NetworkPolicy | DocumentKind::WeirPolicy => (SUBDOMAIN, is_subdomain),
    };
    let name = match fields.get("name") {
        None => Err(reader.refuse_absent(&at, "name", takes)),
        Some(at) => name(reader, &at, takes, is_name),
    };
    let namespace = match (fields.get("namespace"), kind) {
        (None, DocumentKind::NetworkPolicy) => Ok(DEFAULT_NAMESPACE.to_owned()),
        (None, _) => Ok(String::new()),
        (Some(at), DocumentKind::NetworkPolicy) => self::name(reader, &at, DNS_LABEL, is_dns_label),
        (Some(at), _) => {
            let text = format!("a {kind} belongs to no namespace: leave this out");
            Err(reader.refuse(&at, Problem::Contradiction(text)))
        }
    };
    let labels = fields
        .get("labels")
        .map(|at| labels(reader, &at))
        .transpose();
    Ok(Metadata {
        namespace: namespace?,
        name: name?,
        labels: labels?.unwrap_or_default(),
    })
}

fn name(
    reader: &mut Reader,
    at: &Cursor<'_>,
    takes: &'static str,
    is_name: fn(&str) -> bool,
) -> Read<String> {
    match reader.text(at, takes)? {
        name if is_name(name) => Ok(name.to_owned()),
        _ => Err(reader.refuse_value(at, takes)),
    }
}

fn policy(
    reader: &mut Reader,
    fields: &Fields<'_>,
    kind: DocumentKind,
    name: Read<Metadata>,
    extent: Extent,
    all: &mut Collected,
) -> Read<()> {
    let Some(at) = fields.get("spec") else {
        return Err(reader.refuse_absent(&fields.at, "spec", "a mapping with the policy"));
    };
    // A policy whose name is wrong is read to the end: there may be more to say.
    let home = name.as_ref().map_or("", |name| name.namespace.as_str());
    let (kind_of_policy, spec) = match kind {
        DocumentKind::WeirPolicy => (PolicyKind::WeirPolicy, weir_policy(reader, &at)),
        _ => (PolicyKind::NetworkPolicy, network_policy(reader, &at, home)),
    };
    let name = all.enter(reader, fields, kind, name?, extent)?;
    let Spec {
        scope,
        ingress,
        egress,
    } = spec?;
    all.set.policies.push(Document {
        kind: kind_of_policy,
        namespace: name.namespace,
        name: name.name,
        place: reader.place(fields.at.line()),
        scope,
        ingress,
        egress,
    });
    Ok(())
}

fn namespace(
    reader: &mut Reader,
    fields: &Fields<'_>,
    name: Read<Metadata>,
    extent: Extent,
    all: &mut Collected,
) -> Read<()> {
    let Metadata {
        name, mut labels, ..
    } = all.enter(reader, fields, DocumentKind::Namespace, name?, extent)?;
    let given = labels.insert(NAME_LABEL.to_owned(), name.clone());
    if let Some(at) = fields.get("metadata")
        && given.is_some_and(|given| given != name)
    {
        let text = "the label kubernetes.io/metadata.name is always the namespace's name";
        reader.notice(&at, text);
    }
    all.set.namespaces.insert(name, labels);
    Ok(())
}

impl Collected {
    /// Notes where a document is, unless one of its kind and name was there before.
    fn enter(
        &mut self,
        reader: &mut Reader,
        fields: &Fields<'_>,
        kind: DocumentKind,
        name: Metadata,
        extent: Extent,
    ) -> Read<Metadata> {
        let key = (kind, name.namespace.clone(), name.name.clone());
        if let Some(first) = self.places.get(&key) {
            let slash = if key.1.is_empty() { "" } else { "/" };
            let what = format!("{kind} {}{slash}{}", key.1, key.2);
            let problem = Problem::Duplicate {
                what,
                first: first.clone(),
            };
            return Err(reader.refuse(&fields.at, problem));
        }
        let place = reader.place(fields.at.line());
        self.places.insert(key, place.clone());
        self.sources.push(Source {
            kind,
            namespace: name.namespace.clone(),
            name: name.name.clone(),
            place,
            file: extent.file,
            span: extent.span,
        });
        Ok(name)
    }
}
