//! OMERO rendering metadata: channels and the planes shown at first.

use super::document::{Omero, OmeroChannel, OmeroWindow};
use nc_core::scene::Channel;

#[derive(Debug, Default, PartialEq)]
pub(super) struct Rendering {
    pub(super) channels: Vec<Channel>,
    pub(super) default_z: Option<u64>,
    pub(super) default_t: Option<u64>,
}

/// Reads the "omero" entry of an image with `count` channels.
pub(super) fn read(omero: Option<&Omero>, count: u64, warnings: &mut Vec<String>) -> Rendering {
    let Some(omero) = omero else { return Rendering::default() };
    let entries = omero.channels.as_deref().unwrap_or_default();
    if !entries.is_empty() && entries.len() as u64 != count {
        warnings.push(format!("omero.channels describes {} channels, but the image has {count}", entries.len()));
    }
    let channels = entries.iter().enumerate().take(usize::try_from(count).unwrap_or(usize::MAX));
    let channels = channels.map(|(i, entry)| channel(i, entry, warnings)).collect();
    let index = |v: Option<f64>| v.filter(|v| *v >= 0.0 && *v <= f64::from(u32::MAX)).map(|v| v as u64);
    let rdefs = omero.rdefs.as_ref();
    Rendering { channels, default_z: index(rdefs.and_then(|r| r.default_z)), default_t: index(rdefs.and_then(|r| r.default_t)) }
}

fn channel(i: usize, entry: &OmeroChannel, warnings: &mut Vec<String>) -> Channel {
    let color = entry.color.as_deref().and_then(|text| {
        let color = hex(text);
        if color.is_none() {
            warnings.push(format!("omero.channels[{i}].color {text:?} is not RRGGBB and left out"));
        }
        color
    });
    let range = entry.window.as_ref().and_then(|w| {
        let range = limits(w);
        if range.is_none() {
            warnings.push(format!("omero.channels[{i}].window is empty or incomplete and left out"));
        }
        range
    });
    let label = entry.label.clone().filter(|l| !l.trim().is_empty());
    Channel { label, color, window: range, active: entry.active.unwrap_or(true) }
}

/// "start" and "end" where they span something, else "min" and "max".
fn limits(window: &OmeroWindow) -> Option<(f64, f64)> {
    let span = |low: Option<f64>, high: Option<f64>| low.zip(high).filter(|(l, h)| l.is_finite() && h.is_finite() && l < h);
    span(window.start, window.end).or_else(|| span(window.min, window.max))
}

/// RRGGBB, also with a leading '#' or a trailing alpha.
fn hex(text: &str) -> Option<[u8; 3]> {
    let digits = text.trim().trim_start_matches('#');
    if !matches!(digits.len(), 6 | 8) || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let [_, r, g, b] = u32::from_str_radix(&digits[..6], 16).ok()?.to_be_bytes();
    Some([r, g, b])
}
