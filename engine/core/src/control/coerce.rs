//! JSON values to the types that properties want, as leniently as the existing server takes them (PROTOCOL §6.3).

use serde_json::Value;

/// An integer: a JSON integer (those beyond 64 bits with sign count as the largest), or a boolean as 0 or 1. Floats and strings
/// are not.
pub fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Bool(b) => Some(i64::from(*b)),
        Value::Number(n) => n.as_i64().or_else(|| n.as_u64().map(|_| i64::MAX)),
        _ => None,
    }
}

/// An integer, also from a float (truncated) or a numeric string.
pub fn lenient_integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(n) => n.as_i64().or_else(|| n.as_f64().filter(|f| f.is_finite()).map(|f| f.trunc() as i64)),
        Value::String(s) => s.trim().parse().ok(),
        other => integer(other),
    }
}

/// A whole number: an integer, also one that is written as a float or a string. A fraction is not rounded to something else.
pub fn whole_number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(n) => n.as_i64().or_else(|| n.as_f64().filter(|f| f.is_finite() && f.fract() == 0.0).map(|f| f as i64)),
        Value::String(s) => s.trim().parse().ok(),
        other => integer(other),
    }
}

/// A finite number: a JSON number, a boolean, or a numeric string.
pub fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Bool(b) => Some(f64::from(u8::from(*b))),
        Value::Number(n) => n.as_f64(),
        Value::String(s) => s.trim().parse().ok(),
        _ => None,
    }
    .filter(|f| f.is_finite())
}

/// A finite JSON number and nothing else.
pub fn strict_number(value: &Value) -> Option<f64> {
    value.as_f64().filter(|f| f.is_finite())
}

/// A truth value: a boolean, a number, or one of the usual words.
pub fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(b) => Some(*b),
        Value::Number(n) => n.as_f64().map(|f| f != 0.0),
        Value::String(s) => match s.trim().to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => Some(true),
            "0" | "false" | "no" | "off" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// A word in lower case: a string, or an object's `name`.
pub fn word(value: &Value) -> Option<String> {
    let text = value.as_str().or_else(|| value.get("name")?.as_str())?;
    Some(text.trim().to_ascii_lowercase()).filter(|s| !s.is_empty())
}

/// An array of exactly `N` finite numbers.
pub fn numbers<const N: usize>(value: &Value) -> Option<[f64; N]> {
    let items = value.as_array().filter(|a| a.len() == N)?;
    let mut out = [0.0; N];
    for (slot, item) in out.iter_mut().zip(items) {
        *slot = strict_number(item)?;
    }
    Some(out)
}
