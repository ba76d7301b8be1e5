//! The cover against every row of small spaces, and the real list.

use std::collections::HashSet;

use super::*;

/// Every row of a space.
fn space(domains: &[usize]) -> Vec<Vec<usize>> {
    domains.iter().fold(vec![Vec::new()], |rows, &size| {
        let longer = |row: Vec<usize>| (0..size).map(move |v| [row.clone(), vec![v]].concat());
        rows.into_iter().flat_map(longer).collect()
    })
}

/// Checks a cover against every row of the space: only allowed rows, none twice, every possible pair.
fn check(domains: &[usize], allowed: impl Fn(&[usize]) -> bool) -> usize {
    let rows = cover(domains, &allowed);
    assert_eq!(rows, cover(domains, &allowed), "deterministic");
    assert!(rows.iter().all(|row| allowed(row)));
    assert_eq!(rows.iter().collect::<HashSet<_>>().len(), rows.len());
    let possible: Vec<_> = space(domains)
        .into_iter()
        .filter(|row| allowed(row))
        .collect();
    for pair in pairs(domains) {
        let wanted = possible.iter().any(|row| contains(row, &pair));
        let covered = rows.iter().any(|row| contains(row, &pair));
        assert_eq!(covered, wanted, "{domains:?} {pair:?}");
    }
    let mut sizes = domains.to_vec();
    sizes.sort_unstable_by(|a, b| b.cmp(a));
    let product: usize = sizes.iter().take(2).product();
    assert!(
        rows.len() <= 3 * product + 4,
        "{domains:?}: {} rows",
        rows.len()
    );
    rows.len()
}

#[test]
fn covers_every_pair_in_few_rows() {
    assert_eq!(check(&[], |_| true), 0);
    assert_eq!(check(&[3], |_| true), 3);
    assert_eq!(check(&[3, 4], |_| true), 12);
    assert_eq!(check(&[2, 0, 2], |_| true), 0);
    assert_eq!(check(&[1, 1, 1], |_| true), 1);
    assert!(check(&[2; 3], |_| true) <= 5);
    assert!(check(&[3; 4], |_| true) <= 13);
    assert!(check(&[2; 12], |_| true) <= 12);
    assert!(check(&[5, 4, 3, 2, 2, 2], |_| true) <= 26);
}

#[test]
fn keeps_to_what_is_allowed() {
    check(&[2; 6], |row| row[0] == 1 || row[1] == 0);
    check(&[2; 6], |row| row[0] + row[1] > 0);
    check(&[3; 5], |row| row[0] != row[1] && row[1] != row[2]);
    // A chain: the pair of the first and the last needs all between them.
    check(&[2; 8], |row| row.windows(2).all(|w| w[0] <= w[1]));
    // Far from the first row.
    check(&[3; 5], |row| row.iter().sum::<usize>() >= 8);
    check(&[2; 4], |_| false);
}

#[test]
fn shapes_are_valid_single_and_few() {
    let base = Shape::default();
    let shapes = shapes(&base);
    assert_eq!(shapes, super::shapes(&base), "deterministic");
    assert_eq!(shapes.first(), Some(&base));
    assert_eq!(shapes.iter().collect::<HashSet<_>>().len(), shapes.len());
    for (node, endpoint) in &shapes {
        assert_eq!(validate(node, endpoint), Ok(()));
    }
    println!("{} shapes", shapes.len());
    assert!(shapes.len() <= 48, "{} shapes", shapes.len());
}

