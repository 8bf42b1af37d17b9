//! Transformations of any kind, as far as they come down to a scale and a translation per axis.

use serde_json::Value;

/// Transformations within transformations; deeper ones are not meant for anything.
const DEEPEST: usize = 16;

/// `world = scale * sample + translate`, per axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Step {
    pub(super) scale: Vec<f64>,
    pub(super) translate: Vec<f64>,
}

impl Step {
    /// What changes nothing.
    pub(super) fn identity(ndim: usize) -> Self {
        Self { scale: vec![1.0; ndim], translate: vec![0.0; ndim] }
    }

    /// This, and then `next`.
    pub(super) fn then(&mut self, next: &Self) {
        for axis in 0..self.scale.len() {
            self.scale[axis] *= next.scale[axis];
            self.translate[axis] = self.translate[axis] * next.scale[axis] + next.translate[axis];
        }
    }
}

/// Why a transformation does not reduce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It is not written as its kind demands; what is wrong.
    Malformed(String),
    /// It is more than scale and translation; its kind.
    Irreducible(String),
    /// Nobody knows such a kind.
    Unknown(String),
}

/// Reduces one transformation of `names.len()` axes.
pub(super) fn reduce(transform: &Value, names: &[String], warnings: &mut Vec<String>) -> Result<Step, Trouble> {
    reduce_at(transform, names, warnings, 0)
}

fn reduce_at(transform: &Value, names: &[String], warnings: &mut Vec<String>, depth: usize) -> Result<Step, Trouble> {
    let ndim = names.len();
    let mut step = Step::identity(ndim);
    let has = |key: &str| transform.get(key).is_some();
    let kind = match transform.get("type").and_then(Value::as_str) {
        Some(kind) => kind,
        // Old writers left the type out.
        None if has("scale") => "scale",
        None if has("translation") => "translation",
        None => "?",
    };
    let more = || Trouble::Irreducible(kind.to_owned());
    if depth > DEEPEST {
        return Err(Trouble::Malformed(format!("holds transformations more than {DEEPEST} deep")));
    }
    match kind {
        "identity" => {}
        "scale" => {
            for (axis, s) in numbers(transform, "scale", kind, ndim)?.into_iter().enumerate() {
                if s.is_finite() && s != 0.0 {
                    step.scale[axis] = s;
                } else {
                    warnings.push(format!("a scale of {s} on axis {axis} makes no sense and counts as 1"));
                }
            }
        }
        "translation" => {
            for (axis, t) in numbers(transform, "translation", kind, ndim)?.into_iter().enumerate() {
                if t.is_finite() {
                    step.translate[axis] = t;
                } else {
                    warnings.push(format!("a translation of {t} on axis {axis} makes no sense and counts as 0"));
                }
            }
        }
        "sequence" => {
            let list = transform.get("transformations").and_then(Value::as_array);
            let list = list.ok_or_else(|| Trouble::Malformed("a \"sequence\" without a list of transformations".into()))?;
            for part in list {
                step.then(&reduce_at(part, names, warnings, depth + 1)?);
            }
        }
        "affine" => {
            for (axis, row) in matrix(transform, kind, ndim, ndim + 1)?.iter().enumerate() {
                step.scale[axis] = diagonal(row, axis, ndim).ok_or_else(more)?;
                step.translate[axis] = row[ndim];
            }
        }
        "rotation" => {
            for (axis, row) in matrix(transform, kind, ndim, ndim)?.iter().enumerate() {
                step.scale[axis] = diagonal(row, axis, ndim).ok_or_else(more)?;
            }
        }
        "mapAxis" => {
            let stays = match transform.get("mapAxis") {
                Some(Value::Array(list)) => {
                    list.len() == ndim && list.iter().enumerate().all(|(i, a)| position(a, names) == Some(i))
                }
                Some(Value::Object(map)) => map.iter().all(|(to, from)| from.as_str() == Some(to)),
                _ => return Err(Trouble::Malformed("a \"mapAxis\" without a list of axes".into())),
            };
            if !stays {
                return Err(more());
            }
        }
        "byDimension" => by_dimension(transform, names, warnings, depth, &mut step)?,
        "bijection" => {
            let forward = transform.get("forward");
            let forward = forward.ok_or_else(|| Trouble::Malformed("a \"bijection\" without \"forward\"".into()))?;
            step = reduce_at(forward, names, warnings, depth + 1)?;
        }
        "inverseOf" | "displacements" | "coordinates" => return Err(more()),
        other => return Err(Trouble::Unknown(other.to_owned())),
    }
    Ok(step)
}

