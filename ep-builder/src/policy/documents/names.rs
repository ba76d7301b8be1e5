//! What names, labels and ports may be called: the rules of Kubernetes, which come from DNS and from RFC 6335.

/// What [`is_subdomain`] takes.
pub(super) const SUBDOMAIN: &str = "a name of at most 253 small letters, digits, `-` and `.`, with a letter or digit at both ends of each part";
/// What [`is_dns_label`] takes.
pub(super) const DNS_LABEL: &str =
    "a name of at most 63 small letters, digits and `-`, with a letter or digit at both ends";
/// What [`is_label_key`] takes.
pub(super) const LABEL_KEY: &str = "a name of at most 63 letters, digits, `-`, `_` and `.`, with a letter or digit at both ends, and before it, if wanted, a domain and `/`";
/// What [`is_label_value`] takes.
pub(super) const LABEL_VALUE: &str =
    "at most 63 letters, digits, `-`, `_` and `.`, with a letter or digit at both ends, or nothing";
/// What [`is_port_name`] takes, and numbers.
pub(super) const PORT: &str = "a number from 1 to 65535, or a name of at most 15 small letters, digits and single `-` inside, with a letter among them";

/// `metadata.name` of most kinds.
pub(super) fn is_subdomain(name: &str) -> bool {
    let is_part =
        |part: &str| is_framed(part, |b| b.is_ascii_lowercase() || b.is_ascii_digit(), b"-");
    name.len() <= 253 && name.split('.').all(is_part)
}

/// The name of a namespace.
pub(super) fn is_dns_label(name: &str) -> bool {
    name.len() <= 63 && !name.contains('.') && is_subdomain(name)
}

/// The key of a label.
pub(crate) fn is_label_key(key: &str) -> bool {
    match key.split_once('/') {
        Some((domain, name)) => is_subdomain(domain) && is_label_name(name),
        None => is_label_name(key),
    }
}

/// The value of a label.
pub(crate) fn is_label_value(value: &str) -> bool {
    value.is_empty() || is_label_name(value)
}

/// The name of a port.
pub(super) fn is_port_name(name: &str) -> bool {
    let is_letter_or_digit = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    name.len() <= 15
        && is_framed(name, is_letter_or_digit, b"-")
        && name.bytes().any(|b| b.is_ascii_lowercase())
        && !name.contains("--")
}

fn is_label_name(name: &str) -> bool {
    name.len() <= 63 && is_framed(name, |b| b.is_ascii_alphanumeric(), b"-_.")
}

/// Not empty, of these bytes, and of others only between them.
fn is_framed(text: &str, is_plain: impl Fn(u8) -> bool, inside: &[u8]) -> bool {
    let bytes = text.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    ends.iter().all(|end| end.is_some_and(|b| is_plain(*b)))
        && bytes.iter().all(|b| is_plain(*b) || inside.contains(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(is_name: fn(&str) -> bool, good: &[&str], bad: &[&str]) {
        for name in good {
            assert!(is_name(name), "{name:?}");
        }
        for name in bad {
            assert!(!is_name(name), "{name:?}");
        }
    }

    #[test]
    fn names_are_those_of_kubernetes() {
        let (long, longer) = ("a".repeat(63), "a".repeat(64));
        let domain = [long.as_str(); 4].join(".");
        let (full, too_full) = (&domain[..253], &domain[..254]);
        check(
            is_subdomain,
            &["a", "0", "a-b.c-d", "a.b", &longer, full],
            &[
                "", "A", "-a", "a-", "a..b", ".a", "a.", "a_b", "a.-b", "\u{e4}", too_full,
            ],
        );
        check(
            is_dns_label,
            &["a", "0-a", &long],
            &["", "a.b", "A", "a-", &longer],
        );
        let with_domain = format!("{full}/{long}");
        check(
            is_label_key,
            &["app", "A.b_c-D", "k8s.io/Name", &long, &with_domain],
            &[
                "",
                "/",
                "a/",
                "/a",
                "a/b/c",
                "A.io/name",
                "-a",
                "a-",
                "a b",
                &longer,
            ],
        );
        check(
            is_label_value,
            &["", "a", "V1.0_x-y", &long],
            &["-", "a-", "_a", "a b", "a/b", &longer],
        );
        check(
            is_port_name,
            &["http", "a", "8a", "a-b", "abcdefghijklmno"],
            &[
                "",
                "80",
                "HTTP",
                "-a",
                "a-",
                "a--b",
                "a_b",
                "abcdefghijklmnop",
            ],
        );
    }
}
