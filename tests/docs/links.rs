//! A page that another one names is there.

use weir_tests::node::repository;

use crate::blocks;

/// Pages named in a text: behind `](`, or between backquotes below `docs/`.
fn named(text: &str) -> Vec<String> {
    let links = text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    let links = links.filter(|link| !link.contains("://") && !link.starts_with('#'));
    let links = links.map(|link| link.split('#').next().unwrap_or_default().to_owned());
    links.filter(|link| !link.is_empty()).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut count = 0;
    for page in blocks::pages() {
        let path = repository(&page);
        for link in named(&blocks::text(&page)) {
            let target = path.parent().unwrap().join(&link);
            assert!(target.exists(), "{page}: {link}");
            count += 1;
        }
    }
    assert!(count > 10, "{count} links: the pages are read wrongly");
}

#[test]
fn links_are_found() {
    let text = "see [a](b.md), [c](../d.md#e), [f](https://g/h) and [i](#j)";
    assert_eq!(named(text), ["b.md", "../d.md"]);
}

/// Whoever looks for a page finds it in the index.
#[test]
fn the_index_has_every_page() {
    let index = named(&blocks::text("docs/README.md"));
    let pages = blocks::pages();
    let below = pages.iter().filter_map(|page| page.strip_prefix("docs/"));
    for page in below.filter(|page| *page != "README.md") {
        assert!(
            index.iter().any(|link| link == page),
            "docs/README.md lacks {page}"
        );
    }
}