/// Transformations of some axes each.
fn by_dimension(
    transform: &Value,
    names: &[String],
    warnings: &mut Vec<String>,
    depth: usize,
    step: &mut Step,
) -> Result<(), Trouble> {
    let malformed = |what: &str| Trouble::Malformed(format!("a \"byDimension\" {what}"));
    let list = transform.get("transformations").and_then(Value::as_array);
    let list = list.ok_or_else(|| malformed("without a list of transformations"))?;
    let mut taken = vec![false; names.len()];
    for part in list {
        let side = |keys: [&str; 2]| -> Option<Vec<usize>> {
            let axes = keys.iter().find_map(|key| part.get(key)).and_then(Value::as_array)?;
            axes.iter().map(|axis| position(axis, names)).collect()
        };
        let from = side(["input_axes", "input"]).ok_or_else(|| malformed("of axes that there are not"))?;
        let to = side(["output_axes", "output"]).ok_or_else(|| malformed("of axes that there are not"))?;
        if from != to {
            return Err(Trouble::Irreducible("byDimension".into()));
        }
        let own: Vec<String> = from.iter().map(|&axis| names[axis].clone()).collect();
        let inner = reduce_at(part.get("transformation").unwrap_or(part), &own, warnings, depth + 1)?;
        for (i, &axis) in from.iter().enumerate() {
            if std::mem::replace(&mut taken[axis], true) {
                return Err(malformed("that names an axis twice"));
            }
            step.scale[axis] = inner.scale[i];
            step.translate[axis] = inner.translate[i];
        }
    }
    Ok(())
}

/// The axis that is meant: by number, by name, or as "dim_N".
fn position(axis: &Value, names: &[String]) -> Option<usize> {
    let at = match axis {
        Value::Number(n) => n.as_u64().and_then(|n| usize::try_from(n).ok())?,
        Value::String(name) => match names.iter().position(|n| n == name) {
            Some(at) => at,
            None => name.strip_prefix("dim_")?.parse().ok()?,
        },
        _ => return None,
    };
    (at < names.len()).then_some(at)
}

/// The only number of a row of a matrix that is not zero, if it stands on the diagonal.
fn diagonal(row: &[f64], axis: usize, ndim: usize) -> Option<f64> {
    let alone = row[..ndim].iter().enumerate().all(|(i, &m)| (i == axis) == (m != 0.0));
    alone.then_some(row[axis])
}

fn numbers(transform: &Value, key: &str, kind: &str, ndim: usize) -> Result<Vec<f64>, Trouble> {
    let list = transform.get(key).and_then(Value::as_array).filter(|list| list.len() == ndim);
    // What the parser took for no number (NaN) is said as such by the caller.
    let number = |n: &Value| if n.is_null() { Some(f64::NAN) } else { n.as_f64() };
    let list = list.and_then(|list| list.iter().map(number).collect());
    list.ok_or_else(|| Trouble::Malformed(format!("a {kind:?} transformation without {ndim} numbers")))
}

fn matrix(transform: &Value, kind: &str, rows: usize, columns: usize) -> Result<Vec<Vec<f64>>, Trouble> {
    let row = |row: &Value| -> Option<Vec<f64>> {
        let row: Vec<f64> = row.as_array()?.iter().map(Value::as_f64).collect::<Option<_>>()?;
        (row.len() == columns && row.iter().all(|n| n.is_finite())).then_some(row)
    };
    let matrix = transform.get(kind).and_then(Value::as_array).and_then(|list| list.iter().map(row).collect::<Option<Vec<_>>>());
    let matrix = matrix.filter(|m| m.len() == rows);
    matrix.ok_or_else(|| Trouble::Malformed(format!("a {kind:?} transformation without {rows} rows of {columns} numbers")))
}