/// Written down apart from `validate`: the pairs that no shape can have. Anything else is covered.
#[test]
fn shapes_cover_every_possible_pair() {
    let shapes = shapes(&Shape::default());
    let parameters: Vec<Parameter> = parameters().collect();
    let name = |p: usize| match &parameters[p] {
        Parameter::Switch(_) => ["ipv4", "ipv6"].get(p).copied().unwrap_or("feature"),
        Parameter::Option(spec) => spec.name,
    };
    let domains: Vec<usize> = parameters.iter().map(Parameter::values).collect();
    let read = |shape| parameters.iter().map(|p| p.read(shape)).collect();
    let rows: Vec<Vec<usize>> = shapes.iter().map(read).collect();
    let open: Vec<_> = pairs(&domains)
        .into_iter()
        .filter(|pair| !rows.iter().any(|row| contains(row, pair)))
        .map(|[(a, x), (b, y)]| (name(a), x, name(b), y))
        .collect();
    // Options of parts that are yet to come are off in every shape, so they pair with nothing.
    let later = ["DebugLB", "NAT46"];
    let is_on = |(a, x, b, y): &(&str, usize, &str, usize)| {
        later.contains(a) && *x > 0 || later.contains(b) && *y > 0
    };
    let with_later = pairs(&domains)
        .into_iter()
        .map(|[(a, x), (b, y)]| (name(a), x, name(b), y))
        .filter(is_on)
        .count();
    let (off, open): (Vec<_>, Vec<_>) = open.into_iter().partition(is_on);
    assert_eq!(off.len(), with_later);
    let impossible = [
        ("ipv4", 0, "ipv6", 0),
        ("Conntrack", 0, "ConntrackAccounting", 1),
        ("Conntrack", 0, "ConntrackLocal", 1),
    ];
    assert_eq!(open, impossible);
}

#[test]
fn shapes_hold_every_single_change_that_is_allowed() {
    let base = Shape::default();
    let shapes = shapes(&base);
    let mut missing = Vec::new();
    for parameter in parameters() {
        for value in (0..parameter.values()).filter(|&v| v != parameter.read(&base)) {
            let mut shape = base.clone();
            parameter.write(&mut shape, value).unwrap();
            if !shapes.contains(&shape) {
                missing.push(match &parameter {
                    Parameter::Switch(_) => "a switch",
                    Parameter::Option(spec) => spec.name,
                });
            }
        }
    }
    assert_eq!(
        missing,
        ["Conntrack", "DebugLB", "NAT46"],
        "accounting is on in the base and needs conntrack, the others are yet to come"
    );
}

#[test]
fn shapes_start_from_any_base() {
    let mut base = Shape::default();
    base.0.ipv6 = false;
    base.0.sizes.endpoints = 77;
    base.1.ct_any = 78;
    base.1.options.set("Conntrack", 0).unwrap();
    base.1.options.set("ConntrackAccounting", 0).unwrap();
    let shapes = shapes(&base);
    assert_eq!(shapes.first(), Some(&base));
    let kept = |(n, e): &Shape| n.sizes == base.0.sizes && e.ct_any == 78;
    assert!(shapes.iter().all(kept));
    assert!(
        shapes
            .iter()
            .any(|(n, e)| n.ipv6 && e.options.get("Debug") == Some(1))
    );
}

/// How many of the parameters differ.
fn distance(a: &Shape, b: &Shape) -> usize {
    parameters().filter(|p| p.read(a) != p.read(b)).count()
}

#[test]
fn neighbours_are_all_shapes_of_so_few_changes() {
    let mut base = Shape::default();
    base.0.sizes.endpoints = 77;
    assert_eq!(neighbours(&base, 0), std::slice::from_ref(&base));
    for changes in 0..=2 {
        let near = neighbours(&base, changes);
        assert_eq!(near.iter().collect::<HashSet<_>>().len(), near.len());
        for shape in &near {
            assert_eq!(validate(&shape.0, &shape.1), Ok(()));
            assert!(distance(&base, shape) <= changes, "{shape:?}");
            assert_eq!(shape.0.sizes, base.0.sizes);
        }
        // Told apart from how they are made: of all shapes that somebody else lists, those that are near.
        for shape in shapes(&base)
            .iter()
            .filter(|s| distance(&base, s) <= changes)
        {
            assert!(near.contains(shape), "{shape:?}");
        }
    }
    // Two values of two parameters each, but those that are refused.
    let mut shape = base.clone();
    shape.1.options.set("Conntrack", 0).unwrap();
    shape.1.options.set("ConntrackAccounting", 0).unwrap();
    assert!(neighbours(&base, 2).contains(&shape) && !neighbours(&base, 1).contains(&shape));
}
