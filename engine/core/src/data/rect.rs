//! Rectangles in world units and canvas sizes in pixels.

use serde::{Deserialize, Serialize};

/// Canvas size in pixels, which is also the size of the video.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CanvasSize {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl CanvasSize {
    /// Shortest side that a canvas may be asked to have.
    pub const LEAST: u32 = 64;

    /// The size that is taken when `width` by `height` pixels are asked for, of which a canvas may have `most` at most: both sides even,
    /// rounded down, and within `LEAST` and the longer (shorter) side of `most` for the longer (shorter) one.
    pub fn taken(width: i64, height: i64, most: Self) -> Self {
        let (short, long) = (most.width.min(most.height), most.width.max(most.height));
        let side = |asked: i64, most: u32| asked.clamp(Self::LEAST.into(), most.max(Self::LEAST).into()) as u32 & !1;
        if width >= height {
            Self { width: side(width, long), height: side(height, short) }
        } else {
            Self { width: side(width, short), height: side(height, long) }
        }
    }
}

/// An axis-aligned rectangle in world units, y up.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rect {
    /// Smallest x.
    pub left: f64,
    /// Smallest y.
    pub bottom: f64,
    /// Extent along x, positive.
    pub width: f64,
    /// Extent along y, positive.
    pub height: f64,
}

impl Rect {
    /// The midpoint (x, y).
    pub fn center(&self) -> (f64, f64) {
        (self.left + self.width / 2.0, self.bottom + self.height / 2.0)
    }

    /// `[left, bottom, width, height]`, as on the wire.
    pub fn to_array(self) -> [f64; 4] {
        [self.left, self.bottom, self.width, self.height]
    }

    /// The smallest rectangle around the same centre with the canvas's aspect that contains this one: what the canvas shows.
    /// (`golden/reference/README.md` "World and pixels"; PROTOCOL §17.1.)
    pub fn expanded_to(&self, canvas: CanvasSize) -> Self {
        let (w, h) = (f64::from(canvas.width), f64::from(canvas.height));
        let (cx, cy) = self.center();
        let (width, height) =
            if self.width * h > self.height * w { (self.width, self.width * h / w) } else { (self.height * w / h, self.height) };
        Self { left: cx - width / 2.0, bottom: cy - height / 2.0, width, height }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MOST: CanvasSize = CanvasSize { width: 3840, height: 2160 };

    #[test]
    fn a_canvas_is_taken_as_asked_where_it_can_be() {
        let taken = |width, height| {
            let CanvasSize { width, height } = CanvasSize::taken(width, height, MOST);
            (width, height)
        };
        assert_eq!(taken(1280, 720), (1280, 720));
        assert_eq!(taken(1281, 721), (1280, 720));
        assert_eq!(taken(1170, 2532), (1170, 2532), "a phone held upright");
        assert_eq!(taken(0, -5), (64, 64));
        assert_eq!(taken(i64::MAX, i64::MAX), (3840, 2160));
        assert_eq!(taken(5000, 100), (3840, 100));
    }

    proptest! {
        #[test]
        fn what_is_taken_is_even_within_bounds_and_stays(width: i64, height: i64) {
            let taken = CanvasSize::taken(width, height, MOST);
            let (short, long) = (taken.width.min(taken.height), taken.width.max(taken.height));
            prop_assert!(taken.width.is_multiple_of(2) && taken.height.is_multiple_of(2));
            prop_assert!((CanvasSize::LEAST..=2160).contains(&short) && long <= 3840);
            prop_assert_eq!(CanvasSize::taken(taken.width.into(), taken.height.into(), MOST), taken);
        }
    }
}
