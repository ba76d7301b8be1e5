//! YAML, and JSON as a part of it, to a tree of values that know their places. No value has a type yet but those
//! that the notation gives: what a plain word means is the core schema of YAML 1.2, in [`super::scalar`].

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, Span, StructureStyle};

use super::error::{MAX_MISTAKES, Problem, named};

/// How deep values may lie in one another. Policies need 12 levels.
pub(super) const MAX_DEPTH: usize = 64;
/// How many values a document may have, where what an alias stands for counts each time.
pub(super) const MAX_VALUES: usize = 1 << 19;

/// A place in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// From 1.
    pub(super) line: u32,
    /// From 1, in characters.
    pub(super) column: u32,
    /// From 0.
    pub(super) byte: usize,
}

/// A value and its place.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) mark: Mark,
    /// The byte behind it; for a list or a mapping in lines, some byte before what comes next.
    pub(super) end: usize,
    pub(super) value: Value,
    size: usize,
    depth: usize,
}

/// A value as the notation shows it.
#[derive(Debug)]
pub(super) enum Value {
    /// A word without quotes.
    Plain(String),
    /// Text in quotes, or in lines of its own.
    Quoted(String),
    /// A list.
    List(Vec<Rc<Node>>, StructureStyle),
    /// A mapping, in the order of the text.
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) mark: Mark,
    pub(super) value: Rc<Node>,
}

/// A document.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) root: Rc<Node>,
    /// From its `---`, or the file's beginning, to that of the next one.
    pub(super) span: Range<usize>,
}

/// Something that makes a tree wrong.
#[derive(Debug)]
pub(super) struct Flaw {
    pub(super) mark: Mark,
    pub(super) problem: Problem,
}

/// What a text holds: the documents up to the first flaw that leaves no way to go on, and all flaws.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) trees: Vec<Tree>,
    pub(super) flaws: Vec<Flaw>,
}

