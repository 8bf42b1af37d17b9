//! Coordinate systems (0.6): which of them an image is shown in.

use super::MetadataError;
use super::document::Document;
use serde_json::Value;

/// Takes the axes from the coordinate system that the levels are placed in. What leads on from there to others is left out: an image is
/// shown in its own system.
pub(super) fn resolve(document: &mut Document, systems: &Value, warnings: &mut Vec<String>) -> Result<(), MetadataError> {
    let key = format!("{}.coordinateSystems", document.key());
    let list = systems.as_array().filter(|list| !list.is_empty());
    let list =
        list.ok_or_else(|| MetadataError::new(&key, "is empty or not a list: describe at least one system by name and axes"))?;
    let mut shown: Option<String> = None;
    for (i, dataset) in document.datasets.iter().enumerate() {
        // Where several are listed they follow one another.
        let last = dataset.transforms.as_ref().and_then(|list| list.last());
        let Some(output) = last.and_then(|t| t.get("output")).and_then(name) else { continue };
        match &shown {
            Some(first) if *first != output => {
                let problem = format!("leads to {output:?}, but the finest level to {first:?}: place all levels in one system");
                return Err(MetadataError::new(format!("{}.datasets[{i}].coordinateTransformations", document.key()), problem));
            }
            _ => shown = Some(output),
        }
    }
    let names: Vec<Option<&str>> = list.iter().map(|s| s.get("name").and_then(Value::as_str)).collect();
    let at = match &shown {
        None => {
            warnings.push("no level says which coordinate system it lies in; the first one is taken".into());
            0
        }
        Some(shown) => match names.iter().position(|n| *n == Some(shown)) {
            Some(at) => at,
            None if list.len() == 1 => {
                warnings.push(format!(
                    "the levels lie in a coordinate system {shown:?} that is not described; the only one that is is taken"
                ));
                0
            }
            None => {
                let problem = format!("describes no system {shown:?}, in which the levels lie: add it");
                return Err(MetadataError::new(key, problem));
            }
        },
    };
    let others: Vec<String> =
        names.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, n)| format!("{:?}", n.unwrap_or("?"))).collect();
    if !others.is_empty() {
        let own = names[at].unwrap_or("?");
        warnings.push(format!("shown in its own coordinate system {own:?}; there are also {}", others.join(", ")));
    }
    // Transformations of the image lead from its own system to others.
    document.transforms.clear();
    document.axes_key = format!("{key}[{at}].axes");
    let axes = list[at].get("axes").and_then(Value::as_array);
    document.axes =
        Some(axes.ok_or_else(|| MetadataError::new(&document.axes_key, "is missing: list the axes by name and type"))?.clone());
    Ok(())
}

/// A system is named by text, or by an object with its name.
fn name(reference: &Value) -> Option<String> {
    reference.as_str().or_else(|| reference.get("name").and_then(Value::as_str)).map(str::to_owned)
}
