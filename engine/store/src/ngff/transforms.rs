//! Where levels lie in the world: the composition of scale and translation entries.

use super::document::{Document, Transform};
use super::{ArrayFacts, Placement};

/// Places every level. Transformations apply in the order in which they are listed, the dataset's before the image's. If no dataset
/// has one (versions up to 0.3), the levels share the outer box of the finest.
pub(super) fn place(document: &Document, levels: &[(usize, ArrayFacts)], warnings: &mut Vec<String>) -> Vec<Placement> {
    let none = levels.iter().all(|(d, _)| document.datasets[*d].transforms.as_ref().is_none_or(Vec::is_empty));
    let finest = &levels[0].1.shape;
    let place_one = |(dataset, facts): &(usize, ArrayFacts)| {
        let mut at = if none {
            same_box(finest, &facts.shape)
        } else {
            Placement { scale: vec![1.0; facts.shape.len()], translate: vec![0.0; facts.shape.len()] }
        };
        let own = document.datasets[*dataset].transforms.as_deref().unwrap_or_default();
        let key = format!("multiscales[0].datasets[{dataset}].coordinateTransformations");
        apply(&mut at, own, &key, warnings);
        apply(&mut at, &document.transforms, "multiscales[0].coordinateTransformations", warnings);
        at
    };
    levels.iter().map(place_one).collect()
}

/// Level 0 has unit samples; a level whose axis has n of its N samples has samples of N / n, edges aligned.
fn same_box(finest: &[u64], shape: &[u64]) -> Placement {
    let scale: Vec<f64> = finest.iter().zip(shape).map(|(&big, &small)| big as f64 / small as f64).collect();
    let translate = scale.iter().map(|s| (s - 1.0) / 2.0).collect();
    Placement { scale, translate }
}

fn apply(at: &mut Placement, transforms: &[Transform], key: &str, warnings: &mut Vec<String>) {
    let ndim = at.scale.len();
    for transform in transforms {
        match (transform.kind.as_deref(), &transform.scale, &transform.translation) {
            (Some("identity"), ..) => {}
            (Some("scale") | None, Some(scale), _) if scale.len() == ndim => {
                for (axis, &s) in scale.iter().enumerate() {
                    if s.is_finite() && s != 0.0 {
                        at.scale[axis] *= s;
                        at.translate[axis] *= s;
                    } else {
                        warn(warnings, format!("{key}: a scale of {s} on axis {axis} makes no sense and counts as 1"));
                    }
                }
            }
            (Some("translation") | None, _, Some(translation)) if translation.len() == ndim => {
                for (axis, &t) in translation.iter().enumerate() {
                    if t.is_finite() {
                        at.translate[axis] += t;
                    } else {
                        warn(warnings, format!("{key}: a translation of {t} on axis {axis} makes no sense and counts as 0"));
                    }
                }
            }
            (kind, ..) => {
                let kind = kind.unwrap_or("?");
                warn(warnings, format!("{key}: a {kind:?} transformation without {ndim} numbers is not understood and left out"));
            }
        }
    }
}

/// The image's own transformations are met once per level; one line is enough.
fn warn(warnings: &mut Vec<String>, line: String) {
    if !warnings.contains(&line) {
        warnings.push(line);
    }
}
