//! Names, meanings and units of the axes.

use super::{ArrayFacts, MetadataError};
use nc_core::data::MAX_AXES;
use nc_core::scene::{Axis, AxisKind};
use serde_json::Value;

/// What axes are called where nobody says: the last n of these.
const USUAL: [&str; MAX_AXES] = ["t", "c", "z", "y", "x"];

/// The axes of an image, from its entries (objects, or plain names as in 0.3) below `key`, else from the array's dimension names, else as
/// usual.
pub(super) fn resolve(
    entries: Option<&Vec<Value>>,
    key: &str,
    array: &ArrayFacts,
    warnings: &mut Vec<String>,
) -> Result<Vec<Axis>, MetadataError> {
    let ndim = array.shape.len();
    if !(2..=MAX_AXES).contains(&ndim) {
        let problem = format!("the array has {ndim} axes: an image has 2 to {MAX_AXES}");
        return Err(MetadataError::new("shape", problem));
    }
    let mut axes: Vec<Axis> = match (entries, &array.dimension_names) {
        (Some(entries), _) => entries.iter().enumerate().map(|(i, e)| entry(key, i, e)).collect::<Result<_, _>>()?,
        (None, Some(names)) => names.iter().map(|n| named(n)).collect(),
        (None, None) => USUAL[MAX_AXES - ndim..].iter().map(|n| named(n)).collect(),
    };
    if axes.len() != ndim {
        let problem = format!("has {} entries, but the finest array has {ndim} axes: make them agree", axes.len());
        return Err(MetadataError::new(key, problem));
    }
    for i in 0..axes.len() {
        let mut name = axes[i].name.clone();
        let mut n = 1;
        while axes[..i].iter().any(|a| a.name == name) {
            n += 1;
            name = format!("{}{n}", axes[i].name);
        }
        if name != axes[i].name {
            warnings.push(format!("two axes are called {:?}; the later one is shown as {name:?}", axes[i].name));
            axes[i].name = name;
        }
    }
    for kind in [AxisKind::Time, AxisKind::Channel] {
        let more = axes.iter().filter(|a| a.kind == kind).count();
        if more > 1 {
            warnings.push(format!("{more} axes are of type {kind:?}; the first counts as such"));
            axes.iter_mut().filter(|a| a.kind == kind).skip(1).for_each(|a| a.kind = AxisKind::Other);
        }
    }
    Ok(axes)
}

fn entry(key: &str, i: usize, entry: &Value) -> Result<Axis, MetadataError> {
    let text = |field: &str| entry.get(field).and_then(Value::as_str);
    let name = entry.as_str().or_else(|| text("name")).filter(|n| !n.trim().is_empty());
    let name =
        name.ok_or_else(|| MetadataError::new(format!("{key}[{i}].name"), "is missing: name the axis, for example \"z\""))?;
    let mut axis = named(name);
    axis.kind = match text("type") {
        Some("time") => AxisKind::Time,
        Some("channel") => AxisKind::Channel,
        Some("space") => AxisKind::Space,
        Some(kind) if !kind.is_empty() => AxisKind::Other,
        _ => axis.kind,
    };
    axis.unit = text("unit").filter(|u| !u.is_empty()).map(str::to_owned);
    Ok(axis)
}

/// An axis known by name only.
fn named(name: &str) -> Axis {
    let kind = match name.trim().to_ascii_lowercase().as_str() {
        "t" | "time" => AxisKind::Time,
        "c" | "channel" => AxisKind::Channel,
        "z" | "y" | "x" => AxisKind::Space,
        _ => AxisKind::Other,
    };
    Axis { name: name.trim().to_owned(), kind, unit: None }
}
