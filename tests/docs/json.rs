//! `docs/reference/json.md`: the fields of what `-o json` prints, as they are on a node with pods, policy and traffic.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::thread;

use serde_json::Value;
use weir_tests::node::repository;

use crate::json_commands::{BARE, Row, WITH_PODS};
use crate::need_session;
use crate::reference::held;
use crate::session::{self, Step};

const HEAD: &str = "<!-- Written by a test from what the commands print: change it there. -->
# Fields of JSON

What `-o json` prints, and `-o yaml` with the same names. `[]` stands for each item of a list, `NAME` for any name. A field may be
missing or null where there is nothing to say; new ones may come, and none of these goes or changes what it is. `weir monitor` prints
an object for each event, a line each.
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

/// What is printed, one value or a line for each; nothing where it is no JSON.
fn values(printed: &str) -> Option<Vec<Value>> {
    let values = serde_json::Deserializer::from_str(printed).into_iter();
    let values: Vec<Value> = values.collect::<Result<_, _>>().ok()?;
    (!values.is_empty()).then_some(values)
}

fn section(command: &str, printed: &str) -> Result<String, String> {
    let values = values(printed).ok_or_else(|| format!("weir {command}: no JSON: {printed:?}"))?;
    let mut fields = Fields::new();
    for value in &values {
        collect("", value, &mut fields);
    }
    let rows = fields.iter().map(|(path, kinds)| {
        let kinds: Vec<_> = kinds.iter().copied().collect();
        format!(
            "| `{}` | {} |\n",
            path.trim_start_matches('.'),
            kinds.join(" or ")
        )
    });
    let rows: String = rows.collect();
    if rows.is_empty() {
        return Err(format!("weir {command}: no field: {printed:?}"));
    }
    Ok(format!(
        "\n## weir {command}\n\n| field | is |\n|---|---|\n{rows}"
    ))
}

/// What the rows of a session print.
fn printed(before: &[Step], rows: &[Row]) -> Vec<String> {
    let step = |row: &Row| match row {
        Row::Prepare(text) => step(text),
        // What it says is for messages of this test, where it prints nothing.
        Row::Json(_, typed) | Row::Text(_, typed) => step(&format!(
            "printed=$(weir {typed} -o json 2>/run/said) || true
             if [ -n \"$printed\" ]; then echo \"$printed\"; else cat /run/said; fi\n"
        )),
    };
    let steps: Vec<_> = before
        .iter()
        .cloned()
        .chain(rows.iter().map(step))
        .collect();
    let printed = session::printed(&steps).unwrap();
    printed[before.len()..].to_vec()
}

fn step(text: &str) -> Step {
    Step {
        place: text.to_owned(),
        text: text.to_owned(),
        shown: None,
    }
}

fn rows() -> impl Iterator<Item = &'static Row> {
    WITH_PODS.iter().chain(&BARE)
}

/// The page, by the names of its commands.
fn page(printed: &[String]) -> String {
    let mut sections = BTreeMap::new();
    let mut faults = Vec::new();
    for (row, printed) in rows().zip(printed) {
        match row {
            Row::Json(name, _) => match section(name, printed) {
                Ok(section) => drop(sections.insert(name, section)),
                Err(fault) => faults.push(fault),
            },
            Row::Text(name, _) if values(printed).is_some() => {
                faults.push(format!("weir {name} prints JSON: {printed:?}"));
            }
            Row::Prepare(_) | Row::Text(..) => {}
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let without = rows().filter_map(|row| match row {
        Row::Text(name, _) => Some(format!("`weir {name}`")),
        Row::Prepare(_) | Row::Json(..) => None,
    });
    let without: Vec<_> = without.collect();
    let sections: String = sections.into_values().collect();
    format!("{HEAD}\nNo JSON have {}.\n{sections}", without.join(", "))
}

#[test]
fn the_reference_has_the_fields_that_are_printed() {
    need_session!();
    let pods = [session::pods(), step(include_str!("traffic.sh"))];
    let bare = [step(include_str!("bare.sh"))];
    let (of_pods, of_bare) = thread::scope(|scope| {
        let bare = scope.spawn(|| printed(&bare, &BARE));
        (printed(&pods, &WITH_PODS), bare.join().unwrap())
    });
    held("json.md", page(&[of_pods, of_bare].concat()).as_bytes());
}

/// The page of commands is held to the code: whoever adds one says here what it prints.
#[test]
fn every_command_prints_what_the_page_has_or_no_json() {
    let page = fs::read_to_string(repository("docs/reference/commands.md")).unwrap();
    let usages = page.lines().filter_map(|line| line.strip_prefix("`weir "));
    let words = |usage: &str| -> String {
        let words = usage.trim_end_matches('`').split(' ');
        let words = words.take_while(|it| it.starts_with(|c: char| c.is_ascii_lowercase()));
        words.collect::<Vec<_>>().join(" ")
    };
    let commands: BTreeSet<_> = usages.map(words).collect();
    assert!(commands.len() > 40, "{commands:?}");
    let named = |command: &String| {
        rows().any(|row| match row {
            Row::Prepare(_) => false,
            Row::Json(name, _) | Row::Text(name, _) => name
                .strip_prefix(command.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(' ')),
        })
    };
    let missing: Vec<_> = commands.iter().filter(|it| !named(it)).collect();
    assert!(missing.is_empty(), "what do these print? {missing:?}");
}

#[test]
fn fields_are_found_with_what_they_are() {
    let rows =
        "| `[].a` | null or number |\n| `[].b.NAME` | text |\n| `[].c[]` | true or false |\n";
    let found = section("x", r#"[{"a":1,"b":{"X-y":"z"}},{"a":null,"c":[true]}]"#).unwrap();
    assert!(found.ends_with(rows), "{found}");
    let lines = section("x", "{\"a\":1}\n{\"a\":\"b\"}\n").unwrap();
    assert!(lines.ends_with("| `a` | number or text |\n"), "{lines}");
    for none in ["", "no", "{\"a\":1}\nno"] {
        assert_eq!(values(none), None, "{none}");
    }
    assert!(section("x", "[]").is_err());
}
