//! `resolvConf`: a file as the system's resolver reads it, into the result.

use std::path::Path;

use ep_builder::whole_file::{self, FileError};

use crate::result::Dns;

/// No resolver's file comes near this.
const LARGEST: u64 = 64 << 10;

/// Reads the file a user named.
pub(super) fn read(path: &Path) -> Result<Dns, FileError> {
    let bytes = whole_file::read_named(path, LARGEST)?;
    Ok(parse(&String::from_utf8_lossy(&bytes)))
}

/// Every server counts, of the other keywords the last line: so does the resolver.
fn parse(text: &str) -> Dns {
    let mut dns = Dns::default();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let keyword = words.next().unwrap_or_default();
        let mut rest = words.map(str::to_owned);
        match keyword {
            "nameserver" => dns.nameservers.extend(rest.next()),
            "domain" => dns.domain = rest.next().unwrap_or_default(),
            "search" => dns.search = rest.collect(),
            "options" => dns.options.extend(rest),
            _ => {}
        }
    }
    dns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_as_the_resolver_reads_it() {
        let dns = parse(
            "# nameserver 9.9.9.9\n; x\nnameserver 10.0.0.1\n\tnameserver fd00::1 \ndomain a.b\nsearch x\n\
             search c d\noptions ndots:5\noptions rotate\nsortlist 1\nnameserver\n",
        );
        let texts = |list: &[&str]| list.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        assert_eq!(dns.nameservers, texts(&["10.0.0.1", "fd00::1"]));
        assert_eq!(
            (dns.domain.as_str(), dns.search),
            ("a.b", texts(&["c", "d"]))
        );
        assert_eq!(dns.options, texts(&["ndots:5", "rotate"]));
        assert_eq!(parse(""), Dns::default());
    }

    #[test]
    fn a_missing_file_and_a_huge_one_are_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("resolv.conf");
        assert!(read(&path).unwrap_err().to_string().contains("resolv.conf"));
        whole_file::write(&path, "#".repeat((64 << 10) + 1).as_bytes()).unwrap();
        assert!(read(&path).is_err());
    }
}
