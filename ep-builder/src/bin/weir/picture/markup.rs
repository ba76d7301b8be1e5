//! Elements of a page or a picture. Names are ours and stand in the code; text and values may come from anybody, and
//! none of it can end the place where it stands.

use std::fmt::{Display, Write};

use super::text::shown;

/// An element, with what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Element {
    name: &'static str,
    attributes: Vec<(&'static str, String)>,
    content: Vec<Content>,
    /// One that HTML knows to have no end.
    is_void: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    Element(Element),
    Text(String),
    /// Ours, and to be read as it is: a style.
    Verbatim(&'static str),
}

impl Element {
    /// An element of this name.
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            attributes: Vec::new(),
            content: Vec::new(),
            is_void: false,
        }
    }

    /// One with a class, by which the style knows it.
    pub(crate) fn class(name: &'static str, class: &'static str) -> Self {
        Self::new(name).with("class", class)
    }

    /// One of HTML's that have no end.
    pub(crate) fn void(name: &'static str) -> Self {
        Self {
            is_void: true,
            ..Self::new(name)
        }
    }

    /// One with text that is not escaped. It must not have its own end in it.
    pub(super) fn verbatim(name: &'static str, text: &'static str) -> Self {
        let mut element = Self::new(name);
        element.content.push(Content::Verbatim(text));
        element
    }

    /// The element with an attribute.
    pub(crate) fn with(mut self, name: &'static str, value: impl Display) -> Self {
        self.attributes.push((name, value.to_string()));
        self
    }

    /// The element with text behind what is in it.
    pub(crate) fn text(mut self, text: &str) -> Self {
        self.content.push(Content::Text(text.to_owned()));
        self
    }

    /// The element with another behind what is in it.
    pub(crate) fn child(mut self, child: Self) -> Self {
        self.content.push(Content::Element(child));
        self
    }

    /// The element with others behind what is in it.
    pub(crate) fn children(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        let children = children.into_iter().map(Content::Element);
        self.content.extend(children);
        self
    }

    /// As it stands in a file.
    pub(crate) fn markup(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    fn write(&self, to: &mut String) {
        to.push('<');
        to.push_str(self.name);
        for (name, value) in &self.attributes {
            write!(to, " {name}=\"{}\"", escaped(value)).unwrap_or_default();
        }
        to.push('>');
        if self.is_void {
            return;
        }
        // A line for each, so that two pictures can be compared; but no space may come into text.
        let has_lines = self
            .content
            .iter()
            .all(|it| matches!(it, Content::Element(_)));
        for content in &self.content {
            if has_lines {
                to.push('\n');
            }
            match content {
                Content::Element(element) => element.write(to),
                Content::Text(text) => to.push_str(&escaped(text)),
                Content::Verbatim(text) => to.push_str(text),
            }
        }
        if has_lines && !self.content.is_empty() {
            to.push('\n');
        }
        write!(to, "</{}>", self.name).unwrap_or_default();
    }
}

/// Text that means nothing to a reader of HTML or XML, between tags and between quotes.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in shown(text).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_can_end_its_place() {
        let check = |text: &str, expected: &str| {
            let element = Element::new("p").with("title", text).text(text);
            let want = format!("<p title=\"{expected}\">{expected}</p>");
            assert_eq!(element.markup(), want, "{text:?}");
        };
        check("web-0", "web-0");
        check(
            "</title><script>alert(1)</script>",
            "&lt;/title&gt;&lt;script&gt;alert(1)&lt;/script&gt;",
        );
        check("\" onload=\"x()\" '", "&quot; onload=&quot;x()&quot; &#39;");
        check("a&amp;b", "a&amp;amp;b");
        check("]]>--><!--", "]]&gt;--&gt;&lt;!--");
        check("a\0b\u{1b}[31m\u{202e}c", "a\\u{0}b\\u{1b}[31m\\u{202e}c");
        check("\u{ffff}\u{fffe}", "\\u{ffff}\\u{fffe}");
    }

    #[test]
    fn elements_stand_in_lines_and_text_stays_as_it_is() {
        let text = Element::new("text").text("a ").child(Element::new("b"));
        let all = Element::new("g")
            .child(text)
            .children([Element::void("br"), Element::class("i", "x")]);
        assert_eq!(
            all.markup(),
            "<g>\n<text>a <b></b></text>\n<br>\n<i class=\"x\"></i>\n</g>"
        );
    }
}
