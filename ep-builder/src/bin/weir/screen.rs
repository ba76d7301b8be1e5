//! Output: stdout is data, stderr is talk. The only place that writes either.

use std::io::{self, Write};

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::failure::Failure;

/// What is asked for with `-o`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// A table with the columns that matter most
    #[default]
    Table,
    /// A table with all columns
    Wide,
    /// JSON, stable
    Json,
    /// The same as YAML
    Yaml,
    /// A picture, of what can be drawn
    Svg,
    /// A page with the picture, whole in one file
    Html,
}

/// How data is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// A table with the columns that matter most.
    Table,
    /// A table with all columns.
    Wide,
    /// JSON, stable.
    Json,
    /// The same as YAML.
    Yaml,
}

/// How a picture is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Picture {
    /// Alone.
    Svg,
    /// On a page.
    Html,
}

impl Output {
    /// The picture that is asked for; none where it is data.
    pub(crate) fn picture(self) -> Option<Picture> {
        match self {
            Self::Svg => Some(Picture::Svg),
            Self::Html => Some(Picture::Html),
            Self::Table | Self::Wide | Self::Json | Self::Yaml => None,
        }
    }

    /// The data beside it, where it is a picture.
    fn format(self) -> Format {
        match self {
            Self::Table | Self::Svg | Self::Html => Format::Table,
            Self::Wide => Format::Wide,
            Self::Json => Format::Json,
            Self::Yaml => Format::Yaml,
        }
    }
}

/// Where output goes, and how.
pub(crate) struct Screen {
    format: Format,
    picture: Option<Picture>,
}

/// A table of text.
pub(crate) struct Columns {
    /// The headings; those behind `wide` are for `-o wide` only.
    pub(crate) headings: &'static [&'static str],
    /// How many columns the plain table has.
    pub(crate) plain: usize,
    /// The rows, each with all columns.
    pub(crate) rows: Vec<Vec<String>>,
    /// What to say when there is no row: what would make one.
    pub(crate) empty: &'static str,
}

impl Screen {
    pub(crate) fn new(output: Output) -> Self {
        Self {
            format: output.format(),
            picture: output.picture(),
        }
    }

    /// The picture that is asked for; none where it is data. Whoever does not draw is never asked for one.
    pub(crate) fn picture(&self) -> Option<Picture> {
        self.picture
    }

    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Prints a list: as a table, or as an array of `items`.
    pub(crate) fn list<T: Serialize>(&self, items: &[T], columns: &Columns) -> Result<(), Failure> {
        match self.format {
            Format::Json | Format::Yaml => self.value(&items),
            Format::Table | Format::Wide if columns.rows.is_empty() => {
                talk(columns.empty);
                Ok(())
            }
            Format::Table => self.table(columns.headings, columns.plain, &columns.rows),
            Format::Wide => self.table(columns.headings, columns.headings.len(), &columns.rows),
        }
    }

    /// Prints one thing: as lines of name and value, or as an object.
    pub(crate) fn object<T: Serialize>(
        &self,
        item: &T,
        lines: &[(&str, String)],
    ) -> Result<(), Failure> {
        if matches!(self.format, Format::Json | Format::Yaml) {
            return self.value(item);
        }
        let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let text: String = lines
            .iter()
            .map(|(name, value)| {
                format!("{name:width$}  {}", printable(value))
                    .trim_end()
                    .to_owned()
                    + "\n"
            })
            .collect();
        self.data(&text)
    }

    /// Prints a value as JSON, or as YAML if that was asked for.
    pub(crate) fn value<T: Serialize>(&self, value: &T) -> Result<(), Failure> {
        let text = match self.format {
            Format::Yaml => {
                serde_saphyr::to_string(value).map_err(|e| Failure::Print(io::Error::other(e)))?
            }
            _ => serde_json::to_string_pretty(value).map_err(|e| Failure::Print(e.into()))?,
        };
        self.data(&(text.trim_end().to_owned() + "\n"))
    }

    /// Prints text as it is.
    pub(crate) fn data(&self, text: &str) -> Result<(), Failure> {
        self.more(text).map(|_is_read| ())
    }

    /// Prints text of which there is no end; false when the reader has seen enough: `weir ... | head`.
    #[expect(
        clippy::unused_self,
        reason = "whoever holds the screen may write to it"
    )]
    pub(crate) fn more(&self, text: &str) -> Result<bool, Failure> {
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
            other => other.map(|()| true).map_err(Failure::Print),
        }
    }

    fn table(
        &self,
        headings: &[&str],
        columns: usize,
        rows: &[Vec<String>],
    ) -> Result<(), Failure> {
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(headings.iter().take(columns));
        for row in rows {
            table.add_row(row.iter().take(columns).map(|cell| printable(cell)));
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        let text: String = table
            .lines()
            .map(|line| line.trim_end().to_owned() + "\n")
            .collect();
        self.data(&text)
    }
}

/// Text from outside must not steer the terminal.
pub(crate) fn printable(text: &str) -> String {
    let escape = |c: char| {
        if c.is_control() {
            c.escape_default().to_string()
        } else {
            c.to_string()
        }
    };
    text.chars().map(escape).collect()
}

/// Says something to the person; not data. A stderr that is gone is no failure.
pub(crate) fn talk(text: &str) {
    writeln!(io::stderr().lock(), "{text}").unwrap_or_default();
}
