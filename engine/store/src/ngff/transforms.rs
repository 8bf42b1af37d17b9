//! Where levels lie in the world: the composition of their transformations.

use super::document::Document;
use super::reduce::{Step, Trouble, reduce};
use super::{ArrayFacts, MetadataError, Placement};
use nc_core::scene::Axis;
use serde_json::Value;
use std::ops::RangeInclusive;

/// World units per sample, without sign, that cameras and level choice can reckon with.
const SCALES: RangeInclusive<f64> = 1e-12..=1e12;
/// Farthest a level may reach from the origin, in world units: `f64` still tells eighths of a unit apart there.
const FARTHEST: f64 = 1e15;

/// Places every level. Transformations apply in the order in which they are listed, the dataset's before the image's. If no dataset
/// has one (versions up to 0.3), the levels share the outer box of the finest. Fails where a transformation is more than scale and
/// translation, and where numbers, each finite, put a level outside of [`SCALES`] or beyond [`FARTHEST`].
pub(super) fn place(
    document: &Document,
    axes: &[Axis],
    levels: &[(usize, ArrayFacts)],
    warnings: &mut Vec<String>,
) -> Result<Vec<Placement>, MetadataError> {
    let none = levels.iter().all(|(d, _)| document.datasets[*d].transforms.as_ref().is_none_or(Vec::is_empty));
    let finest = &levels[0].1.shape;
    let names: Vec<String> = axes.iter().map(|axis| axis.name.clone()).collect();
    let place_one = |(dataset, facts): &(usize, ArrayFacts)| {
        let mut at = if none {
            same_box(finest, &facts.shape)
        } else {
            Placement { scale: vec![1.0; facts.shape.len()], translate: vec![0.0; facts.shape.len()] }
        };
        let own = document.datasets[*dataset].transforms.as_deref().unwrap_or_default();
        let key = format!("{}.datasets[{dataset}].coordinateTransformations", document.key());
        apply(&mut at, own, document, &names, &key, warnings)?;
        let own_absurdity = absurdity(&at, &facts.shape);
        let shared_key = format!("{}.coordinateTransformations", document.key());
        apply(&mut at, &document.transforms, document, &names, &shared_key, warnings)?;
        match absurdity(&at, &facts.shape) {
            None => Ok(at),
            Some(problem) => Err(MetadataError::new(if own_absurdity.is_some() { key } else { shared_key }, problem)),
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
pub(super) fn same_box(finest: &[u64], shape: &[u64]) -> Placement {
    let scale: Vec<f64> = finest.iter().zip(shape).map(|(&big, &small)| big as f64 / small as f64).collect();
    let translate = scale.iter().map(|s| (s - 1.0) / 2.0).collect();
    Placement { scale, translate }
}

/// Applies `transforms` after what is there.
fn apply(
    at: &mut Placement,
    transforms: &[Value],
    document: &Document,
    names: &[String],
    key: &str,
    warnings: &mut Vec<String>,
) -> Result<(), MetadataError> {
    for transform in transforms {
        let mut odd = Vec::new();
        let reduced = reduce(transform, names, &mut odd);
        odd.into_iter().for_each(|line| warn(warnings, format!("{key}: {line}")));
        match reduced {
            Ok(step) => {
                let mut whole = Step { scale: std::mem::take(&mut at.scale), translate: std::mem::take(&mut at.translate) };
                whole.then(&step);
                (at.scale, at.translate) = (whole.scale, whole.translate);
            }
            Err(Trouble::Irreducible(kind)) => return Err(MetadataError::irreducible(key, kind)),
            // From 0.6 on everything that is written has a meaning that would be lost.
            Err(Trouble::Malformed(problem)) if document.is_six => {
                return Err(MetadataError::new(key, format!("holds {problem}: correct it")));
            }
            Err(Trouble::Unknown(kind)) if document.is_six => return Err(MetadataError::irreducible(key, kind)),
            Err(Trouble::Malformed(problem)) => warn(warnings, format!("{key}: {problem} is not understood and left out")),
            Err(Trouble::Unknown(kind)) => {
                warn(warnings, format!("{key}: a {kind:?} transformation is not understood and left out"));
            }
        }
    }
    Ok(())
}

/// The image's own transformations are met once per level; one line is enough.
fn warn(warnings: &mut Vec<String>, line: String) {
    if !warnings.contains(&line) {
        warnings.push(line);
    }
}
