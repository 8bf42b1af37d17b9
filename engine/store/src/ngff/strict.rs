//! What 0.4 and 0.5 demand ("MUST") and we do not need: said as warnings, so that those who write images learn of it.
//!
//! Only for these versions: earlier ones demanded little, and what 0.6 will demand is not settled.

use super::ArrayFacts;
use super::document::{Document, release, root};
use serde_json::Value;
use std::collections::HashSet;

/// Lines that are said one by one.
const MOST_LINES: usize = 8;

/// What of the attributes of an image's group is not as the version demands. `levels` are the arrays that exist, by their position in
/// the document's datasets.
pub(crate) fn image(attributes: &Value, document: &Document, levels: &[(usize, ArrayFacts)]) -> Vec<String> {
    let root = root(attributes);
    let mut found = Findings::default();
    if !found.begin(attributes, document.version.as_deref()) {
        return Vec::new();
    }
    let entry = root.get("multiscales").and_then(|m| m.get(document.index)).unwrap_or(&Value::Null);
    let key = document.key();
    let ndim = levels.first().map_or(0, |(_, facts)| facts.shape.len());
    axes(entry.get("axes"), &key, &mut found);
    for (i, dataset) in list(entry, "datasets").iter().enumerate() {
        let key = format!("{key}.datasets[{i}].coordinateTransformations");
        placement(dataset.get("coordinateTransformations"), &key, ndim, &mut found);
    }
    if let Some(transforms) = entry.get("coordinateTransformations") {
        placement(Some(transforms), &format!("{key}.coordinateTransformations"), ndim, &mut found);
    }
    let sizes: Vec<u128> =
        levels.iter().map(|(_, f)| f.shape.iter().map(|&n| u128::from(n)).fold(1, u128::saturating_mul)).collect();
    let listed: Vec<usize> = levels.iter().map(|(i, _)| *i).collect();
    if !listed.is_sorted() || !sizes.is_sorted_by(|a, b| a >= b) {
        found.push(format!("{key}.datasets must go from fine to coarse"));
    }
    if let Some(omero) = root.get("omero") {
        rendering(omero, &mut found);
    }
    if let Some(label) = root.get("image-label") {
        labels(label, &mut found);
    }
    found.into_lines()
}

/// The same for the attributes of a plate.
pub(crate) fn plate(attributes: &Value) -> Vec<String> {
    let entry = root(attributes).get("plate").unwrap_or(&Value::Null);
    let mut found = Findings::default();
    // Up to 0.4 the entry says it itself.
    let version = root(attributes).get("version").or_else(|| entry.get("version"));
    if !found.begin(attributes, version.and_then(Value::as_str)) {
        return Vec::new();
    }
    for key in ["rows", "columns"] {
        let mut seen = HashSet::new();
        for (i, row) in list(entry, key).iter().enumerate() {
            match row.get("name").and_then(Value::as_str).filter(|n| is_alphanumeric(n)) {
                None => found.push(format!("plate.{key}[{i}].name must be letters and digits")),
                Some(name) if !seen.insert(name) => found.push(format!("plate.{key}[{i}].name must not be there twice")),
                Some(_) => {}
            }
        }
        if list(entry, key).is_empty() {
            found.push(format!("plate.{key} must be a list"));
        }
    }
    let name =
        |key: &str, at: Option<u64>| -> Option<&str> { list(entry, key).get(usize::try_from(at?).ok()?)?.get("name")?.as_str() };
    for (i, well) in list(entry, "wells").iter().enumerate() {
        let index = |key: &str| well.get(key).and_then(Value::as_u64);
        let (row, column) = (name("rows", index("rowIndex")), name("columns", index("columnIndex")));
        match (row, column, well.get("path").and_then(Value::as_str)) {
            (Some(row), Some(column), Some(path)) if path != format!("{row}/{column}") => {
                found.push(format!("plate.wells[{i}].path must be that of its row and column, \"{row}/{column}\""));
            }
            (Some(_), Some(_), Some(_)) => {}
            (_, _, None) => found.push(format!("plate.wells[{i}].path must be there")),
            _ => found.push(format!("plate.wells[{i}] must have a rowIndex and a columnIndex within rows and columns")),
        }
    }
    if list(entry, "wells").is_empty() {
        found.push("plate.wells must be a list of wells".into());
    }
    for (i, acquisition) in list(entry, "acquisitions").iter().enumerate() {
        if acquisition.get("id").and_then(Value::as_u64).is_none() {
            found.push(format!("plate.acquisitions[{i}].id must be a whole number from 0"));
        }
    }
    found.into_lines()
}

#[derive(Default)]
struct Findings(Vec<String>);

impl Findings {
    fn push(&mut self, line: String) {
        self.0.push(line);
    }

