//! What a label image says about its values.

use nc_core::scene::{LabelInfo, LabelValue};
use serde_json::{Map, Value};
use std::collections::HashMap;

/// Values that are told about; what a file says beyond these stays in the file.
const MOST_VALUES: usize = 1 << 16;
/// JSON text of properties that is kept per label image, in bytes: it travels to every client.
const MOST_PROPERTY_BYTES: usize = 64 << 10;

/// Reads an "image-label" entry.
pub(super) fn read(name: &str, entry: &Value, warnings: &mut Vec<String>) -> LabelInfo {
    let mut values: Vec<LabelValue> = Vec::new();
    let mut places: HashMap<i64, usize> = HashMap::new();
    let mut at = |values: &mut Vec<LabelValue>, value: i64| -> Option<usize> {
        if let Some(&at) = places.get(&value) {
            return Some(at);
        }
        if values.len() == MOST_VALUES {
            return None;
        }
        values.push(LabelValue { value, color: None, properties: Map::new() });
        places.insert(value, values.len() - 1);
        Some(values.len() - 1)
    };
    for (i, color) in list(entry, "colors").iter().enumerate() {
        let Some(value) = label_value(color) else {
            warnings.push(format!("image-label.colors[{i}].label-value is missing or not whole; the entry is left out"));
            continue;
        };
        let rgba = color.get("rgba").filter(|rgba| !rgba.is_null());
        let read = rgba.and_then(self::rgba);
        if rgba.is_some() && read.is_none() {
            warnings.push(format!("image-label.colors[{i}].rgba is not four numbers from 0 to 255; the colour is made up"));
        }
        if let Some(at) = at(&mut values, value) {
            values[at].color = read;
        }
    }
    let mut room = MOST_PROPERTY_BYTES;
    for (i, entry) in list(entry, "properties").iter().enumerate() {
        let Some(value) = label_value(entry) else {
            warnings.push(format!("image-label.properties[{i}].label-value is missing or not whole; the entry is left out"));
            continue;
        };
        let mut properties = entry.as_object().cloned().unwrap_or_default();
        properties.remove("label-value");
        let bytes = serde_json::to_string(&properties).map_or(usize::MAX, |text| text.len());
        if bytes > room {
            warnings.push(format!("image-label.properties holds more than {MOST_PROPERTY_BYTES} bytes; the rest is left out"));
            break;
        }
        room -= bytes;
        if let Some(at) = at(&mut values, value) {
            values[at].properties = properties;
        }
    }
    let source = entry.pointer("/source/image").and_then(Value::as_str).map(str::to_owned);
    LabelInfo { name: name.to_owned(), values, source }
}

fn list<'a>(entry: &'a Value, key: &str) -> &'a [Value] {
    entry.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// A label value is a whole number; some writers put ".0" behind it.
fn label_value(entry: &Value) -> Option<i64> {
    let value = entry.get("label-value")?;
    value.as_i64().or_else(|| {
        let real = value.as_f64()?;
        (real.fract() == 0.0 && real.abs() < 9.0e15).then_some(real as i64)
    })
}

/// Four numbers from 0 to 255; opaque if there are three.
fn rgba(value: &Value) -> Option<[u8; 4]> {
    let numbers: Vec<u8> =
        value.as_array()?.iter().map(|n| n.as_u64().and_then(|n| u8::try_from(n).ok())).collect::<Option<_>>()?;
    match numbers[..] {
        [r, g, b] => Some([r, g, b, 255]),
        [r, g, b, a] => Some([r, g, b, a]),
        _ => None,
    }
}
