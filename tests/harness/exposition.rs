//! A strict reader of Prometheus' text format: what a careful scraper would refuse, it refuses.

use std::collections::{BTreeMap, BTreeSet};

/// What was read.
#[derive(Debug, Default)]
pub struct Exposition {
    /// The type of each metric.
    pub types: BTreeMap<String, String>,
    /// The value of each series, by name and labels as they are written.
    pub series: BTreeMap<String, f64>,
}

impl Exposition {
    /// Reads a text, or says which line is wrong.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut reader = Reader::default();
        if !text.is_empty() && !text.ends_with('\n') {
            return Err("the last line has no end".to_owned());
        }
        for (index, line) in text.lines().enumerate() {
            let wrong = |problem| format!("line {}: {problem}: {line}", index + 1);
            reader.line(line).map_err(wrong)?;
        }
        reader.histograms()?;
        Ok(reader.read)
    }

    /// The value of a series.
    pub fn value(&self, series: &str) -> Option<f64> {
        self.series.get(series).copied()
    }

    /// The counters, and what of histograms counts, that have a smaller value in `later`, or none.
    pub fn went_down(&self, later: &Self) -> Vec<String> {
        let grows = |series: &str| {
            let name = series.split('{').next().unwrap_or_default();
            let kind = |name: &str| self.types.get(name).map(String::as_str);
            let of_histogram = ENDINGS
                .iter()
                .filter_map(|ending| name.strip_suffix(ending))
                .any(|stem| kind(stem) == Some("histogram"));
            of_histogram || kind(name) == Some("counter")
        };
        let mut all = self.series.iter();
        let fell = all.by_ref().filter(|(series, value)| {
            let now = later.value(series);
            grows(series) && now.is_none_or(|now| now < **value)
        });
        fell.map(|(series, _)| series.clone()).collect()
    }
}

const ENDINGS: [&str; 3] = ["_bucket", "_sum", "_count"];

#[derive(Default)]
struct Reader {
    read: Exposition,
    helped: BTreeSet<String>,
    /// The metric whose samples stand here; a metric's lines are one group.
    current: String,
    begun: BTreeSet<String>,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), &'static str> {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').ok_or("a HELP without text")?;
            let is_new = !help.is_empty() && self.helped.insert(name.to_owned());
            return is_new.then_some(()).ok_or("a second HELP, or an empty one");
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            return self.kind(rest);
        }
        if line.starts_with('#') || line.is_empty() {
            return Err("neither HELP, TYPE nor a sample");
        }
        self.sample(line)
    }

    fn kind(&mut self, rest: &str) -> Result<(), &'static str> {
        let (name, kind) = rest.split_once(' ').ok_or("a TYPE without a type")?;
        if !self.helped.contains(name) {
            return Err("TYPE before HELP");
        }
        if !["counter", "gauge", "histogram"].contains(&kind) {
            return Err("an unknown type");
        }
        let old = self.read.types.insert(name.to_owned(), kind.to_owned());
        name.clone_into(&mut self.current);
        let is_new = old.is_none() && self.begun.insert(name.to_owned());
        is_new.then_some(()).ok_or("a second TYPE")
    }

    fn sample(&mut self, line: &str) -> Result<(), &'static str> {
        let (series, value) = line.rsplit_once(' ').ok_or("a sample without a value")?;
        let (name, labels) = match series.find('{') {
            Some(at) => series.split_at(at),
            None => (series, ""),
        };
        if !is_name(name) || !self.belongs(name) {
            return Err("a sample outside of its metric");
        }
        read_labels(labels)?;
        let value: f64 = value.parse().map_err(|_| "a value that is no number")?;
        if self.read.types.get(&self.current).map(String::as_str) == Some("counter") && value < 0.0
        {
            return Err("a counter below 0");
        }
        let old = self.read.series.insert(series.to_owned(), value);
        old.is_none()
            .then_some(())
            .ok_or("a series that was there before")
    }

    fn belongs(&self, name: &str) -> bool {
        let kind = self.read.types.get(&self.current).map(String::as_str);
        if kind == Some("histogram") {
            let stems = ENDINGS
                .iter()
                .filter_map(|ending| name.strip_suffix(ending));
            return stems.into_iter().any(|stem| stem == self.current);
        }
        kind.is_some() && name == self.current
    }

    /// Buckets grow, and the last one has all.
    fn histograms(&self) -> Result<(), String> {
        let histograms = self
            .read
            .types
            .iter()
            .filter(|(_, kind)| *kind == "histogram");
        for (name, _) in histograms {
            let mut groups = BTreeMap::<String, Vec<(f64, f64)>>::new();
            for (series, count) in &self.read.series {
                let Some(labels) = series.strip_prefix(&format!("{name}_bucket")) else {
                    continue;
                };
                let (rest, bound) = labels
                    .rsplit_once("le=\"")
                    .ok_or("a bucket without a bound")?;
                let bound = bound
                    .trim_end_matches("\"}")
                    .parse()
                    .map_err(|_| "a bad bound")?;
                groups
                    .entry(rest.to_owned())
                    .or_default()
                    .push((bound, *count));
            }
            for (labels, mut buckets) in groups {
                buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
                let grows = buckets.is_sorted_by(|a, b| a.1 <= b.1);
                let labels = labels.trim_end_matches(',');
                let closed = if labels == "{" {
                    String::new()
                } else {
                    format!("{labels}}}")
                };
                let all = self.read.value(&format!("{name}_count{closed}"));
                let last = buckets.last().filter(|(bound, _)| bound.is_infinite());
                if !grows || last.map(|(_, count)| *count) != all {
                    return Err(format!("{name}{closed}: buckets {buckets:?} of {all:?}"));
                }
            }
        }
        Ok(())
    }
}

