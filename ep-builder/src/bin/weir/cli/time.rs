//! Times on the command line.

use std::time::Duration;

/// The longest time to wait for a person.
const A_DAY: Duration = Duration::from_hours(24);

/// A time as a person writes it: `30s`, `500ms`, `5m`, `1h`; without a unit seconds.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let wrong = || format!("{text:?} is no time: 30s, 500ms, 5m, 1h");
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let milliseconds = match text.get(digits.len()..) {
        Some("ms") => 1,
        Some("" | "s") => 1_000,
        Some("m") => 60_000,
        Some("h") => 3_600_000,
        _ => return Err(wrong()),
    };
    match number.checked_mul(milliseconds) {
        Some(time) if time > 0 => Ok(Duration::from_millis(time)),
        _ => Err(wrong()),
    }
}

/// A time to wait for a person, whose unit is written: `7` might be meant as minutes.
pub(crate) fn patience(text: &str) -> Result<Duration, String> {
    let has_unit = text.ends_with(['s', 'm', 'h']) && !text.ends_with("ms");
    let time = time(text).ok();
    time.filter(|time| has_unit && *time <= A_DAY)
        .ok_or_else(|| "a time as 30s, 5m or 1h is expected, of a day at most".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        for (text, milliseconds) in [
            ("30s", Some(30_000)),
            ("500ms", Some(500)),
            ("5m", Some(300_000)),
            ("1h", Some(3_600_000)),
            ("7", Some(7_000)),
            ("0s", None),
            ("s", None),
            ("", None),
            ("-1s", None),
            ("1.5s", None),
            ("3d", None),
            ("99999999999999999999s", None),
            ("18446744073709551615h", None),
        ] {
            let expected = milliseconds.map(Duration::from_millis);
            assert_eq!(time(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn patience_has_a_unit_and_ends() {
        for (text, seconds) in [
            ("30s", Some(30)),
            ("5m", Some(300)),
            ("24h", Some(86_400)),
            ("25h", None),
            ("7", None),
            ("500ms", None),
            ("0s", None),
            ("m", None),
            ("", None),
        ] {
            let expected = seconds.map(Duration::from_secs);
            assert_eq!(patience(text).ok(), expected, "{text}");
        }
    }
}
