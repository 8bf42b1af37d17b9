//! Where levels lie in the world: the composition of scale and translation entries.

use super::document::{Document, Transform};
use super::{ArrayFacts, MetadataError, Placement};
use std::ops::RangeInclusive;

/// World units per sample, without sign, that cameras and level choice can reckon with.
const SCALES: RangeInclusive<f64> = 1e-12..=1e12;
/// Farthest a level may reach from the origin, in world units: `f64` still tells eighths of a unit apart there.
const FARTHEST: f64 = 1e15;

/// Places every level. Transformations apply in the order in which they are listed, the dataset's before the image's. If no dataset
/// has one (versions up to 0.3), the levels share the outer box of the finest. Fails where numbers, each finite, put a level outside of
/// [`SCALES`] or beyond [`FARTHEST`].
pub(super) fn place(
    document: &Document,
    levels: &[(usize, ArrayFacts)],
    warnings: &mut Vec<String>,
) -> Result<Vec<Placement>, MetadataError> {
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
        let own_absurdity = absurdity(&at, &facts.shape);
        let shared_key = "multiscales[0].coordinateTransformations";
        apply(&mut at, &document.transforms, shared_key, warnings);
        match absurdity(&at, &facts.shape) {
            None => Ok(at),
            Some(problem) => Err(MetadataError::new(if own_absurdity.is_some() { &key } else { shared_key }, problem)),
        }
    };
    levels.iter().map(place_one).collect()
}

/// What is wrong with a placement that leaves no picture to be computed.
fn absurdity(at: &Placement, shape: &[u64]) -> Option<String> {
    let mut axes = at.scale.iter().zip(&at.translate).zip(shape).enumerate();
    axes.find_map(|(axis, ((&scale, &translate), &len))| {
        let reach = translate.abs() + scale.abs() * len as f64;
        if !SCALES.contains(&scale.abs()) {
            let (least, most) = (SCALES.start(), SCALES.end());
            Some(format!(
                "gives axis {axis} a scale of {scale:e}: write one between {least:e} and {most:e}, in another unit if need be"
            ))
        } else if reach.is_nan() || reach > FARTHEST {
            Some(format!(
                "puts axis {axis} (translation {translate:e}, scale {scale:e}) farther than {FARTHEST:e} from the origin: \
                 write smaller numbers, in another unit if need be"
            ))
        } else {
            None
        }
    })
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