fn is_name(text: &str) -> bool {
    let is_begin = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    let mut bytes = text.bytes();
    bytes.next().is_some_and(is_begin) && bytes.all(|byte| is_begin(byte) || byte.is_ascii_digit())
}

/// `{name="value",...}`, or nothing.
fn read_labels(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Ok(());
    }
    let inner = text
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'));
    let mut rest = inner.ok_or("labels without braces")?;
    let mut names = BTreeSet::new();
    loop {
        let (name, behind) = rest.split_once("=\"").ok_or("a label without a value")?;
        if !is_name(name) || !names.insert(name) {
            return Err("a bad label, or one that is there twice");
        }
        let end = end_of_value(behind).ok_or("a value without an end")?;
        match behind.get(end..).unwrap_or_default() {
            "" => return Ok(()),
            more => rest = more.strip_prefix(',').ok_or("something behind a value")?,
        }
    }
}

/// Behind the quotation mark that ends a value.
fn end_of_value(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (at, c) in text.char_indices() {
        match (is_escaped, c) {
            (true, '\\' | '"' | 'n') => is_escaped = false,
            (true, _) => return None,
            (false, '\\') => is_escaped = true,
            (false, '"') => return Some(at + 1),
            (false, _) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# HELP a_total What\n# TYPE a_total counter\na_total{x=\"1\"} 2\na_total{x=\"a\\\"b\"} 3\n\
        # HELP h_seconds How\n# TYPE h_seconds histogram\nh_seconds_bucket{le=\"1\"} 1\nh_seconds_bucket{le=\"+Inf\"} 2\n\
        h_seconds_sum 3.5\nh_seconds_count 2\n";

    #[test]
    fn what_is_right_is_read() {
        let read = Exposition::read(GOOD).unwrap();
        assert_eq!(read.value("a_total{x=\"1\"}"), Some(2.0));
        assert_eq!((read.types.len(), read.series.len()), (2, 6));
        let later = Exposition::read(&GOOD.replace("} 3\n", "} 4\n")).unwrap();
        assert!(read.went_down(&later).is_empty());
        assert_eq!(later.went_down(&read), ["a_total{x=\"a\\\"b\"}"]);
    }

    #[test]
    fn what_is_wrong_is_refused() {
        for (from, to) in [
            ("# HELP a_total What\n", ""),
            ("# TYPE a_total counter\n", ""),
            ("# TYPE a_total counter", "# TYPE a_total number"),
            ("a_total{x=\"1\"} 2", "b_total{x=\"1\"} 2"),
            ("a_total{x=\"1\"} 2", "a_total{x=\"1\"} two"),
            ("a_total{x=\"1\"} 2", "a_total{x=\"1\"} -2"),
            ("a_total{x=\"1\"} 2", "a_total{x=\"a\\\"b\"} 2"),
            ("x=\"1\"", "x=1"),
            ("x=\"1\"", "x=\"1\",x=\"2\""),
            ("x=\"1\"", "x=\"\\q\""),
            (
                "h_seconds_bucket{le=\"1\"} 1",
                "h_seconds_bucket{le=\"1\"} 3",
            ),
            ("h_seconds_count 2", "h_seconds_count 3"),
            ("h_seconds_count 2\n", "h_seconds_count 2"),
            ("h_seconds_sum 3.5\n", "\n"),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let text = GOOD.replacen(from, to, 1);
            assert!(Exposition::read(&text).is_err(), "{text}");
        }
    }
}
