//! How pages and pictures look: one style for both, in light and in dark.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};

/// What a colour tells apart. What each means is the picture's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tone {
    /// Calm, and first.
    Blue,
    /// Beside blue.
    Teal,
    /// Beside teal.
    Violet,
    /// What is good, or grows.
    Green,
    /// What somebody should look at.
    Amber,
    /// What is wrong, or dropped.
    Red,
    /// What is not the matter here.
    Slate,
}

impl Tone {
    /// The class that sets it.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Blue => "blue",
            Self::Teal => "teal",
            Self::Violet => "violet",
            Self::Green => "green",
            Self::Amber => "amber",
            Self::Red => "red",
            Self::Slate => "slate",
        }
    }
}

/// The name of the style in a page's policy: no other style is obeyed.
pub(super) fn digest() -> String {
    let digest = Sha256::digest(STYLE.as_bytes());
    format!("sha256-{}", BASE64_STANDARD.encode(digest))
}

/// Nothing in it may mean something to XML: no `<` and no `&`.
pub(super) const STYLE: &str = "
:root{color-scheme:light dark;
--ground:#f6f7f9;--surface:#ffffff;--ink:#1a2330;--muted:#566272;--line:#d6dce4;
--blue:#1f5dbf;--blue-soft:#e9f1fd;--teal:#0b7570;--teal-soft:#e1f5f3;--violet:#6a3fc4;--violet-soft:#f1ebfd;
--green:#24733a;--green-soft:#e5f5e9;--amber:#8f5200;--amber-soft:#fdf2df;--red:#b92a2a;--red-soft:#fdecec;
--slate:#526071;--slate-soft:#eef1f5}
@media (prefers-color-scheme:dark){:root{
--ground:#0f1319;--surface:#161c25;--ink:#e6ebf2;--muted:#9ba8b8;--line:#2c3644;
--blue:#82b3fd;--blue-soft:#15253e;--teal:#55cdc3;--teal-soft:#0e2c2b;--violet:#bb9ff8;--violet-soft:#261c41;
--green:#74d187;--green-soft:#142f1b;--amber:#ecb663;--amber-soft:#33260f;--red:#f78f8f;--red-soft:#391a1c;
--slate:#a6b3c4;--slate-soft:#212934}}
.blue{--tone:var(--blue);--soft:var(--blue-soft)}.teal{--tone:var(--teal);--soft:var(--teal-soft)}
.violet{--tone:var(--violet);--soft:var(--violet-soft)}.green{--tone:var(--green);--soft:var(--green-soft)}
.amber{--tone:var(--amber);--soft:var(--amber-soft)}.red{--tone:var(--red);--soft:var(--red-soft)}
.slate{--tone:var(--slate);--soft:var(--slate-soft)}
svg{font:13px system-ui,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;background:var(--surface)}
svg text{fill:var(--ink);dominant-baseline:central}
svg .strong{font-weight:600}svg .small{font-size:11px}svg .muted{fill:var(--muted)}
svg .toned{fill:var(--tone)}
svg .code{font-family:ui-monospace,'SF Mono','DejaVu Sans Mono',Menlo,monospace;font-size:11px;white-space:pre}
svg .middle{text-anchor:middle}svg .end{text-anchor:end}
.box rect{fill:var(--soft);stroke:var(--tone);stroke-width:1.25}
.panel rect{fill:var(--ground);stroke:var(--line)}
.edge path{fill:none;stroke:var(--tone);stroke-width:1.4;opacity:.75}
.edge polygon{fill:var(--tone)}
.edge text{fill:var(--tone);stroke:var(--surface);stroke-width:4px;paint-order:stroke;stroke-linejoin:round}
.bar .track{fill:var(--slate-soft);stroke:var(--line)}.bar .fill{fill:var(--tone)}
.rule{stroke:var(--line)}
body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}
header,main,footer{max-width:1500px;margin:0 auto;padding:0 24px}
header{padding-top:28px}h1{font-size:24px;line-height:1.25;margin:0;overflow-wrap:anywhere}
h2{font-size:17px;margin:32px 0 10px}header p,footer p,.note{color:var(--muted);margin:4px 0 0}
footer{padding-bottom:40px;margin-top:32px}
.facts{display:flex;flex-wrap:wrap;gap:12px;margin:20px 0 0;padding:0;list-style:none}
.facts li{background:var(--surface);border:1px solid var(--line);border-left:4px solid var(--tone,var(--line));border-radius:8px;padding:8px 14px;min-width:96px}
.facts b{display:block;font-size:19px;font-weight:600;overflow-wrap:anywhere}.facts span{color:var(--muted);font-size:13px}
figure{margin:0;overflow-x:auto;background:var(--surface);border:1px solid var(--line);border-radius:10px;padding:12px}
figure svg{display:block;margin:0 auto;max-width:none}
.scroll{overflow-x:auto;background:var(--surface);border:1px solid var(--line);border-radius:10px}
table{border-collapse:collapse;width:100%;font-size:13.5px}
th,td{text-align:left;padding:6px 12px;border-top:1px solid var(--line);vertical-align:top;overflow-wrap:break-word}
thead th{border-top:0;color:var(--muted);font-weight:600;white-space:nowrap}
td.number,th.number{text-align:right}td.number{font-variant-numeric:tabular-nums}td.code{font-family:ui-monospace,'DejaVu Sans Mono',Menlo,monospace;font-size:12.5px}
details{margin:12px 0}summary{cursor:pointer;font-weight:600;padding:6px 2px}
summary:focus-visible,figure:focus-visible,.scroll:focus-visible{outline:2px solid var(--blue);outline-offset:2px;border-radius:6px}
ul.wrong{margin:8px 0;padding-left:22px}ul.wrong li{color:var(--red)}
@media print{body{background:none}figure,.scroll{overflow:visible}}
";

#[cfg(test)]
mod tests {
    use super::*;

    const TONES: [Tone; 7] = [
        Tone::Blue,
        Tone::Teal,
        Tone::Violet,
        Tone::Green,
        Tone::Amber,
        Tone::Red,
        Tone::Slate,
    ];

    /// The values of a variable, in light and in dark.
    fn values(name: &str) -> Vec<[f64; 3]> {
        let definition = format!("--{name}:#");
        let found = STYLE.match_indices(&definition);
        found
            .map(|(at, _)| {
                let digits = &STYLE[at + definition.len()..][..6];
                let part =
                    |at: usize| f64::from(u8::from_str_radix(&digits[at..at + 2], 16).unwrap());
                [part(0), part(2), part(4)]
            })
            .collect()
    }

    /// WCAG 2.2, relative luminance.
    fn luminance(colour: [f64; 3]) -> f64 {
        let [red, green, blue] = colour.map(|part| {
            let part = part / 255.0;
            if part <= 0.04045 {
                part / 12.92
            } else {
                ((part + 0.055) / 1.055).powf(2.4)
            }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    /// WCAG 2.2, success criterion 1.4.3: 4.5 for text.
    fn check(text: &str, ground: &str) {
        let (texts, grounds) = (values(text), values(ground));
        assert_eq!((texts.len(), grounds.len()), (2, 2), "{text} on {ground}");
        for (one, other) in texts.into_iter().zip(grounds) {
            let (one, other) = (luminance(one), luminance(other));
            let contrast = (one.max(other) + 0.05) / (one.min(other) + 0.05);
            assert!(contrast >= 4.5, "{text} on {ground}: {contrast:.2}");
        }
    }

    #[test]
    fn text_can_be_read_on_every_ground_in_light_and_in_dark() {
        for text in ["ink", "muted"] {
            for ground in ["ground", "surface"] {
                check(text, ground);
            }
        }
        for tone in TONES {
            let (tone, soft) = (tone.class(), format!("{}-soft", tone.class()));
            check(tone, "surface");
            check(tone, "ground");
            check(tone, &soft);
            check("ink", &soft);
            check("muted", &soft);
            assert!(
                STYLE.contains(&format!(".{tone}{{--tone:var(--{tone})")),
                "{tone}"
            );
        }
    }

    #[test]
    fn the_style_can_stand_in_xml_and_asks_nobody() {
        for text in ["<", "&", "url(", "@import", "http", "expression", "src"] {
            assert!(!STYLE.contains(text), "{text}");
        }
    }
}
