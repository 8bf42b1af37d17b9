//! Label images: from the id of a sample to the key that devices draw, and from the key to a colour.
//!
//! Ids may have 64 bits, devices draw 16. An id of an image of 8 or 16 bits is its own key; wider ids are folded so that their colour
//! stays what napari gives them, and so that two ids share a key only if they differ by a multiple of 65,513.

use std::collections::BTreeMap;

/// Widest outline of labels, samples.
pub const MOST_CONTOUR: u32 = 32;

/// Colours that ids go around in, entry 0 beside them: napari 0.9.2's label colours (`golden/reference/label_colors.json`, BSD-3-Clause),
/// 0xRRGGBB.
const CYCLE: [u32; 50] = [
    0x7c7482, 0x782506, 0x5bd5f8, 0x9289e8, 0x6c02c1, 0x473a9f, 0xabec8a, 0x8fadb2, 0x86909a, 0xfef71c, 0xf7443b, 0x034e39,
    0x71b260, 0x69954a, 0x3c1b87, 0x2e4710, 0x5cb7de, 0x479d76, 0x474258, 0xef5665, 0xb8507b, 0xa62a64, 0xf1b4ec, 0x4b1e20,
    0xb4c53e, 0x9c602f, 0x8a431b, 0xd8be9a, 0xb47dbd, 0xa65ea4, 0x607a34, 0xc1e357, 0xd79555, 0x9e876f, 0x002ceb, 0xcae6e0,
    0xe18b1e, 0x78f001, 0x7b8e0f, 0xe5ddb2, 0xabec8a, 0x42d8a6, 0x46ba8e, 0xfef71c, 0xf7443b, 0xaf4bf2, 0xb00c3f, 0x69954a,
    0xf687a7, 0xcb32c7,
];

/// How many colours repeat.
const PERIOD: u16 = CYCLE.len() as u16 - 1;

/// Keys that wide ids are folded to, without the background: the largest multiple of the period below 2^16.
const FOLD: i64 = PERIOD as i64 * (u16::MAX / PERIOD) as i64;

/// The key of an id of more than 16 bits. 0, the background, is 0, and nothing else is.
pub fn key_of(id: i64) -> u16 {
    if id == 0 { 0 } else { ((i128::from(id) - 1).rem_euclid(i128::from(FOLD)) + 1) as u16 }
}

/// As [`key_of`], of unsigned ids.
pub fn key_of_unsigned(id: u64) -> u16 {
    if id == 0 { 0 } else { ((id - 1) % FOLD as u64 + 1) as u16 }
}

/// The colours of a label layer: those that the file gives to single ids, and napari's cycle for the others. The background is
/// transparent unless the file says otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelColors {
    own: BTreeMap<u16, [u8; 4]>,
}

impl LabelColors {
    /// Keys that have a colour, the background's included.
    pub const KEYS: usize = 1 << 16;

    /// With colours of their own for some keys, RGBA.
    pub fn new(own: impl IntoIterator<Item = (u16, [u8; 4])>) -> Self {
        Self { own: own.into_iter().collect() }
    }

    /// The colour of a key, straight RGBA.
    pub fn color(&self, key: u16) -> [u8; 4] {
        self.own.get(&key).copied().unwrap_or_else(|| match key {
            0 => [0; 4],
            _ => {
                let [_, r, g, b] = CYCLE[usize::from((key - 1) % PERIOD + 1)].to_be_bytes();
                [r, g, b, 255]
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_the_colour_of_its_id() {
        let colors = LabelColors::default();
        let cyclic = |id: i128| colors.color(((id - 1).rem_euclid(i128::from(PERIOD)) + 1) as u16);
        for id in [1, 2, 49, 50, 51, 65_513, 65_514, 65_535, 65_536, i64::from(u32::MAX), i64::MAX, -1, -49, i64::MIN] {
            assert_eq!(colors.color(key_of(id)), cyclic(id.into()), "{id}");
            assert_ne!(key_of(id), 0);
        }
        assert_eq!(colors.color(key_of_unsigned(u64::MAX)), cyclic(u64::MAX.into()));
        assert_eq!((key_of(0), key_of_unsigned(0), colors.color(0)), (0, 0, [0; 4]));
        assert_eq!(colors.color(1), [120, 37, 6, 255]);
    }

    #[test]
    fn a_file_may_say_otherwise() {
        let colors = LabelColors::new([(3, [1, 2, 3, 4]), (0, [9, 9, 9, 255])]);
        assert_eq!((colors.color(3), colors.color(0)), ([1, 2, 3, 4], [9, 9, 9, 255]));
        assert_eq!(colors.color(4), LabelColors::default().color(4));
    }
}
