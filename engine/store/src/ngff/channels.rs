//! OMERO rendering metadata: channels and the planes shown at first.

use nc_core::scene::Channel;
use serde_json::Value;

#[derive(Debug, Default, PartialEq)]
pub(super) struct Rendering {
    pub(super) channels: Vec<Channel>,
    pub(super) default_z: Option<u64>,
    pub(super) default_t: Option<u64>,
}

/// Reads the "omero" entry of an image with `count` channels. Each field counts on its own: what one of them says wrong costs no other.
pub(super) fn read(omero: Option<&Value>, count: u64, warnings: &mut Vec<String>) -> Rendering {
    let Some(omero) = omero.filter(|o| !o.is_null()) else { return Rendering::default() };
    if !omero.is_object() {
        warnings.push("omero is not an object; channel colours and windows are made up".into());
        return Rendering::default();
    }
    let entries = match omero.get("channels") {
        None | Some(Value::Null) => &[],
        Some(Value::Array(entries)) => entries.as_slice(),
        Some(_) => {
            warnings.push("omero.channels is not a list; channel colours and windows are made up".into());
            &[]
        }
    };
    if !entries.is_empty() && entries.len() as u64 != count {
        warnings.push(format!("omero.channels describes {} channels, but the image has {count}", entries.len()));
    }
    let channels = entries.iter().enumerate().take(usize::try_from(count).unwrap_or(usize::MAX));
    let channels: Vec<Channel> = channels.map(|(i, entry)| channel(i, entry, warnings)).collect();
    if !channels.is_empty() && !channels.iter().any(|c| c.active) {
        warnings.push("omero.channels switches every channel off; nothing shows until one is switched on".into());
    }
    let mut index = |key: &str| {
        let value = omero.get("rdefs").and_then(|r| r.get(key)).filter(|v| !v.is_null())?;
        let read = value.as_f64().filter(|v| *v >= 0.0 && *v <= f64::from(u32::MAX)).map(|v| v as u64);
        if read.is_none() {
            warnings.push(format!("omero.rdefs.{key} is no index of a plane and left out"));
        }
        read
    };
    Rendering { channels, default_z: index("defaultZ"), default_t: index("defaultT") }
}

fn channel(i: usize, entry: &Value, warnings: &mut Vec<String>) -> Channel {
    if !entry.is_object() {
        warnings.push(format!("omero.channels[{i}] is not an object and left out"));
    }
    let field = |key: &str| entry.get(key).filter(|v| !v.is_null());
    let color = field("color").and_then(|given| {
        let color = given.as_str().and_then(hex);
        if color.is_none() {
            warnings.push(format!("omero.channels[{i}].color {given} is not RRGGBB and left out"));
        }
        color
    });
    let window = field("window").and_then(|given| {
        let range = limits(given);
        if range.is_none() {
            warnings.push(format!("omero.channels[{i}].window is empty or incomplete and left out"));
        }
        range
    });
    let label =
        field("label").and_then(|label| label.as_str().map(str::to_owned).or_else(|| label.as_i64().map(|n| n.to_string())));
    let active = field("active").and_then(|given| {
        let active = given.as_bool().or_else(|| given.as_f64().map(|n| n != 0.0));
        if active.is_none() {
            warnings.push(format!("omero.channels[{i}].active {given} is neither true nor false and left out"));
        }
        active
    });
    Channel { label: label.filter(|l| !l.trim().is_empty()), color, window, active: active.unwrap_or(true) }
}

/// "start" and "end" where they span something, else "min" and "max".
fn limits(window: &Value) -> Option<(f64, f64)> {
    let number = |key: &str| window.get(key).and_then(Value::as_f64).filter(|n| n.is_finite());
    let span = |low: &str, high: &str| number(low).zip(number(high)).filter(|(l, h)| l < h);
    span("start", "end").or_else(|| span("min", "max"))
}

/// RRGGBB, also with a leading '#' or a trailing alpha.
fn hex(text: &str) -> Option<[u8; 3]> {
    let digits = text.trim().trim_start_matches('#');
    if !matches!(digits.len(), 6 | 8) || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let [_, r, g, b] = u32::from_str_radix(&digits[..6], 16).ok()?.to_be_bytes();
    Some([r, g, b])
}
