//! Bricks: cubes of samples of a volume through one level of an image, the unit of 3D residency.

use super::{ImageId, MAX_AXES, Samples};

/// Edge of a brick in samples. Brick `(bz, by, bx)` holds samples `bz*BRICK..` and so on of its volume, cut at the volume's end.
pub const BRICK: u32 = 64;

/// Edge of a cell in samples: the smallest cube whose span of values is known.
pub const CELL: u32 = 4;

/// A volume: three axes of one level, the others at an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VolumeKey {
    /// The image.
    pub image: ImageId,
    /// Level, 0 the finest.
    pub level: u8,
    /// Array axes of world z, y, x.
    pub axes: [u8; 3],
    /// Index per array axis at this level; 0 on `axes` and beyond the image's last axis.
    pub index: [u32; MAX_AXES],
}

/// One brick of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BrickKey {
    /// The volume.
    pub volume: VolumeKey,
    /// Position among the bricks, along the volume's z, y, x.
    pub at: [u32; 3],
}

impl BrickKey {
    /// Every brick of a volume of `shape` samples (z, y, x), in order.
    pub fn all(volume: VolumeKey, shape: [u32; 3]) -> impl Iterator<Item = Self> {
        let [nz, ny, nx] = shape.map(|n| n.div_ceil(BRICK));
        let at = (0..nz).flat_map(move |z| (0..ny).flat_map(move |y| (0..nx).map(move |x| [z, y, x])));
        at.map(move |at| Self { volume, at })
    }

    /// First sample of the brick along z, y, x.
    pub fn origin(&self) -> [u32; 3] {
        self.at.map(|at| at.saturating_mul(BRICK))
    }

    /// Samples of the brick along z, y, x in a volume of `shape`; `None` if it has no such brick.
    pub fn size(&self, shape: [u32; 3]) -> Option<[u32; 3]> {
        let origin = self.origin();
        let size = std::array::from_fn(|i| shape[i].saturating_sub(origin[i]).min(BRICK));
        (!size.contains(&0)).then_some(size)
    }
}

/// Least and greatest value of a cell; `lo > hi` if no sample of it is a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    /// Least.
    pub lo: f32,
    /// Greatest.
    pub hi: f32,
}

impl Span {
    /// Of no value.
    pub const NONE: Self = Self { lo: f32::INFINITY, hi: f32::NEG_INFINITY };

    /// Of both.
    pub fn joined(self, other: Self) -> Self {
        Self { lo: self.lo.min(other.lo), hi: self.hi.max(other.hi) }
    }
}

/// The samples of one brick with the spans of their values, so that whoever draws it can pass over what does not matter.
#[derive(Debug, Clone, PartialEq)]
pub struct Brick {
    size: [u32; 3],
    samples: Samples,
    cells: Box<[Span]>,
}

impl Brick {
    /// From `size` samples (z, y, x; each 1 to [`BRICK`]), x fastest. `None` if there are not as many as that.
    pub fn new(size: [u32; 3], samples: Samples) -> Option<Self> {
        let fits = size.iter().all(|n| (1..=BRICK).contains(n)) && samples.len() == size.iter().product::<u32>() as usize;
        fits.then(|| {
            let cells = match &samples {
                Samples::U8(s) => spans(size, s, (u8::MAX, u8::MIN), u8::min, u8::max, f32::from),
                Samples::U16(s) => spans(size, s, (u16::MAX, u16::MIN), u16::min, u16::max, f32::from),
                // `f32::min` and `max` pass over what is not a number.
                Samples::F32(s) => spans(size, s, (Span::NONE.lo, Span::NONE.hi), f32::min, f32::max, |v| v),
            };
            Self { size, samples, cells }
        })
    }

    /// Samples along z, y, x.
    pub fn size(&self) -> [u32; 3] {
        self.size
    }

    /// The samples, x fastest.
    pub fn samples(&self) -> &Samples {
        &self.samples
    }

    /// Cells along z, y, x.
    pub fn cell_grid(&self) -> [u32; 3] {
        self.size.map(|n| n.div_ceil(CELL))
    }

