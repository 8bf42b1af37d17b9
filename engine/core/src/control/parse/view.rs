//! `view`: the mode.

use super::Address;
use crate::control::coerce;
use crate::control::intent::{Intent, Rejection};
use serde_json::Value;

pub(in crate::control) fn parse(at: Address<'_>, value: &Value) -> Result<Intent, Rejection> {
    if at.key != "ndisplay" {
        return Err(at.unsupported());
    }
    let asked = if value.is_null() { Some(2) } else { coerce::lenient_integer(value) };
    let asked = asked.ok_or_else(|| at.invalid("ndisplay must be integer"))?;
    Ok(Intent::Ndisplay(if asked >= 3 { 3 } else { 2 }))
}
