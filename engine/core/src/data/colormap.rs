//! The colour maps that layers may name, as finished tables.
//!
//! Lives here: the thirty names of PROTOCOL §6.3, channel colours (`#rrggbb`), and how control points become a table. The points
//! of the maps that are not simple ramps are in [`colormap_points`](super::colormap_points). Must never know which layer uses what.

use super::color::{ColorTable, TABLE_LEN};
use super::colormap_points::{self as points, POINTS};
use std::sync::{Arc, OnceLock};

/// The colour maps that [`named`] knows, in the order in which they are offered to people.
pub fn names() -> &'static [&'static str] {
    &NAMES
}

/// The table of a colour map, by name in any case, or of a colour written `#rrggbb`. `None` if there is no such map.
pub fn named(name: &str) -> Option<Arc<ColorTable>> {
    if let Some(hex) = name.strip_prefix('#') {
        return parse_hex(hex).map(solid);
    }
    let at = MAPS.iter().position(|(known, _)| known.eq_ignore_ascii_case(name))?;
    let (known, map) = &MAPS[at];
    Some(TABLES[at].get_or_init(|| Arc::new(map.table(known))).clone())
}

/// Black to `rgb`, for a channel of that colour. Named `#rrggbb`, or by its word where [`named`] has one for it.
pub fn solid(rgb: [u8; 3]) -> Arc<ColorTable> {
    let word = MAPS.iter().find_map(|(known, map)| match map {
        Map::Ramp([[0, 0, 0], top]) if *top == rgb => Some(*known),
        _ => None,
    });
    let name = || format!("#{:02x}{:02x}{:02x}", rgb[0], rgb[1], rgb[2]);
    word.and_then(named).unwrap_or_else(|| Arc::new(Map::ramp(&[[0, 0, 0], rgb], name())))
}

fn parse_hex(hex: &str) -> Option<[u8; 3]> {
    if hex.len() != 6 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let rgb = u32::from_str_radix(hex, 16).ok()?;
    Some([(rgb >> 16) as u8, (rgb >> 8) as u8, rgb as u8])
}