/// Reads all documents of a text.
pub(super) fn parse(text: &str) -> Parsed {
    let options = granit_parser::options! {
        disallow_directives: true,
        emit_comments: false,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    let mut builder = Builder::default();
    for event in Parser::new_from_str_with_options(text, options) {
        let taken = match event {
            Ok((event, span)) => builder.take(event, &span),
            Err(error) => {
                let problem = match error.kind() {
                    ErrorKind::RecursionLimitExceeded => Problem::TooDeep(MAX_DEPTH),
                    _ => Problem::Syntax(error.info()),
                };
                Err(Flaw::new(mark(error.marker()), problem))
            }
        };
        if let Err(flaw) = taken {
            builder.parsed.flaws.push(flaw);
            break;
        }
        if builder.parsed.flaws.len() > MAX_MISTAKES {
            break;
        }
    }
    if let Some(last) = builder.parsed.trees.last_mut() {
        last.span.end = text.len();
    }
    builder.parsed
}

/// A list or a mapping that has not ended.
struct Frame {
    mark: Mark,
    anchor: usize,
    kind: FrameKind,
}

enum FrameKind {
    List(Vec<Rc<Node>>, StructureStyle),
    Map(OpenMap),
}

#[derive(Default)]
struct OpenMap {
    entries: Vec<Entry>,
    /// The lines of the keys.
    lines: HashMap<String, u32>,
    /// The key whose value comes next.
    key: Option<(String, Mark)>,
}

#[derive(Default)]
struct Builder {
    parsed: Parsed,
    frames: Vec<Frame>,
    anchors: HashMap<usize, Rc<Node>>,
    start: usize,
    size: usize,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<(), Flaw> {
        let at = mark(&span.start);
        match event {
            Event::DocumentStart(explicit, _) => {
                let is_first = self.parsed.trees.is_empty();
                self.start = if is_first && !explicit { 0 } else { at.byte };
                if let Some(before) = self.parsed.trees.last_mut() {
                    before.span.end = self.start;
                }
                self.anchors.clear();
                self.size = 0;
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.is_some(), span);
                let text = text.into_owned();
                let value = match style {
                    ScalarStyle::Plain => Value::Plain(text),
                    _ => Value::Quoted(text),
                };
                self.count(1, at)?;
                self.put(Rc::new(Node::new(at, byte(&span.end), value)), anchor, at)
            }
            Event::SequenceStart(style, anchor, tag) => {
                self.refuse_tag(tag.is_some(), span);
                self.open(at, anchor, FrameKind::List(Vec::new(), style));
                Ok(())
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_tag(tag.is_some(), span);
                self.open(at, anchor, FrameKind::Map(OpenMap::default()));
                Ok(())
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(byte(&span.end)),
            Event::Alias(id) => {
                let node = self.anchors.get(&id).map(Rc::clone);
                let node = node.ok_or_else(|| Flaw::new(at, Problem::Alias))?;
                self.count(node.size, at)?;
                self.put(node, 0, at)
            }
            _ => Ok(()),
        }
    }

    fn refuse_tag(&mut self, has_tag: bool, span: &Span) {
        if has_tag {
            let at = mark(&span.tag_start().unwrap_or(span.start));
            self.parsed.flaws.push(Flaw::new(at, Problem::Tag));
        }
    }

    fn open(&mut self, mark: Mark, anchor: usize, kind: FrameKind) {
        self.frames.push(Frame { mark, anchor, kind });
    }

    fn close(&mut self, end: usize) -> Result<(), Flaw> {
        let Some(Frame { mark, anchor, kind }) = self.frames.pop() else {
            return Ok(());
        };
        let value = match kind {
            FrameKind::List(items, style) => Value::List(items, style),
            FrameKind::Map(map) => Value::Map(map.entries),
        };
        let node = Node::new(mark, end, value);
        if node.depth > MAX_DEPTH {
            return Err(Flaw::new(mark, Problem::TooDeep(MAX_DEPTH)));
        }
        self.count(1, mark)?;
        self.put(Rc::new(node), anchor, mark)
    }

    fn count(&mut self, values: usize, at: Mark) -> Result<(), Flaw> {
        self.size = self.size.saturating_add(values);
        if self.size > MAX_VALUES {
            return Err(Flaw::new(at, Problem::TooLarge(MAX_VALUES)));
        }
        Ok(())
    }

    /// Puts a value where it belongs: below the innermost list or mapping that is open.
    fn put(&mut self, node: Rc<Node>, anchor: usize, at: Mark) -> Result<(), Flaw> {
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        match self.frames.last_mut() {
            None => {
                let span = self.start..self.start;
                self.parsed.trees.push(Tree { root: node, span });
                Ok(())
            }
            Some(Frame {
                kind: FrameKind::List(items, _),
                ..
            }) => {
                items.push(node);
                Ok(())
            }
            Some(Frame {
                kind: FrameKind::Map(map),
                ..
            }) => map.put(node, at, &mut self.parsed.flaws),
        }
    }
}

impl OpenMap {
    fn put(&mut self, node: Rc<Node>, at: Mark, flaws: &mut Vec<Flaw>) -> Result<(), Flaw> {
        let Some((key, mark)) = self.key.take() else {
            self.key = Some((key_of(&node, at)?, at));
            return Ok(());
        };
        if let Some(&first) = self.lines.get(&key) {
            let key = named(&key);
            flaws.push(Flaw::new(mark, Problem::DuplicateKey { key, first }));
            return Ok(());
        }
        self.lines.insert(key.clone(), mark.line);
        self.entries.push(Entry {
            key,
            mark,
            value: node,
        });
        Ok(())
    }
}

/// Numbers and words that have another meaning are names as they are written, as they are to Kubernetes.
fn key_of(node: &Node, at: Mark) -> Result<String, Flaw> {
    let not_text = match &node.value {
        Value::Plain(text) if super::scalar::is_null(text) => "null",
        Value::Plain(text) | Value::Quoted(text) => return Ok(text.clone()),
        Value::List(..) => "a list",
        Value::Map(_) => "a mapping",
    };
    Err(Flaw::new(at, Problem::KeyNotText(not_text)))
}

impl Node {
    fn new(mark: Mark, end: usize, value: Value) -> Self {
        let mut node = Self {
            mark,
            end,
            value,
            size: 1,
            depth: 1,
        };
        let (size, depth) = node.members().fold((1_usize, 0), |(size, depth), member| {
            (size.saturating_add(member.size), depth.max(member.depth))
        });
        node.size = size;
        node.depth = depth + 1;
        node
    }

    fn members(&self) -> impl Iterator<Item = &Rc<Self>> {
        let (items, entries): (&[Rc<Self>], &[Entry]) = match &self.value {
            Value::List(items, _) => (items, &[]),
            Value::Map(entries) => (&[], entries),
            Value::Plain(_) | Value::Quoted(_) => (&[], &[]),
        };
        items.iter().chain(entries.iter().map(|entry| &entry.value))
    }
}

impl Flaw {
    fn new(mark: Mark, problem: Problem) -> Self {
        Self { mark, problem }
    }
}

fn mark(marker: &granit_parser::Marker) -> Mark {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Mark {
        line: number(marker.line()),
        column: number(marker.col()).saturating_add(1),
        byte: byte(marker),
    }
}

fn byte(marker: &granit_parser::Marker) -> usize {
    marker.byte_offset().unwrap_or_default()
}
