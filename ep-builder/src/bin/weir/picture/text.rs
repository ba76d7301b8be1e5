//! Text in a picture: what of it can be shown, how wide it is about, and what of it has room.

/// Sizes in pixels.
pub(crate) const BODY: i32 = 13;
/// Of what stands beside or below something.
pub(crate) const SMALL: i32 = 11;
/// Characters of which the width is asked: no picture has room for more.
const MOST: usize = 10_000;

/// Text as it can be shown: what would steer a terminal or turn the direction of reading is spelled out.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Also what XML allows in no document.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
        || u32::from(c) & 0xfffe == 0xfffe
}

/// About how wide a text is. Every reader has another font, so it is the width in a wide one.
pub(crate) fn width(text: &str, size: i32) -> i32 {
    let hundredths: i32 = text.chars().take(MOST).map(hundredths).sum();
    (hundredths * size + 99) / 100
}

/// Hundredths of the size of the font.
fn hundredths(c: char) -> i32 {
    match c {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' => 34,
        'f' | 't' | 'r' | ' ' | '-' | '(' | ')' | '[' | ']' | '/' => 42,
        'm' | 'w' | 'M' | 'W' | '@' | '%' => 98,
        'A'..='Z' => 72,
        '0'..='9' | '_' => 64,
        c if c.is_ascii() => 63,
        // An ideograph or an emblem has a square.
        c if u32::from(c) >= 0x1100 => 105,
        _ => 72,
    }
}

/// As much of a text as has room, with an ellipsis for the rest.
pub(crate) fn cut(text: &str, size: i32, room: i32) -> String {
    let text = shown(text);
    if width(&text, size) <= room {
        return text;
    }
    let left = room - width("…", size);
    let mut kept = String::new();
    let mut used = 0;
    for c in text.chars() {
        used += hundredths(c) * size;
        if used > left * 100 {
            break;
        }
        kept.push(c);
    }
    kept + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_to_its_room() {
        for (text, room, expected) in [
            ("web-0", 100, "web-0"),
            ("", 0, ""),
            ("shop/a-name-that-is-long", 100, "shop/a-nam…"),
            ("iiiiiiiiiiiiiiii", 71, "iiiiiiiiiiiiiiii"),
            ("日本語日本語", 60, "日本語…"),
            ("abc", 5, "…"),
        ] {
            let cut = cut(text, BODY, room);
            assert_eq!(cut, expected, "{text}");
            let fits = width(&cut, BODY) <= room.max(width("…", BODY));
            assert!(fits, "{cut}");
        }
    }

    #[test]
    fn what_steers_a_reader_is_spelled_out() {
        for (text, expected) in [
            ("a b", "a b"),
            ("a\nb\t", "a\\u{a}b\\u{9}"),
            ("\u{202e}x\u{feff}", "\\u{202e}x\\u{feff}"),
            ("a\u{61c}b", "a\\u{61c}b"),
            ("\u{1fffe}", "\\u{1fffe}"),
            ("grüße 日本", "grüße 日本"),
        ] {
            assert_eq!(shown(text), expected, "{text:?}");
        }
    }
}
