//! `multiscale`: the level, and its release.

use super::Address;
use crate::control::coerce;
use crate::control::intent::{Intent, Rejection};
use serde_json::Value;

pub(in crate::control) fn parse(at: Address<'_>, value: &Value) -> Result<Intent, Rejection> {
    match at.key {
        "level" => Ok(Intent::Level(coerce::whole_number(value).ok_or_else(|| at.invalid("level out of range"))?)),
        "policy" if value.as_str().is_some_and(|p| p.trim().eq_ignore_ascii_case("auto")) => Ok(Intent::LevelPolicyAuto),
        "policy" => Err(Rejection {
            code: "state.unsupported",
            ..at.invalid("multiscale policy cannot be changed; 'auto' releases a level")
        }),
        _ => Err(at.unsupported()),
    }
}
