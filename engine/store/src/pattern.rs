//! Test patterns: images whose every sample is known, for checking a whole pipeline by eye or by program.
//!
//! Lives here: what each pattern is, as a function of place and time. Must never know: files, caches, threads.

use crate::image::{Chunk, ChunkSource, Image, ReadError, ReadErrorKind};
use crate::place::Stop;
use crate::scratch::Scratch;
use nc_core::data::{DType, ImageId};
use nc_core::scene::{Axis, AxisKind, Channel, ImageInfo, LevelInfo, SourceKind};
use std::sync::Arc;

/// A test pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    /// Eight upright bars of 160 samples, 720 high, in three channels: white, yellow, cyan, green, magenta, red, blue, black.
    Bars,
    /// 1024 x 1024 samples of 16 bits: `64 x + y / 16`, so that every value there is occurs, 16 times.
    Gradient,
    /// 1024 x 1024 samples of 8 bits, black and white: eight bands of 128 rows with squares of 1, 2, 4, ... 128 samples.
    Checker,
    /// 480 x 270 samples of 8 bits at each of 36,000 times (10 minutes at 60 a second): the number of the time in six digits of seven
    /// segments, below it the same in 16 bits, the highest first, and a line that moves on by a sample each time.
    Counter,
}

/// Height of the counter's digits in samples; they are half as wide, and apart by a quarter of that.
const DIGIT: u64 = 120;
/// Thickness of a digit's segments.
const STROKE: u64 = 12;
/// Left and top of the first digit.
const DIGITS_AT: (u64, u64) = (20, 40);
/// Top, height and width of the cells of the bits.
const BITS: (u64, u64, u64) = (190, 30, 27);
/// Segments of each digit: top, upper left, upper right, middle, lower left, lower right, bottom, from the highest bit.
const SEGMENTS: [u8; 10] =
    [0b111_0111, 0b001_0010, 0b101_1101, 0b101_1011, 0b011_1010, 0b110_1011, 0b110_1111, 0b101_0010, 0b111_1111, 0b111_1011];

impl Pattern {
    /// Every pattern.
    pub const ALL: [Self; 4] = [Self::Bars, Self::Gradient, Self::Checker, Self::Counter];

    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bars => "bars",
            Self::Gradient => "gradient",
            Self::Checker => "checker",
            Self::Counter => "counter",
        }
    }

    /// The pattern of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|pattern| pattern.name() == name)
    }

    /// The image that shows it, of one level.
    pub fn image(self, id: ImageId) -> Image {
        Image::from_source(Arc::new(self.describe(id)), Arc::new(self))
    }

    /// Samples along the axes: time or channel if there is one, rows, columns.
    fn shape(self) -> Vec<u64> {
        match self {
            Self::Bars => vec![3, 720, 1280],
            Self::Gradient | Self::Checker => vec![1024, 1024],
            Self::Counter => vec![36_000, 270, 480],
        }
    }

    /// The sample of a column and row, counted from the left and the top, of a channel or time.
    pub fn sample(self, first: u64, y: u64, x: u64) -> u16 {
        let lit = |on: bool| if on { 255 } else { 0 };
        match self {
            // White is 7; each bar to the right has one less: green counts four, red two, blue one.
            Self::Bars => lit((7 - x / 160) & [2, 4, 1][first as usize % 3] != 0),
            Self::Gradient => (64 * x + y / 16) as u16,
            Self::Checker => lit(((x >> (y / 128)) + ((y % 128) >> (y / 128))).is_multiple_of(2)),
            Self::Counter => lit(counted(first, y, x)),
        }
    }

    fn describe(self, id: ImageId) -> ImageInfo {
        let shape = self.shape();
        let space = |name: &str| Axis { name: name.to_owned(), kind: AxisKind::Space, unit: None };
        let mut axes = vec![space("y"), space("x")];
        match self {
            Self::Bars => axes.insert(0, Axis { name: "c".to_owned(), kind: AxisKind::Channel, unit: None }),
            Self::Counter => axes.insert(0, Axis { name: "t".to_owned(), kind: AxisKind::Time, unit: None }),
            Self::Gradient | Self::Checker => {}
        }
        let dtype = if self == Self::Gradient { DType::U16 } else { DType::U8 };
        let window = Some((0.0, if dtype == DType::U16 { 65_535.0 } else { 255.0 }));
        let channel = |label: &str, color| Channel { label: Some(label.to_owned()), color, window, active: true };
        let channels = match self {
            Self::Bars => {
                vec![channel("red", Some([255, 0, 0])), channel("green", Some([0, 255, 0])), channel("blue", Some([0, 0, 255]))]
            }
            _ => vec![channel(self.name(), None)],
        };
        let mut chunk = shape.clone();
        if axes.len() == 3 {
            chunk[0] = 1;
        }
        let level = LevelInfo {
            path: "0".to_owned(),
            scale: vec![1.0; shape.len()],
            translate: vec![0.0; shape.len()],
            shape,
            chunk,
            ..LevelInfo::default()
        };
        ImageInfo {
            id,
            name: self.name().to_owned(),
            location: format!("pattern {}", self.name()),
            source: SourceKind::Demo,
            axes,
            dtype,
            levels: vec![level],
            channels,
            ..ImageInfo::default()
        }
    }
}

