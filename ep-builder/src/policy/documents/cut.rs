//! One document taken out of its file, with every other byte kept.

use std::ops::Range;

use granit_parser::StructureStyle;

use super::tree::{Node, Value};
use super::{DocumentError, Documents, Source, SourceFile, parse};

/// A document that cannot be taken out of its file.
#[derive(Debug, thiserror::Error)]
pub enum CutError {
    /// What would be left is no longer right: an alias may have lost its anchor.
    #[error("cannot take {what} out of {file}")]
    Rest {
        /// Kind and name.
        what: String,
        /// The file.
        file: String,
        /// What would be wrong.
        source: DocumentError,
    },
    /// What would be left says something else than before.
    #[error("cannot take {what} out of {file}: the other documents there would change")]
    Changed {
        /// Kind and name.
        what: String,
        /// The file.
        file: String,
    },
}

impl CutError {
    /// What to do about it.
    pub fn advice(&self) -> &'static str {
        "take the document out of the file by hand"
    }
}

impl Documents {
    /// The text of a document's file without it; none if nothing but it is in there.
    pub fn without(&self, source: &Source) -> Result<Option<String>, CutError> {
        let Some(file) = self.files.get(source.file) else {
            return Ok(None);
        };
        let mut others = self
            .sources
            .iter()
            .filter(|other| other.file == source.file);
        if others.all(|other| other == source) {
            return Ok(None);
        }
        let before = file.text.get(..source.span.start).unwrap_or_default();
        let behind = file.text.get(source.span.end..).unwrap_or_default();
        let text = format!("{before}{behind}");
        self.check_rest(source, file, &text)?;
        Ok(Some(text))
    }

    fn check_rest(&self, source: &Source, file: &SourceFile, text: &str) -> Result<(), CutError> {
        let what = format!("{} {}", source.kind, source.name);
        let name = file.path.display().to_string();
        let is_other = |other: &&Source| other.file == source.file && *other != source;
        let expected: Vec<_> = self.sources.iter().filter(is_other).map(key).collect();
        let rest = parse(vec![SourceFile {
            path: file.path.clone(),
            text: text.into(),
        }]);
        match rest {
            Err(cause) => Err(CutError::Rest {
                what,
                file: name,
                source: cause,
            }),
            Ok(rest) if rest.sources.iter().map(key).eq(expected) => Ok(()),
            Ok(_) => Err(CutError::Changed { what, file: name }),
        }
    }
}

fn key(source: &Source) -> (super::DocumentKind, &str, &str) {
    (source.kind, &source.namespace, &source.name)
}

/// What to take out for each item of a list, so that the others remain one.
pub(super) fn item_spans(text: &str, list: &Node) -> Vec<Range<usize>> {
    let Value::List(items, style) = &list.value else {
        return Vec::new();
    };
    if *style == StructureStyle::Flow {
        let spans = items
            .iter()
            .map(|item| with_comma(text, item.mark.byte..item.end));
        return spans.collect();
    }
    let starts: Vec<_> = items
        .iter()
        .map(|item| line_of_dash(text, item.mark.byte))
        .collect();
    let ends = starts
        .iter()
        .copied()
        .skip(1)
        .chain([line_start(text, list.end)]);
    starts
        .iter()
        .zip(ends)
        .map(|(start, end)| *start..end.max(*start))
        .collect()
}

/// With the comma behind it, or before it where it is the last one.
fn with_comma(text: &str, item: Range<usize>) -> Range<usize> {
    let behind = text.get(item.end..).unwrap_or_default();
    let gap = behind.len() - behind.trim_start().len();
    if behind.trim_start().starts_with(',') {
        return item.start..item.end + gap + 1;
    }
    let before = text.get(..item.start).unwrap_or_default().trim_end();
    let start = if before.ends_with(',') {
        before.len() - 1
    } else {
        item.start
    };
    start..item.end
}

/// The beginning of the line with the dash before an item.
fn line_of_dash(text: &str, item: usize) -> usize {
    let before = text.get(..item).unwrap_or_default();
    line_start(text, before.rfind('-').unwrap_or(item))
}

/// The beginning of a line; the end of the text is one.
fn line_start(text: &str, byte: usize) -> usize {
    if byte >= text.len() {
        return text.len();
    }
    let before = text.get(..byte).unwrap_or_default();
    before.rfind('\n').map_or(0, |at| at + 1)
}