/// How a map is defined. Control points lie at equal distances from 0 to 1.
enum Map {
    /// Two or three colours, 8 bits a component.
    Ramp(&'static [[u8; 3]]),
    /// Many colours, 16 bits a component.
    Points(&'static [[u16; 3]; POINTS]),
    /// Gray, with colours of its own for what is at or beyond the limits.
    GrayWithEnds { low: [u8; 4], high: [u8; 4] },
    /// Gray, with a colour of its own for values that are not numbers.
    GrayWithNan([u8; 4]),
}

impl Map {
    fn table(&self, name: &str) -> ColorTable {
        let gray = || Self::ramp(&[[0; 3], [255; 3]], name.to_owned());
        match self {
            Self::Ramp(colors) => Self::ramp(colors, name.to_owned()),
            Self::Points(colors) => table(name.to_owned(), colors.len(), |i| colors[i].map(|c| f64::from(c) / 65535.0)),
            Self::GrayWithEnds { low, high } => ColorTable { low: Some(*low), high: Some(*high), ..gray() },
            Self::GrayWithNan(nan) => ColorTable { nan: Some(*nan), ..gray() },
        }
    }

    fn ramp(colors: &[[u8; 3]], name: String) -> ColorTable {
        table(name, colors.len(), |i| colors[i].map(|c| f64::from(c) / 255.0))
    }
}

/// Entry `i` is the linear interpolation of `count` (at least 2) control points at `i / (TABLE_LEN - 1)`, rounded to 8 bits.
fn table(name: String, count: usize, color: impl Fn(usize) -> [f64; 3]) -> ColorTable {
    let mut entries = Box::new([[255; 4]; TABLE_LEN]);
    for (i, entry) in entries.iter_mut().enumerate() {
        let at = i as f64 / (TABLE_LEN - 1) as f64 * (count - 1) as f64;
        let lower = (at as usize).min(count - 2);
        let (a, b, weight) = (color(lower), color(lower + 1), at - lower as f64);
        for k in 0..3 {
            entry[k] = ((a[k] + (b[k] - a[k]) * weight) * 255.0).round_ties_even() as u8;
        }
    }
    ColorTable { name, entries, low: None, high: None, nan: None }
}

/// Reads the generated points: twelve hexadecimal digits each. Runs at compile time, where a bad digit or length is an error.
pub(super) const fn decode_points(hex: &[u8]) -> [[u16; 3]; POINTS] {
    assert!(hex.len() == POINTS * 12, "twelve digits a point");
    let mut out = [[0; 3]; POINTS];
    let mut at = 0;
    while at < hex.len() {
        let digit = match hex[at] {
            d @ b'0'..=b'9' => d - b'0',
            d @ b'a'..=b'f' => d - b'a' + 10,
            _ => panic!("not a hexadecimal digit"),
        };
        let component = &mut out[at / 12][at / 4 % 3];
        *component = *component << 4 | digit as u16;
        at += 1;
    }
    out
}

/// The table of each map, made when it is first asked for: a constant that takes a while to calculate.
static TABLES: [OnceLock<Arc<ColorTable>>; MAPS.len()] = [const { OnceLock::new() }; MAPS.len()];

const NAMES: [&str; MAPS.len()] = {
    let mut names = [""; MAPS.len()];
    let mut i = 0;
    while i < names.len() {
        names[i] = MAPS[i].0;
        i += 1;
    }
    names
};

const BLACK: [u8; 3] = [0; 3];
const WHITE: [u8; 3] = [255; 3];

/// Name and definition; the ramps are napari's (BSD-3-Clause), the `I` ones Christophe Leterrier's ChrisLUTs by way of napari.
static MAPS: [(&str, Map); 30] = [
    ("blue", Map::Ramp(&[BLACK, [0, 0, 255]])),
    ("bop blue", Map::Points(&points::BOP_BLUE)),
    ("bop orange", Map::Points(&points::BOP_ORANGE)),
    ("bop purple", Map::Points(&points::BOP_PURPLE)),
    ("cyan", Map::Ramp(&[BLACK, [0, 255, 255]])),
    ("fire", Map::Ramp(&[WHITE, [255, 255, 0], [255, 0, 0]])),
    ("gist_earth", Map::Points(&points::GIST_EARTH)),
    ("gray", Map::Ramp(&[BLACK, WHITE])),
    ("gray_r", Map::Ramp(&[WHITE, BLACK])),
    ("green", Map::Ramp(&[BLACK, [0, 255, 0]])),
    ("HiLo", Map::GrayWithEnds { low: [0, 0, 255, 255], high: [255, 0, 0, 255] }),
    ("hsv", Map::Points(&points::HSV)),
    ("I Blue", Map::Ramp(&[WHITE, [0, 51, 204]])),
    ("I Bordeaux", Map::Ramp(&[WHITE, [204, 0, 51]])),
    ("I Forest", Map::Ramp(&[WHITE, [0, 153, 0]])),
    ("I Orange", Map::Ramp(&[WHITE, [255, 117, 0]])),
    ("I Purple", Map::Ramp(&[WHITE, [117, 0, 255]])),
    ("ice", Map::Ramp(&[[0, 0, 255], WHITE])),
    ("inferno", Map::Points(&points::INFERNO)),
    ("magenta", Map::Ramp(&[BLACK, [255, 0, 255]])),
    ("magma", Map::Points(&points::MAGMA)),
    ("nan", Map::GrayWithNan([255, 0, 0, 255])),
    ("PiYG", Map::Points(&points::PIYG)),
    ("plasma", Map::Points(&points::PLASMA)),
    ("red", Map::Ramp(&[BLACK, [255, 0, 0]])),
    ("turbo", Map::Points(&points::TURBO)),
    ("twilight", Map::Points(&points::TWILIGHT)),
    ("twilight_shifted", Map::Points(&points::TWILIGHT_SHIFTED)),
    ("viridis", Map::Points(&points::VIRIDIS)),
    ("yellow", Map::Ramp(&[BLACK, [255, 255, 0]])),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_table_of_that_name_in_any_case() {
        assert_eq!(names().len(), 30);
        for name in names() {
            for spelling in [name.to_lowercase(), name.to_uppercase()] {
                let table = named(&spelling).expect(name);
                assert_eq!(&table.name, name);
                assert!(table.entries.iter().all(|e| e[3] == 255), "{name} is opaque");
                assert_ne!(table.entries[0], table.entries[TABLE_LEN / 2], "{name} goes somewhere");
            }
        }
        for unknown in ["", "grey area", "#12345", "#12345g", "#1234567", "#+12345", "# 12345"] {
            assert!(named(unknown).is_none(), "{unknown}");
        }
    }

    #[test]
    fn a_colour_makes_a_ramp_from_black() {
        let table = named("#FF8040").expect("a colour");
        assert_eq!(table.name, "#ff8040");
        assert_eq!((table.entries[0], table.entries[1023]), ([0, 0, 0, 255], [255, 128, 64, 255]));
        for (rgb, word) in [([255, 0, 0], "red"), ([255, 255, 0], "yellow"), ([255, 255, 255], "gray"), ([0, 0, 0], "#000000")] {
            assert_eq!(solid(rgb).name, word);
        }
    }

    #[test]
    fn only_hilo_and_nan_have_colours_beside_the_table() {
        for name in names() {
            let table = named(name).expect(name);
            assert_eq!(table.low.is_some() && table.high.is_some(), *name == "HiLo", "{name}");
            assert_eq!(table.nan.is_some(), *name == "nan", "{name}");
        }
    }

    /// The control points that the reference pictures were drawn with, as napari hands them to its renderer.
    #[test]
    fn tables_are_those_of_the_reference_pictures() {
        let maps: serde_json::Value =
            serde_json::from_str(include_str!("../../../../golden/reference/colormaps.json")).expect("JSON");
        let numbers =
            |v: &serde_json::Value| -> Vec<f64> { v.as_array().expect("array").iter().filter_map(|n| n.as_f64()).collect() };
        for (name, map) in maps.as_object().expect("object") {
            let (controls, table) = (numbers(&map["controls"]), named(name).expect(name));
            let colors: Vec<Vec<f64>> = map["colors"].as_array().expect("array").iter().map(numbers).collect();
            let mut unequal = 0;
            for (i, entry) in table.entries.iter().enumerate() {
                let at = i as f64 / 1023.0;
                let upper = controls.partition_point(|c| *c < at).clamp(1, controls.len() - 1);
                let weight = (at - controls[upper - 1]) / (controls[upper] - controls[upper - 1]);
                for k in 0..4 {
                    let exact = 255.0 * (colors[upper - 1][k] + (colors[upper][k] - colors[upper - 1][k]) * weight);
                    assert!((exact - f64::from(entry[k])).abs() < 0.51, "{name} entry {i}: {exact} {entry:?}");
                    unequal += usize::from(exact.round() != f64::from(entry[k]));
                }
            }
            assert!(unequal <= 40, "{name}: {unequal} components lie on the other side of a rounding");
            for (key, ours) in [("low_color", table.low), ("high_color", table.high)] {
                let theirs =
                    map[key].as_array().map(|_| numbers(&map[key]).iter().map(|c| (c * 255.0).round() as u8).collect::<Vec<_>>());
                assert_eq!(theirs, ours.map(|c| c.to_vec()), "{name} {key}");
            }
        }
    }

    /// Maps that no reference picture uses: first and last colour as their authors publish them.
    #[test]
    fn known_colours_are_where_they_belong() {
        for (name, first, last) in [
            ("inferno", [0, 0, 4], [252, 255, 164]),
            ("plasma", [13, 8, 135], [240, 249, 33]),
            ("PiYG", [142, 1, 82], [39, 100, 25]),
            ("fire", [255, 255, 255], [255, 0, 0]),
            ("ice", [0, 0, 255], [255, 255, 255]),
            ("I Bordeaux", [255, 255, 255], [204, 0, 51]),
            ("I Purple", [255, 255, 255], [117, 0, 255]),
        ] {
            let table = named(name).expect(name);
            assert_eq!((&table.entries[0][..3], &table.entries[1023][..3]), (&first[..], &last[..]), "{name}");
        }
    }
}