/// Whether the counter is lit there.
fn counted(t: u64, y: u64, x: u64) -> bool {
    let (width, apart) = (DIGIT / 2, DIGIT / 2 + DIGIT / 8);
    let (left, top) = DIGITS_AT;
    if (left..left + 6 * apart).contains(&x) && (top..top + DIGIT).contains(&y) {
        let (place, x, y) = ((x - left) / apart, (x - left) % apart, y - top);
        let digit = t / 10u64.pow(5 - place as u32) % 10;
        let beside = |at: u64, length: u64| at < STROKE || at >= length - STROKE;
        let middle = y.abs_diff(DIGIT / 2) <= STROKE / 2;
        let segment = |bit: u32| SEGMENTS[digit as usize] >> bit & 1 == 1;
        let across = (segment(6) && y < STROKE) || (segment(3) && middle) || (segment(0) && y >= DIGIT - STROKE);
        let (upper, left_half) = (y < DIGIT / 2, x < width / 2);
        let upright = segment(match (upper, left_half) {
            (true, true) => 5,
            (true, false) => 4,
            (false, true) => 2,
            (false, false) => 1,
        });
        return x < width && (across || (beside(x, width) && upright));
    }
    let (bits_top, height, cell) = BITS;
    if (bits_top..bits_top + height).contains(&y) && (left..left + 16 * cell).contains(&x) {
        // A sample is left dark between two cells.
        return t >> (15 - (x - left) / cell) & 1 == 1 && !(x - left).is_multiple_of(cell);
    }
    y >= bits_top + height + 10 && x == t % 480
}

impl ChunkSource for Pattern {
    fn make(&self, level: usize, chunk: &[u64], _: &mut Scratch, _: &Stop) -> Result<Chunk, ReadError> {
        let shape = self.shape();
        let first = if shape.len() == 3 { chunk.first().copied() } else { Some(0) };
        let here = level == 0 && chunk.len() == shape.len() && chunk[chunk.len() - 2..] == [0, 0];
        let Some(first) = first.filter(|&first| here && (shape.len() == 2 || first < shape[0])) else {
            return Err(ReadError::new(ReadErrorKind::NoSuchPlane, "the pattern has no such chunk"));
        };
        let (height, width) = (shape[shape.len() - 2], shape[shape.len() - 1]);
        let samples = (0..height).flat_map(|y| (0..width).map(move |x| self.sample(first, y, x)));
        let bytes = match self {
            Self::Gradient => samples.flat_map(u16::to_ne_bytes).collect(),
            _ => samples.map(|value| value as u8).collect(),
        };
        let mut size = shape;
        if size.len() == 3 {
            size[0] = 1;
        }
        Chunk::new(&size, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_the_eight_corners_of_the_colour_cube() {
        let bar = |n: u64| [0, 1, 2].map(|channel| Pattern::Bars.sample(channel, 300, 160 * n + 80));
        let all: Vec<[u16; 3]> = (0..8).map(bar).collect();
        assert_eq!(all[..4], [[255; 3], [255, 255, 0], [0, 255, 255], [0, 255, 0]]);
        assert_eq!(all[4..], [[255, 0, 255], [255, 0, 0], [0, 0, 255], [0; 3]]);
    }

    #[test]
    fn the_gradient_has_every_value_equally_often() {
        let mut counts = vec![0u8; 1 << 16];
        (0..1024).for_each(|y| (0..1024).for_each(|x| counts[usize::from(Pattern::Gradient.sample(0, y, x))] += 1));
        assert!(counts.iter().all(|&count| count == 16));
    }

    #[test]
    fn squares_double_from_band_to_band() {
        for band in 0..8 {
            let edge = 1 << band;
            let row: Vec<u16> = (0..1024).map(|x| Pattern::Checker.sample(0, band * 128, x)).collect();
            assert!(
                row.chunks(edge).enumerate().all(|(n, square)| square.iter().all(|&v| v == if n % 2 == 0 { 255 } else { 0 }))
            );
        }
    }

    #[test]
    fn the_counter_can_be_read_by_a_program_and_by_a_person() {
        for t in [0u64, 1, 12_345, 35_999] {
            let (top, height, cell) = BITS;
            let bit = |n: u64| u64::from(Pattern::Counter.sample(t, top + height / 2, DIGITS_AT.0 + n * cell + cell / 2) > 0);
            assert_eq!((0..16).fold(0, |number, n| number << 1 | bit(n)), t);
            assert_eq!((0..480).filter(|&x| Pattern::Counter.sample(t, 260, x) > 0).collect::<Vec<_>>(), [t % 480]);
        }
        // The last digit of 35,999 is a nine: everything but the lower left is lit.
        let at =
            |y: u64, x: u64| Pattern::Counter.sample(35_999, DIGITS_AT.1 + y, DIGITS_AT.0 + 5 * (DIGIT / 2 + DIGIT / 8) + x) > 0;
        assert_eq!(
            [at(2, 30), at(30, 2), at(30, 58), at(60, 30), at(90, 2), at(90, 58), at(118, 30)],
            [true, true, true, true, false, true, true]
        );
        // And the first is a zero.
        assert!(Pattern::Counter.sample(35_999, DIGITS_AT.1 + 60, DIGITS_AT.0 + 30) == 0);
    }

    #[test]
    fn chunks_hold_what_the_pattern_is() {
        for pattern in Pattern::ALL {
            let image = pattern.image(ImageId(1));
            let shape = image.info.finest().shape.clone();
            let mut at = vec![0; shape.len()];
            if shape.len() == 3 {
                at[0] = shape[0] - 1;
            }
            let (mut scratch, stop) = (Scratch::default(), Stop::default());
            let chunk = pattern.make(0, &at, &mut scratch, &stop).expect("a chunk");
            assert_eq!(chunk.flaw(&image.info, 0, &at), None);
            at[0] = shape[0];
            assert!(pattern.make(0, &at, &mut scratch, &stop).is_err());
        }
    }
}