    /// What each cell of [`CELL`]³ samples (cut at the brick's end) holds, x fastest.
    pub fn cells(&self) -> &[Span] {
        &self.cells
    }
}

fn spans<T: Copy>(
    size: [u32; 3],
    samples: &[T],
    (top, bottom): (T, T),
    min: impl Fn(T, T) -> T,
    max: impl Fn(T, T) -> T,
    number: impl Fn(T) -> f32,
) -> Box<[Span]> {
    let [nz, ny, nx] = size.map(|n| n as usize);
    let (cell, across) = (CELL as usize, nx.div_ceil(CELL as usize));
    let mut out = Vec::with_capacity(nz.div_ceil(cell) * ny.div_ceil(cell) * across);
    let (mut lows, mut highs) = (vec![top; nx], vec![bottom; nx]);
    for z in (0..nz).step_by(cell) {
        for y in (0..ny).step_by(cell) {
            lows.fill(top);
            highs.fill(bottom);
            for z in z..(z + cell).min(nz) {
                for y in y..(y + cell).min(ny) {
                    let row = &samples[(z * ny + y) * nx..][..nx];
                    for ((lo, hi), &v) in lows.iter_mut().zip(&mut highs).zip(row) {
                        *lo = min(*lo, v);
                        *hi = max(*hi, v);
                    }
                }
            }
            out.extend(lows.chunks(cell).zip(highs.chunks(cell)).map(|(lows, highs)| Span {
                lo: number(lows.iter().copied().fold(top, &min)),
                hi: number(highs.iter().copied().fold(bottom, &max)),
            }));
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume() -> VolumeKey {
        VolumeKey { image: ImageId(1), level: 0, axes: [0, 1, 2], index: [0; MAX_AXES] }
    }

    #[test]
    fn bricks_tile_a_volume() {
        let shape = [65, 64, 130];
        let bricks: Vec<_> = BrickKey::all(volume(), shape).collect();
        assert_eq!(bricks.len(), 2 * 3);
        let samples: u32 = bricks.iter().map(|b| b.size(shape).map_or(0, |s| s.iter().product())).sum();
        assert_eq!(samples, shape.iter().product::<u32>());
        assert_eq!(bricks[5].size(shape), Some([1, 64, 2]));
        assert_eq!(BrickKey { volume: volume(), at: [0, 1, 0] }.size(shape), None);
    }

    #[test]
    fn cells_know_what_they_hold() {
        let size = [5u32, 6, 9];
        let values: Vec<u16> = (0..size.iter().product::<u32>()).map(|i| (i * 7919 % 1000) as u16).collect();
        let brick = Brick::new(size, Samples::U16(values.clone().into())).expect("a brick");
        let [cz, cy, cx] = brick.cell_grid();
        assert_eq!((cz, cy, cx, brick.cells().len()), (2, 2, 3, 12));
        for (i, cell) in brick.cells().iter().enumerate() {
            let (z, y, x) = (i as u32 / (cy * cx), i as u32 / cx % cy, i as u32 % cx);
            let inside = (0..values.len() as u32).filter(|j| {
                let at = [j / (size[1] * size[2]), j / size[2] % size[1], j % size[2]].map(|k| k / CELL);
                at == [z, y, x]
            });
            let held: Vec<u16> = inside.map(|j| values[j as usize]).collect();
            let expected = (held.iter().min().copied(), held.iter().max().copied());
            assert_eq!((Some(cell.lo), Some(cell.hi)), (expected.0.map(f32::from), expected.1.map(f32::from)));
        }
    }

    #[test]
    fn what_is_no_number_has_no_span() {
        let brick =
            Brick::new([1, 1, 6], Samples::F32([f32::NAN, 2.0, -3.0, f32::NAN, f32::NAN, f32::NAN].into())).expect("a brick");
        assert_eq!(brick.cells(), [Span { lo: -3.0, hi: 2.0 }, Span::NONE]);
        assert_eq!(Brick::new([1, 1, 6], Samples::U8([0; 5].into())), None);
    }
}
