//! `docs/reference/json.md`: the fields of what `-o json` prints, as they are on a node with pods, policy and traffic.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::need_session;
use crate::reference::held;
use crate::session::{self, Step};

/// Commands with variables of `pods.sh`, and their names on the page.
const COMMANDS: [(&str, &str); 30] = [
    ("bpf ct list", ""),
    ("bpf endpoint list", ""),
    ("bpf ipcache list", ""),
    ("bpf metrics list", ""),
    ("bpf nat list", ""),
    ("bpf policy list", ""),
    ("bpf ports list", ""),
    ("calls list", ""),
    ("calls phases", ""),
    ("calls show", ""),
    ("doctor", ""),
    ("endpoint diff", "$ID"),
    ("endpoint get", "$ID"),
    ("endpoint list", ""),
    ("explain", "--from shop/web --to shop/db:9090"),
    ("identity list", ""),
    ("ip list", ""),
    ("map get", "weir_metrics"),
    ("map list", ""),
    ("node status", ""),
    ("policy diff", ""),
    ("policy get", "$ID"),
    ("policy show", ""),
    ("policy status", ""),
    ("policy validate", "$FILE"),
    ("show", ""),
    ("status", ""),
    ("template list", ""),
    ("template show", "$KEY"),
    ("version", ""),
];

const HEAD: &str = "<!-- Written by a test from what the commands print: change it there. -->
# Fields of JSON

What `-o json` prints, and `-o yaml` with the same names. `[]` stands for each item of a list, `NAME` for any name. A field may be
missing or null where there is nothing to say; new ones may come, and none of these goes or changes what it is.
";

/// What a value can be, by its path.
type Fields = BTreeMap<String, BTreeSet<&'static str>>;

fn collect(path: &str, value: &Value, fields: &mut Fields) {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(items) => {
            for item in items {
                collect(&format!("{path}[]"), item, fields);
            }
            return;
        }
        Value::Object(members) => {
            for (name, member) in members {
                let name = if is_fixed(name) { name } else { "NAME" };
                collect(&format!("{path}.{name}"), member, fields);
            }
            return;
        }
    };
    fields.entry(path.to_owned()).or_default().insert(kind);
}

/// Fields are written like `maxEntries`; what is written otherwise is a name out of somebody's data.
fn is_fixed(name: &str) -> bool {
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
    begins && name.chars().all(|c| c.is_ascii_alphanumeric())
}

fn section(command: &str, printed: &str) -> String {
    let value: Value = serde_json::from_str(printed)
        .unwrap_or_else(|error| panic!("weir {command} -o json: {error}: {printed:?}"));
    let mut fields = Fields::new();
    collect("", &value, &mut fields);
    let rows = fields.iter().map(|(path, kinds)| {
        let kinds: Vec<_> = kinds.iter().copied().collect();
        format!(
            "| `{}` | {} |\n",
            path.trim_start_matches('.'),
            kinds.join(" or ")
        )
    });
    let rows: String = rows.collect();
    assert!(!rows.is_empty(), "weir {command}: {printed}");
    format!("\n## weir {command}\n\n| field | is |\n|---|---|\n{rows}")
}

/// The pods, traffic between them, and each command.
fn steps() -> Vec<Step> {
    let step = |text: String| Step {
        place: text.clone(),
        text,
        shown: None,
    };
    let mut steps = vec![session::pods(), step(include_str!("traffic.sh").to_owned())];
    steps.extend(COMMANDS.map(|(command, more)| {
        step(format!(
            "weir {command} {more} -o json 2>/dev/null || true\n"
        ))
    }));
    steps
}

#[test]
fn the_reference_has_the_fields_that_are_printed() {
    need_session!();
    let printed = session::printed(&steps()).unwrap();
    let commands = COMMANDS.iter().zip(printed.iter().skip(2));
    let sections: String = commands
        .map(|((command, _), printed)| section(command, printed))
        .collect();
    held("json.md", format!("{HEAD}{sections}").as_bytes());
}

#[test]
fn fields_are_found_with_what_they_are() {
    let found = section("x", r#"[{"a":1,"b":{"X-y":"z"}},{"a":null,"c":[true]}]"#);
    let rows =
        "| `[].a` | null or number |\n| `[].b.NAME` | text |\n| `[].c[]` | true or false |\n";
    assert!(found.ends_with(rows), "{found}");
}
