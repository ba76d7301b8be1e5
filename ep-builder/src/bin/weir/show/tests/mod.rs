//! Pages and pictures of nodes that never were: a small one, one with 250 pods, and ones whose names mean harm.

mod nodes;

use ep_builder::endpoint::{EndpointId, Pod};

use super::scene::{Scene, Stand};
use super::{gather, layout, page, text};
use crate::policy::reach::tests::{by_address, relations};
use nodes::{allow, node};

const HOSTILE: &str = "</title><script>alert(1)</script>\" onload='x()'\u{202e}\u{0}";

/// The numbers of an attribute of every tag that begins so.
fn attribute(text: &str, tag: &str, name: &str) -> Vec<i32> {
    let tags = text.split('<').filter_map(|it| it.strip_prefix(tag));
    let key = format!(" {name}=\"");
    tags.filter_map(|tag| {
        let (_, value) = tag.split_once('>')?.0.split_once(&key)?;
        value.split_once('"')?.0.parse().ok()
    })
    .collect()
}

/// The rectangles of all boxes: where, and how large.
fn boxes(svg: &str) -> Vec<[i32; 4]> {
    let groups = svg.split("<g class=\"box ").skip(1);
    let first = |group: &str, name: &str| attribute(group, "rect", name)[0];
    groups
        .map(|group| ["x", "y", "width", "height"].map(|name| first(group, name)))
        .collect()
}

fn meet([x, y, width, height]: [i32; 4], [left, top, wide, high]: [i32; 4]) -> bool {
    x < left + wide && left < x + width && y < top + high && top < y + height
}

#[test]
fn nothing_in_a_picture_covers_anything_else() {
    let check = |scene: &Scene| {
        let svg = layout::draw(scene).svg();
        let boxes = boxes(&svg);
        assert!(
            boxes.len() >= scene.endpoints.len().min(2) * 2,
            "{}",
            boxes.len()
        );
        for (index, one) in boxes.iter().enumerate() {
            for other in &boxes[index + 1..] {
                assert!(!meet(*one, *other), "{one:?} {other:?}");
            }
        }
        let (width, height) = (
            attribute(&svg, "svg", "width")[0],
            attribute(&svg, "svg", "height")[0],
        );
        for [x, y, wide, high] in boxes {
            assert!(x >= 0 && y >= 0 && x + wide <= width && y + high <= height);
        }
        for (x, y) in attribute(&svg, "text", "x")
            .into_iter()
            .zip(attribute(&svg, "text", "y"))
        {
            assert!(
                (0..=width).contains(&x) && (0..=height).contains(&y),
                "{x} {y}"
            );
        }
    };
    for pods in [0, 1, 2, 14, 15, 250] {
        check(&node(pods));
    }
    check(&node(3).of(EndpointId::new(2).unwrap()).unwrap());
}

#[test]
fn a_node_of_250_pods_is_a_page_that_can_be_read() {
    let mut scene = node(250);
    for number in [7_usize, 8, 9] {
        scene.endpoints[number].row.problem = Some("its hook is empty".to_owned());
    }
    for (from, to) in (1..=250)
        .flat_map(|from| (1..=250).map(move |to| (from, to)))
        .step_by(13)
    {
        allow(&mut scene, from, to);
    }
    let page = page::html(&scene, None, &[]);
    let svg = layout::draw(&scene).svg();
    assert!(page.len() < 2_000_000, "{}", page.len());
    assert!(svg.len() < 100_000, "{}", svg.len());
    assert!(attribute(&svg, "svg", "height")[0] < 1_500);
    for number in 1..=250 {
        assert!(page.contains(&format!(">shop/web-{number}<")), "{number}");
    }
    for name in ["shop/web-8<", "shop/web-9<", "shop/web-10<"] {
        assert!(svg.contains(name), "{name}");
    }
    assert_eq!(svg.matches("pods alike").count(), 2);
    assert!(page.contains("endpoint 8, shop/web-8: its hook is empty"));
}

#[test]
fn names_that_mean_harm_are_names() {
    let tags = |text: &str| {
        text.split('<')
            .skip(1)
            .filter_map(|it| Some(it.split(['>', ' ']).next()?.to_owned()))
            .collect::<Vec<_>>()
    };
    let plain = || {
        let mut scene = node(2);
        allow(&mut scene, 1, 2);
        scene
    };
    let mut scene = plain();
    scene.host = HOSTILE.to_owned();
    scene.endpoints[0].row.pod = Some(Pod {
        namespace: HOSTILE.to_owned(),
        name: HOSTILE.to_owned(),
        uid: HOSTILE.to_owned(),
    });
    scene.endpoints[0].row.host_ifname = Some(HOSTILE.to_owned());
    scene.maps[0].name = HOSTILE.to_owned();
    scene.policy.allowed[0].traffic = HOSTILE.to_owned();
    for program in scene.programs.values_mut() {
        program.name = HOSTILE.to_owned();
    }
    assert_eq!(
        tags(&layout::draw(&scene).svg()),
        tags(&layout::draw(&plain()).svg())
    );
    let (hostile, harmless) = (
        page::html(&scene, None, &[]),
        page::html(&plain(), None, &[]),
    );
    assert_eq!(tags(&hostile), tags(&harmless));
}

