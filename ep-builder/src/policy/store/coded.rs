//! Values as bytes behind one another, and back: numbers little-endian, lists behind their length, each text once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// What can be written and read again.
pub(super) trait Coded: Sized {
    /// Writes itself behind what is there.
    fn put(&self, out: &mut Writer);

    /// Reads itself; none if these are no bytes of such a value.
    fn get(from: &mut Reader<'_>) -> Option<Self>;
}

/// Bytes in the making: texts go into a table, and the values have their places there.
#[derive(Debug, Default)]
pub(super) struct Writer {
    texts: Vec<u8>,
    places: HashMap<String, u32>,
    values: Vec<u8>,
}

impl Writer {
    /// The table of texts, then the values.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        let count = length(self.places.len());
        [&count.to_le_bytes()[..], &self.texts, &self.values].concat()
    }

    fn put_text(&mut self, text: &str) {
        let place = self.places.get(text).copied();
        let place = place.unwrap_or_else(|| self.add_text(text));
        place.put(self);
    }

    fn add_text(&mut self, text: &str) -> u32 {
        let place = length(self.places.len());
        self.texts.extend(length(text.len()).to_le_bytes());
        self.texts.extend(text.as_bytes());
        self.places.insert(text.to_owned(), place);
        place
    }
}

/// A list of more does not fit memory: documents have 64 MiB at most.
fn length(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Bytes that are not read yet.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    texts: Vec<Text<'a>>,
    values: &'a [u8],
}

/// A text, and, once somebody asked for one, the copy that all share.
#[derive(Debug)]
struct Text<'a> {
    text: &'a str,
    shared: Option<Arc<str>>,
}

impl<'a> Reader<'a> {
    /// Reads the table of texts.
    pub(super) fn new(bytes: &'a [u8]) -> Option<Self> {
        let mut this = Self {
            texts: Vec::new(),
            values: bytes,
        };
        for _ in 0..u32::get(&mut this)? {
            let length = usize::try_from(u32::get(&mut this)?).ok()?;
            let (text, behind) = this.values.split_at_checked(length)?;
            this.values = behind;
            this.texts.push(Text {
                text: std::str::from_utf8(text).ok()?,
                shared: None,
            });
        }
        Some(this)
    }

    /// Whether nothing is left.
    pub(super) fn is_at_end(&self) -> bool {
        self.values.is_empty()
    }

    fn text(&mut self) -> Option<&mut Text<'a>> {
        let place = usize::try_from(u32::get(self)?).ok()?;
        self.texts.get_mut(place)
    }

    /// As many as a length before them says. A length that lies costs no more memory than there are bytes.
    fn many<T: Coded, C: FromIterator<T>>(&mut self) -> Option<C> {
        let count = u32::get(self)?;
        (0..count).map(|_| T::get(self)).collect()
    }
}

fn put_many<'a, T: Coded + 'a>(out: &mut Writer, all: impl ExactSizeIterator<Item = &'a T>) {
    length(all.len()).put(out);
    for one in all {
        one.put(out);
    }
}

macro_rules! numbers {
    ($($number:ty)*) => {$(
        impl Coded for $number {
            fn put(&self, out: &mut Writer) {
                out.values.extend(self.to_le_bytes());
            }

            fn get(from: &mut Reader<'_>) -> Option<Self> {
                let (own, behind) = from.values.split_first_chunk()?;
                from.values = behind;
                Some(Self::from_le_bytes(*own))
            }
        }
    )*};
}

numbers! { u8 u16 u32 u128 }

impl Coded for bool {
    fn put(&self, out: &mut Writer) {
        u8::from(*self).put(out);
    }

    fn get(from: &mut Reader<'_>) -> Option<Self> {
        match u8::get(from)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl Coded for String {
    fn put(&self, out: &mut Writer) {
        out.put_text(self);
    }

    fn get(from: &mut Reader<'_>) -> Option<Self> {
        from.text().map(|text| text.text.to_owned())
    }
}

impl Coded for Arc<str> {
    fn put(&self, out: &mut Writer) {
        out.put_text(self);
    }

    fn get(from: &mut Reader<'_>) -> Option<Self> {
        let text = from.text()?;
        let shared = text.shared.get_or_insert_with(|| text.text.into());
        Some(Self::clone(shared))
    }
}

impl<T: Coded> Coded for Option<T> {
    fn put(&self, out: &mut Writer) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }

    fn get(from: &mut Reader<'_>) -> Option<Self> {
        if bool::get(from)? {
            T::get(from).map(Some)
        } else {
            Some(None)
        }
    }
}

impl<T: Coded> Coded for Vec<T> {
    fn put(&self, out: &mut Writer) {
        put_many(out, self.iter());
    }

    fn get(from: &mut Reader<'_>) -> Option<Self> {
        from.many()
    }
}

impl<T: Coded + Ord> Coded for BTreeSet<T> {
    fn put(&self, out: &mut Writer) {
        put_many(out, self.iter());
    }

    fn get(from: &mut Reader<'_>) -> Option<Self> {
        from.many()
    }
}

impl<K: Coded + Ord, V: Coded> Coded for BTreeMap<K, V> {
    fn put(&self, out: &mut Writer) {
        length(self.len()).put(out);
        for (key, value) in self {
            key.put(out);
            value.put(out);
        }
    }

    fn get(from: &mut Reader<'_>) -> Option<Self> {
        let count = u32::get(from)?;
        let mut pairs = (0..count).map(|_| Some((K::get(from)?, V::get(from)?)));
        pairs.by_ref().collect()
    }
}
