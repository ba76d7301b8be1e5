//! Places on the plane, and what lines of words and edges are before they are drawn.

use super::style::Tone;
use super::text::{BODY, SMALL};

/// A place, in pixels from the left and from the top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    /// From the left.
    pub(crate) x: i32,
    /// From the top.
    pub(crate) y: i32,
}

/// A part of the plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Area {
    /// From the left.
    pub(crate) x: i32,
    /// From the top.
    pub(crate) y: i32,
    /// To the right.
    pub(crate) width: i32,
    /// Down.
    pub(crate) height: i32,
}

impl Area {
    /// The middle of its left side, where edges arrive.
    pub(crate) fn left(self) -> Point {
        Point {
            x: self.x,
            y: self.y + self.height / 2,
        }
    }

    /// The middle of its right side, where edges leave.
    pub(crate) fn right(self) -> Point {
        Point {
            x: self.x + self.width,
            y: self.y + self.height / 2,
        }
    }
}

/// How words look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Face {
    /// What a thing is called.
    Strong,
    /// What is told of it.
    Plain,
    /// What is told beside it.
    Muted,
    /// Names and numbers of the machine.
    Code,
    /// Small, in the colour of what stands around it.
    Toned,
}

impl Face {
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Strong => "strong",
            Self::Plain => "plain",
            Self::Muted => "small muted",
            Self::Code => "code",
            Self::Toned => "small toned",
        }
    }

    /// The size in pixels.
    pub(crate) fn size(self) -> i32 {
        match self {
            Self::Strong | Self::Plain => BODY,
            Self::Muted | Self::Code | Self::Toned => SMALL,
        }
    }
}

/// A line of words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// How it looks.
    pub(crate) face: Face,
    /// What it says, before it is cut to its room.
    pub(crate) text: String,
}

impl Line {
    /// A line that looks so.
    pub(crate) fn new(face: Face, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { face, text }
    }
}

/// How an edge is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stroke {
    /// With an arrow at its end.
    Arrow,
    /// With no arrow: what belongs together.
    Line,
}

/// From one place to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edge {
    /// Where it begins.
    pub(crate) from: Point,
    /// Where it ends.
    pub(crate) to: Point,
    /// Its colour.
    pub(crate) tone: Tone,
    /// How it is drawn.
    pub(crate) stroke: Stroke,
    /// Words in its middle; none for the empty text.
    pub(crate) label: String,
    /// What it is, for those who point at it or have it read.
    pub(crate) title: String,
}
