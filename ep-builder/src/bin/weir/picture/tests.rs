//! A picture and a page with everything in them, and with names that would like to be more.

use super::*;

const HOSTILE: [&str; 8] = [
    "</title></svg><script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onfocus='alert(1)' autofocus='",
    "</style><script>alert(1)</script><style>",
    "]]><script>alert(1)</script><![CDATA[",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "javascript:alert(1)",
    "\u{202e}\u{0}\u{1b}]0;x\u{7}\u{ffff}",
];

fn drawing(name: &str) -> Drawing {
    let mut drawing = Drawing::new(name, name);
    let left = Area {
        x: 20,
        y: 40,
        width: 120,
        height: Drawing::box_height(2),
    };
    let right = Area { x: 240, ..left };
    let whole = Area {
        x: 10,
        y: 10,
        width: 380,
        height: 120,
    };
    drawing.panel(whole, name);
    let lines = [Line::new(Face::Strong, name), Line::new(Face::Code, name)];
    drawing.boxed(left, Tone::Blue, &lines, name);
    drawing.boxed(right, Tone::Green, &lines, name);
    drawing.edge(&Edge {
        from: left.right(),
        to: right.left(),
        tone: Tone::Amber,
        stroke: Stroke::Arrow,
        label: name.to_owned(),
        title: name.to_owned(),
    });
    drawing.bar(
        Area {
            y: 100,
            height: 8,
            ..left
        },
        Tone::Red,
        250,
        name,
    );
    drawing.words(Point { x: 160, y: 104 }, 60, &Line::new(Face::Muted, name));
    drawing.words_before(Point { x: 380, y: 104 }, 60, &Line::new(Face::Toned, name));
    drawing.rule(Point { x: 10, y: 140 }, Point { x: 390, y: 140 });
    drawing
}

fn page(name: &str) -> String {
    let mut page = Page::new(name, name, name);
    page.heading(name);
    page.note(name);
    page.facts(&[Fact {
        value: name.to_owned(),
        name: name.to_owned(),
        tone: Tone::Green,
    }]);
    page.wrong(&[name.to_owned()]);
    page.picture(&drawing(name));
    let cells = vec![Cell::text(name), Cell::code(name), Cell::number(name)];
    page.details(
        name,
        true,
        table(name, &["NAME", "CODE", "NUMBER"], &[cells]),
    );
    page.html()
}

/// The tags of a text, each with its attributes, and nothing of what stands between.
pub(crate) fn tags(text: &str) -> Vec<String> {
    let parts = text.split('<').skip(1);
    parts
        .map(|part| {
            let (tag, _) = part.split_once('>').expect("every tag is closed");
            // Values are the only place where somebody else's words stand.
            let mut outside = tag.split('"').step_by(2);
            outside.next().unwrap_or_default().to_owned() + &outside.collect::<String>()
        })
        .collect()
}

#[test]
fn a_name_adds_neither_a_tag_nor_an_attribute() {
    for name in HOSTILE {
        assert_eq!(tags(&page(name)), tags(&page("web-0")), "{name}");
        let (hostile, plain) = (drawing(name).svg(), drawing("web-0").svg());
        assert_eq!(tags(&hostile), tags(&plain), "{name}");
        let is_clean = |c: char| !c.is_control() || c == '\n';
        assert!(page(name).chars().all(is_clean), "{name:?}");
    }
}

#[test]
fn a_picture_is_always_the_same_bytes() {
    let expected = concat!(
        "<g class=\"edge amber\">\n<title>web-0</title>\n",
        "<path d=\"M140 64C186 64 187 64 233 64\"></path>\n",
        "<polygon points=\"240,64 233,61 233,67\"></polygon>\n",
        "<text class=\"small toned middle\" x=\"190\" y=\"64\">web-0</text>\n</g>\n",
        "<g class=\"bar red\">\n<title>web-0</title>\n",
        "<rect x=\"20\" y=\"100\" width=\"120\" height=\"8\" rx=\"3\" class=\"track\"></rect>\n",
        "<rect x=\"20\" y=\"100\" width=\"30\" height=\"8\" rx=\"3\" class=\"fill\"></rect>\n</g>\n",
    );
    let svg = drawing("web-0").svg();
    assert!(svg.contains(expected), "{svg}");
    assert_eq!(svg, drawing("web-0").svg());
    let head = "<svg viewBox=\"0 0 406 156\" width=\"406\" height=\"156\" role=\"img\" aria-label=\"web-0\" xmlns=\"http://www.w3.org/2000/svg\">\n<title>web-0</title>\n<desc>web-0</desc>\n<style>";
    assert!(svg.starts_with(head), "{svg}");
}

#[test]
fn a_page_is_whole_and_obeys_one_style() {
    let page = page("web-0");
    assert!(
        page.starts_with("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")
    );
    assert!(page.contains("<title>web-0</title>"));
    let policy = "content=\"default-src &#39;none&#39;; style-src &#39;sha256-";
    assert!(page.contains(policy), "{page}");
    for tag in tags(&page) {
        let name = tag.split(' ').next().unwrap_or_default();
        let asks = [
            "script", "link", "img", "iframe", "object", "a", "form", "base", "use", "image",
        ];
        assert!(!asks.contains(&name), "{tag}");
        assert!(
            !tag.contains("href")
                && !tag.contains("src=")
                && !tag.contains(" on")
                && !tag.contains("style="),
            "{tag}"
        );
    }
}

#[test]
fn a_bar_shows_how_much() {
    let check = |thousandths: u32, expected: &str| {
        let mut drawing = Drawing::new("", "");
        let area = Area {
            x: 0,
            y: 0,
            width: 200,
            height: 8,
        };
        drawing.bar(area, Tone::Green, thousandths, "");
        let fill = format!("width=\"{expected}\" height=\"8\" rx=\"3\" class=\"fill\"");
        assert!(drawing.svg().contains(&fill), "{thousandths}");
    };
    for (thousandths, expected) in [
        (0, "0"),
        (1, "2"),
        (500, "100"),
        (1000, "200"),
        (4000, "200"),
    ] {
        check(thousandths, expected);
    }
}