    /// Whether there are rules for this version. Looks at where it is said.
    fn begin(&mut self, attributes: &Value, version: Option<&str>) -> bool {
        let below_ome = attributes.get("ome").is_some_and(Value::is_object);
        match version.and_then(release) {
            Some((0, 4)) => !below_ome,
            Some((0, 5)) => {
                if !below_ome {
                    self.push("the entries must stand below \"ome\"".into());
                }
                true
            }
            // Entries below "ome" came with 0.5, which demands the version.
            None if below_ome => {
                self.push("ome.version must be there".into());
                true
            }
            _ => false,
        }
    }

    fn into_lines(mut self) -> Vec<String> {
        let more = self.0.len().saturating_sub(MOST_LINES);
        self.0.truncate(MOST_LINES);
        let mut lines: Vec<String> = self.0.into_iter().map(|line| format!("strict: {line}")).collect();
        if more > 0 {
            lines.push(format!("strict: {more} more"));
        }
        lines
    }
}

fn axes(axes: Option<&Value>, key: &str, found: &mut Findings) {
    let Some(axes) = axes.and_then(Value::as_array) else { return found.push(format!("{key}.axes must be a list")) };
    if !(2..=5).contains(&axes.len()) {
        found.push(format!("{key}.axes must be 2 to 5"));
    }
    let name = |axis: &Value| axis.get("name").and_then(Value::as_str).map(str::to_owned);
    if axes.iter().any(|axis| name(axis).is_none()) {
        found.push(format!("{key}.axes must be objects with names"));
    }
    let mut seen = HashSet::new();
    if axes.iter().filter_map(name).any(|name| !seen.insert(name)) {
        found.push(format!("{key}.axes must have names of their own"));
    }
    let kinds: Vec<&str> = axes.iter().map(|axis| axis.get("type").and_then(Value::as_str).unwrap_or_default()).collect();
    let count = |kind: &str| kinds.iter().filter(|k| **k == kind).count();
    if !(2..=3).contains(&count("space")) {
        found.push(format!("{key}.axes must have two or three of type \"space\""));
    }
    if count("time") > 1 || count("channel") > 1 {
        found.push(format!("{key}.axes must have at most one of type \"time\" and one of type \"channel\""));
    }
    let rank = |kind: &&str| match *kind {
        "time" => 0,
        "space" => 2,
        _ => 1,
    };
    if !kinds.is_sorted_by_key(rank) {
        found.push(format!("{key}.axes must be in the order time, channel or other, space"));
    }
}

/// One scale, then at most one translation, each of as many numbers as there are axes.
fn placement(transforms: Option<&Value>, key: &str, ndim: usize, found: &mut Findings) {
    let Some(transforms) = transforms.and_then(Value::as_array) else { return found.push(format!("{key} must be a list")) };
    let kinds: Vec<&str> = transforms.iter().map(|t| t.get("type").and_then(Value::as_str).unwrap_or_default()).collect();
    if !matches!(kinds[..], ["scale"] | ["scale", "translation"]) {
        found.push(format!("{key} must be one \"scale\", then at most one \"translation\""));
    }
    for (transform, kind) in transforms.iter().zip(kinds) {
        // Numbers may also lie in a file, which "path" names.
        let numbers = transform.get(kind).and_then(Value::as_array);
        if numbers.is_some_and(|n| n.len() != ndim || !n.iter().all(Value::is_number)) {
            found.push(format!("{key} must have a number for each of the {ndim} axes"));
        }
    }
}

fn rendering(omero: &Value, found: &mut Findings) {
    let Some(channels) = omero.get("channels").and_then(Value::as_array) else {
        return found.push("omero.channels must be a list".into());
    };
    for (i, channel) in channels.iter().enumerate() {
        let color = channel.get("color").and_then(Value::as_str);
        if !color.is_some_and(|c| c.len() == 6 && c.bytes().all(|b| b.is_ascii_hexdigit())) {
            found.push(format!("omero.channels[{i}].color must be six hexadecimal digits"));
        }
        // 0.4 demands a window, 0.5 what is in it: where there is none nobody is misled.
        if let Some(window) = channel.get("window") {
            let missing: Vec<&str> = ["min", "max", "start", "end"].into_iter().filter(|k| !window[*k].is_number()).collect();
            if !missing.is_empty() {
                found.push(format!("omero.channels[{i}].window must have numbers {}", missing.join(", ")));
            }
        }
    }
}

fn labels(label: &Value, found: &mut Findings) {
    for key in ["colors", "properties"] {
        let mut seen = HashSet::new();
        for (i, entry) in list(label, key).iter().enumerate() {
            match entry.get("label-value").filter(|v| v.is_number()) {
                None => found.push(format!("image-label.{key}[{i}].label-value must be a number")),
                Some(value) if !seen.insert(value.to_string()) => {
                    found.push(format!("image-label.{key}[{i}].label-value must not be there twice"));
                }
                Some(_) => {}
            }
        }
    }
}

fn list<'a>(entry: &'a Value, key: &str) -> &'a [Value] {
    entry.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn is_alphanumeric(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric())
}
