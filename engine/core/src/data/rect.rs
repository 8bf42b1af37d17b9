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