#[test]
fn edges_of_policy_join_the_pods_of_their_identities() {
    let count = |scene: &Scene| layout::draw(scene).svg().matches("may reach").count();
    let mut scene = node(3);
    assert_eq!(count(&scene), 0);
    allow(&mut scene, 1, 2);
    allow(&mut scene, 2, 1);
    assert_eq!(count(&scene), 2);
    allow(&mut scene, 1, 1);
    assert_eq!(count(&scene), 2, "to itself");
    allow(&mut scene, 2, 1);
    assert_eq!(count(&scene), 2, "what is told twice is drawn once");
    scene.policy.allowed[0].from.others = vec!["192.0.2.0/24".to_owned()];
    assert_eq!(count(&scene), 3, "from a network");
    let svg = layout::draw(&scene).svg();
    assert!(svg.contains("<title>shop/web-1 may reach shop/web-2: tcp 80</title>"));
}

#[test]
fn edges_of_policy_say_between_which_addresses() {
    let out = by_address("Ingress", "cidr: 0.0.0.0/0, except: [11.0.0.0/8]");
    let allowed = gather::allowed(&relations(&out, &[("lab", "a", "a"), ("shop", "db", "db")]));
    let pods = allowed.iter().find(|it| !it.from.endpoints.is_empty());
    let pods = serde_json::to_value(pods.unwrap()).unwrap();
    assert_eq!(pods["traffic"], "any (IPv4)", "{pods}");
    assert_eq!(pods["only"][0]["family"], "IPv4", "{pods}");
}

#[test]
fn nobody_outside_reaches_anybody_outside() {
    let out = "apiVersion: weir.dev/v1alpha1
kind: WeirPolicy
metadata: {name: out}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
  - to: [{ipBlock: {cidr: 10.0.0.0/8}}]
";
    for row in gather::allowed(&relations(out, &[("lab", "a", "a"), ("shop", "db", "db")])) {
        assert!(row.from.others.iter().all(|it| it == "the node"), "{row:?}");
    }
}

#[test]
fn one_endpoint_is_shown_with_what_it_uses() {
    let mut scene = node(3);
    allow(&mut scene, 1, 2);
    allow(&mut scene, 3, 1);
    let id = EndpointId::new(2).unwrap();
    let scene = scene.of(id).unwrap();
    assert_eq!(scene.endpoints.len(), 1);
    assert_eq!(
        scene.tails.iter().map(|it| it.map).collect::<Vec<_>>(),
        [900]
    );
    assert_eq!(
        scene.maps.iter().map(|it| it.id).collect::<Vec<_>>(),
        [1000, 2001]
    );
    assert_eq!(scene.programs.len(), 22 + 2 + 2);
    assert_eq!(scene.policy.allowed.len(), 1);
    assert!(scene.devices.is_empty() && scene.sockets.is_empty());
    let rule = [
        "2", "ingress", "257", "tcp", "80", "allow", "1", "17", "900",
    ];
    let rule: Vec<_> = rule.into_iter().map(str::to_owned).collect();
    let page = page::html(&scene, Some(id), &[rule]);
    for text in [
        "<h1>shop/web-2</h1>",
        "k8s:app=web-2",
        "Entries of its policy",
        "<td>17</td>",
    ] {
        assert!(page.contains(text), "{text}");
    }
    assert!(node(3).of(EndpointId::new(4).unwrap()).is_none());
}

#[test]
fn the_table_tells_who_stands_where() {
    let mut scene = node(1);
    let stranger = Stand {
        ours: false,
        kind: "flower".to_owned(),
        priority: Some(7),
        program: None,
        note: "flower at priority 7".to_owned(),
    };
    scene.endpoints[0].hooks[0].standing.insert(0, stranger);
    scene.endpoints[0].hooks[1].standing.clear();
    let rows = text::rows(&scene);
    let rows: Vec<_> = rows
        .iter()
        .map(|row| row[..text::PLAIN].join(" "))
        .collect();
    let expected = [
        "lxc000000000001 ingress 7 - flower not weir's -",
        "lxc000000000001 ingress 1 10 handle_10 1 shop/web-1 22",
        "lxc000000000001 egress - - to-container is missing 1 shop/web-1 -",
        "weir_host ingress 1 700 handle_700 node 6",
        "weir_host egress 1 701 handle_701 node 6",
        "eth0 ingress 1 710 handle_710 node 6",
        "eth0 egress 1 711 handle_711 node 6",
        "cgroup cgroup 1 720 handle_720 node -",
    ];
    assert_eq!(rows, expected);
    let svg = layout::draw(&scene).svg();
    assert!(svg.contains("from-container #10 +1<") && svg.contains("to-container missing"));
    assert!(
        svg.contains("<g class=\"box red\">"),
        "a hook without a program is wrong"
    );
}
