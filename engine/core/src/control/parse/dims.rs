//! `dims`: indices, absolute and relative.

use super::Address;
use crate::control::coerce;
use crate::control::intent::{Intent, Rejection};
use serde_json::Value;

pub(in crate::control) fn parse(at: Address<'_>, value: &Value) -> Result<Intent, Rejection> {
    let what = match at.key {
        "index" => "index must be integer",
        "step" => "step delta must be integer",
        _ => return Err(at.unsupported()),
    };
    if at.target.is_empty() {
        return Err(at.invalid("dims target required"));
    }
    let number = coerce::integer(value).ok_or_else(|| at.invalid(what))?;
    let axis = at.target.to_owned();
    Ok(if at.key == "index" { Intent::DimsIndex { axis, index: number } } else { Intent::DimsStep { axis, delta: number } })
}
