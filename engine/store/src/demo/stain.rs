//! What a microscope sees of the demo's cells: three stains, blurred by optics and samples, with camera offset and shot noise.

use super::SCALE;
use super::random::{self, Dice, normal};
use super::tissue::{self, Cell, REACH};

/// A channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stain {
    Nuclei,
    Membranes,
    Vesicles,
}

impl Stain {
    pub(super) const ALL: [Self; 3] = [Self::Nuclei, Self::Membranes, Self::Vesicles];

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Nuclei => "Nuclei",
            Self::Membranes => "Membranes",
            Self::Vesicles => "Vesicles",
        }
    }

    /// Chosen so that the three add up without hiding each other.
    pub(super) fn color(self) -> [u8; 3] {
        match self {
            Self::Nuclei => [0x3a, 0x7c, 0xff],
            Self::Membranes => [0x2b, 0xe0, 0x8c],
            Self::Vesicles => [0xff, 0x4f, 0x9a],
        }
    }

    /// Display window in counts.
    pub(super) fn window(self) -> (f64, f64) {
        match self {
            Self::Nuclei => (190.0, 6800.0),
            Self::Membranes => (260.0, 4800.0),
            Self::Vesicles => (230.0, 4200.0),
        }
    }
}

/// A box of samples of one level; z, y, x.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    pub(super) level: u32,
    /// Samples of level 0 that one of this level spans; powers of two.
    pub(super) factor: [u32; 3],
    pub(super) start: [usize; 3],
    pub(super) len: [usize; 3],
    /// Where in the tissue the image begins, micrometres.
    pub(super) corner: [f32; 3],
    /// How deep the whole image goes, micrometres.
    pub(super) depth: f32,
    /// Tells exposures apart that would else have the same noise: time and specimen.
    pub(super) exposure: u32,
}

/// Counts that the camera reads in the dark.
const OFFSET: f32 = 110.0;
/// Counts per detected photon.
const GAIN: f32 = 9.0;
/// Standard deviation of the camera's own noise, counts.
const READ_NOISE: f32 = 6.0;
/// Half-width of the focus, micrometres along z and across.
const BLUR: [f32; 2] = [1.1, 0.3];
/// Edges of the chromatin texture in samples of level 0; powers of two, it repeats.
const TEXTURE: [usize; 3] = [16, 64, 64];

/// The demo's scene: what is not worth making anew for each chunk.
pub(super) struct Scene {
    /// Smooth noise in 0..1, [`TEXTURE`] samples, periodic.
    texture: Vec<f32>,
}

/// Where the samples of a block lie.
struct Raster {
    /// Micrometres per sample; z, y, x.
    step: [f32; 3],
    /// Position of the block's first sample.
    origin: [f32; 3],
    len: [usize; 3],
    /// Half-width of a sharp edge as the block shows it, micrometres across: optics and sample size.
    soft: f32,
    /// The same along z, beyond what the optics blur at level 0.
    soft_z: f32,
}

impl Raster {
    fn new(block: &Block) -> Self {
        let factor = block.factor.map(|f| f as f32);
        let step = [0, 1, 2].map(|axis| SCALE[axis] as f32 * factor[axis]);
        let middle = |axis: usize| (factor[axis] - 1.0) / 2.0 * SCALE[axis] as f32;
        let origin = [0, 1, 2].map(|axis| block.start[axis] as f32 * step[axis] + middle(axis) + block.corner[axis]);
        let soft_z = 0.4 * (step[0] - SCALE[0] as f32);
        Self { step, origin, len: block.len, soft: BLUR[1].hypot(0.4 * step[2]), soft_z }
    }

    /// The samples along `axis` within `reach` of `center`.
    fn near(&self, axis: usize, center: f32, reach: f32) -> std::ops::Range<usize> {
        let index = |v: f32| ((v - self.origin[axis]) / self.step[axis]).max(0.0);
        let first = (index(center - reach).ceil() as usize).min(self.len[axis]);
        let end = if center + reach < self.origin[axis] { 0 } else { index(center + reach).floor() as usize + 1 };
        first..end.clamp(first, self.len[axis])
    }

    fn position(&self, axis: usize, i: usize) -> f32 {
        self.origin[axis] + i as i32 as f32 * self.step[axis]
    }

    fn row(&self, z: usize, y: usize) -> usize {
        (z * self.len[1] + y) * self.len[2]
    }

    fn samples(&self) -> usize {
        self.len.iter().product()
    }

    fn cells(&self) -> Vec<Cell> {
        let last = [0, 1, 2].map(|a| self.position(a, self.len[a].saturating_sub(1)));
        tissue::cells(self.origin, last)
    }
}

impl Scene {
    pub(super) fn new() -> Self {
        let [nz, ny, nx] = TEXTURE;
        // Noise of about 1 µm grain. Wrapping the lattice makes it periodic.
        let grain = [1.0, 5.0, 5.0];
        let wrap = |i: i32, n: usize, g: f32| i.rem_euclid((n as f32 / g).round() as i32);
        let lattice = |z: i32, y: i32, x: i32| {
            let place = (wrap(x, nx, grain[2]), wrap(y, ny, grain[1]), wrap(z, nz, grain[0]));
            (random::at(place.0, place.1, place.2, 77) >> 8) as f32 / (1 << 24) as f32
        };
        let split = |i: usize, n: usize, g: f32| {
            let cells = (n as f32 / g).round();
            let v = i as f32 * cells / n as f32;
            let f = v - v.floor();
            (v.floor() as i32, f * f * (3.0 - 2.0 * f))
        };
        let mut texture = Vec::with_capacity(nz * ny * nx);
        for z in 0..nz {
            for y in 0..ny {
                for x in 0..nx {
                    let ((y0, fy), (x0, fx)) = (split(y, ny, grain[1]), split(x, nx, grain[2]));
                    let edge = |dy: i32| {
                        let (a, b) = (lattice(z as i32, y0 + dy, x0), lattice(z as i32, y0 + dy, x0 + 1));
                        a + (b - a) * fx
                    };
                    texture.push(edge(0) + (edge(1) - edge(0)) * fy);
                }
            }
        }
        Self { texture }
    }

    /// The counts of a block, row-major.
    pub(super) fn expose(&self, stain: Stain, block: &Block) -> Vec<u16> {
        let raster = Raster::new(block);
        let mut light = vec![0.0f32; raster.samples()];
        match stain {
            Stain::Nuclei => self.nuclei(&raster, &mut light),
            Stain::Membranes => membranes(&raster, &mut light),
            Stain::Vesicles => vesicles(&raster, &mut light),
        }
        haze(stain, &raster, block, &mut light);
        detect(stain, block, &light)
    }

    /// Ellipsoids, grained; a few cells divide and hold a bright plate.
    fn nuclei(&self, raster: &Raster, light: &mut [f32]) {
        // The grain is finer than the samples of coarse levels: there it averages out.
        let grain = 0.75 / (1.0 + (raster.step[2] / 0.5).powi(2));
        for cell in raster.cells() {
            let mut dice = Dice::new(cell.seed ^ 0x1d);
            let dividing = dice.roll() < 0.035;
            let radius = dice.between(4.9, 6.0);
            let (long, short, thick) = if dividing {
                (radius * 0.95, 1.5, radius * 0.8)
            } else {
                let stretch = dice.between(1.0, 1.28);
                (radius * stretch, radius / stretch, radius * dice.between(0.85, 1.0))
            };
            let brightness = if dividing { 9500.0 } else { dice.between(3300.0, 6800.0) };
            let (sin, cos) = dice.between(0.0, std::f32::consts::PI).sin_cos();
            let offset = [0; 3].map(|_| dice.between(-0.9, 0.9));
            let center = [0, 1, 2].map(|a| cell.center[a] + offset[a]);
            let thick = thick.hypot(BLUR[0]).hypot(raster.soft_z);
            // The edge falls over `soft` micrometres: in units of the squared radius that is twice its share of the radius.
            let slope = 0.5 * short / raster.soft;
            let reach = long + 2.0 * raster.soft;
            let columns = raster.near(2, center[2], reach);
            for z in raster.near(0, center[0], thick + 2.0) {
                let dz = (raster.position(0, z) - center[0]) / thick;
                for y in raster.near(1, center[1], reach) {
                    let dy = raster.position(1, y) - center[1];
                    let row = &mut light[raster.row(z, y)..][..raster.len[2]];
                    let texture = self.texture_row(raster, &cell, z, y);
                    for x in columns.clone() {
                        let dx = raster.position(2, x) - center[2];
                        let (u, v) = ((dx * cos + dy * sin) / long, (dy * cos - dx * sin) / short);
                        let inside = (0.5 + slope * (1.0 - (u * u + v * v + dz * dz))).clamp(0.0, 1.0);
                        if inside > 0.0 {
                            let chromatin = 1.0 + grain * (texture(x) - 0.5) * 2.0;
                            let value = brightness * inside * inside * (3.0 - 2.0 * inside) * chromatin;
                            row[x] = row[x].max(value);
                        }
                    }
                }
            }
        }
    }

    /// The texture along a row, at another place in each cell.
    fn texture_row(&self, raster: &Raster, cell: &Cell, z: usize, y: usize) -> impl Fn(usize) -> f32 {
        let [nz, ny, nx] = TEXTURE;
        let index = |axis: usize, i: usize| (raster.position(axis, i) / SCALE[axis] as f32) as usize;
        let (tz, ty) = ((index(0, z) + cell.seed as usize) % nz, (index(1, y) + (cell.seed >> 8) as usize) % ny);
        let row = &self.texture[(tz * ny + ty) * nx..][..nx];
        let shift = index(2, 0) + (cell.seed >> 16) as usize;
        let stride = (raster.step[2] / SCALE[2] as f32) as usize;
        move |x| row[(shift + x * stride) % nx]
    }
}

/// Bright where two cells are equally near, and where a cell ends without a neighbour. Faint inside the cells.
fn membranes(raster: &Raster, light: &mut [f32]) {
    // Squared distances to the nearest and second nearest cell.
    let mut first = vec![REACH * REACH; raster.samples()];
    let mut second = first.clone();
    for cell in raster.cells() {
        for z in raster.near(0, cell.center[0], REACH) {
            let dz = raster.position(0, z) - cell.center[0];
            for y in raster.near(1, cell.center[1], REACH) {
                let dy = raster.position(1, y) - cell.center[1];
                let across = dz * dz + dy * dy;
                if across >= REACH * REACH {
                    continue;
                }
                let columns = raster.near(2, cell.center[2], (REACH * REACH - across).sqrt());
                let at = raster.row(z, y) + columns.start;
                let nearest = &mut first[at..at + columns.len()];
                let next = &mut second[at..at + columns.len()];
                let left = raster.position(2, columns.start) - cell.center[2];
                // Counted in i32 and compared by hand: this is the loop that must become vector code.
                for ((a, b), i) in nearest.iter_mut().zip(next).zip(0i32..) {
                    let dx = left + i as f32 * raster.step[2];
                    let d = dx * dx + across;
                    let farther = if d > *a { d } else { *a };
                    *b = if farther < *b { farther } else { *b };
                    *a = if d < *a { d } else { *a };
                }
            }
        }
    }
    // A sheet that is thinner than a sample fills only a part of it.
    let width = raster.soft * 1.35;
    let peak = 5200.0 * (BLUR[1] * 1.35 / width).max(0.34);
    for ((light, &a), &b) in light.iter_mut().zip(&first).zip(&second) {
        let (near, next) = (a.sqrt(), b.sqrt());
        let from_border = (next - near) * 0.5 / width;
        let sheet = 1.0 / (1.0 + from_border * from_border);
        let inside = ((REACH - near) * 0.8).clamp(0.0, 1.0);
        *light = inside * (peak * sheet * sheet + 420.0);
    }
}

/// Small spots in the cytoplasm, many in some territories and none in others.
fn vesicles(raster: &Raster, light: &mut [f32]) {
    let focus = BLUR[0] * 1.2;
    let (wide, tall) = (0.55f32.hypot(0.5 * raster.step[2]), focus.hypot(1.25 * raster.soft_z));
    let dim = ((0.55 / wide).powi(2) * (focus / tall)).max(0.06);
    for cell in raster.cells() {
        let mut dice = Dice::new(cell.seed ^ 0x5e);
        for _ in 0..(cell.activity * 90.0) as u32 {
            let (sin, cos) = dice.between(0.0, std::f32::consts::TAU).sin_cos();
            let height = dice.between(-1.0, 1.0);
            let radius = dice.between(6.0, 9.5);
            let flat = (1.0 - height * height).sqrt() * radius;
            let center = [cell.center[0] + height * radius, cell.center[1] + flat * sin, cell.center[2] + flat * cos];
            let brightness = dim * 9000.0 * dice.between(0.3, 1.0);
            spot(raster, light, center, [tall, wide], brightness);
        }
    }
}

/// Adds a blurred point: `1 / (1 + r²)²`-like, cut where it has faded.
fn spot(raster: &Raster, light: &mut [f32], center: [f32; 3], [tall, wide]: [f32; 2], brightness: f32) {
    const FADED: f32 = 2.2;
    let columns = raster.near(2, center[2], wide * FADED);
    if columns.is_empty() {
        return;
    }
    for z in raster.near(0, center[0], tall * FADED) {
        let dz = (raster.position(0, z) - center[0]) / tall;
        for y in raster.near(1, center[1], wide * FADED) {
            let dy = (raster.position(1, y) - center[1]) / wide;
            let row = &mut light[raster.row(z, y)..][..raster.len[2]];
            for x in columns.clone() {
                let dx = (raster.position(2, x) - center[2]) / wide;
                let far = (dx * dx + dy * dy + dz * dz) * (1.0 / (FADED * FADED));
                let left = (1.0 - far).max(0.0);
                row[x] += brightness * left * left * left * left;
            }
        }
    }
}

/// Light from out of focus and unbound stain: as smooth as the embryo's outline, so a coarse raster of it is enough.
fn haze(stain: Stain, raster: &Raster, block: &Block, light: &mut [f32]) {
    const PITCH: usize = 16;
    let strength = match stain {
        Stain::Nuclei => 260.0,
        Stain::Membranes => 300.0,
        Stain::Vesicles => 240.0,
    };
    let glow = |z: usize, y: usize, x: usize| {
        let at = [raster.position(0, z), raster.position(1, y), raster.position(2, x)];
        strength * ((tissue::depth(at) + 18.0) / 36.0).clamp(0.0, 1.0)
    };
    let [nz, ny, nx] = raster.len;
    let columns = nx.div_ceil(PITCH) + 1;
    for z in 0..nz {
        // Deep planes lose light on the way out.
        let fade = 1.0 - 0.35 * (raster.position(0, z) - block.corner[0]) / block.depth;
        let lattice: Vec<f32> = (0..ny.div_ceil(PITCH) + 1)
            .flat_map(|y| (0..columns).map(move |x| (y, x)))
            .map(|(y, x)| glow(z, y * PITCH, x * PITCH))
            .collect();
        for y in 0..ny {
            let (upper, lower) = ((y / PITCH) * columns, (y / PITCH + 1) * columns);
            let fy = (y % PITCH) as f32 / PITCH as f32;
            let row = &mut light[raster.row(z, y)..][..nx];
            for (j, run) in row.chunks_mut(PITCH).enumerate() {
                let blend = |i: usize| lattice[upper + i] * (1.0 - fy) + lattice[lower + i] * fy;
                let (left, right) = (blend(j), blend(j + 1));
                for (i, value) in run.iter_mut().enumerate() {
                    *value = (*value + left + (right - left) * (i as f32 / PITCH as f32)) * fade;
                }
            }
        }
    }
}

/// From light to counts: shot noise, which averaging over the samples of a coarse level lowers, and the camera's offset.
fn detect(stain: Stain, block: &Block, light: &[f32]) -> Vec<u16> {
    let [_, ny, nx] = block.len;
    let calm = 1.0 / block.factor.iter().map(|&f| f as f32).product::<f32>().sqrt();
    let mut counts = Vec::with_capacity(light.len());
    for (i, row) in light.chunks(nx.max(1)).enumerate() {
        let (z, y) = (block.start[0] + i / ny.max(1), block.start[1] + i % ny.max(1));
        let salt = random::at(y as i32, z as i32, (block.level | block.exposure << 8) as i32, stain as u32 + 0x100);
        counts.extend(row.iter().enumerate().map(|(x, &value)| {
            let noise = normal(random::mix(salt.wrapping_add((block.start[2] + x) as u32)));
            let spread = (value * GAIN + READ_NOISE * READ_NOISE).sqrt() * calm;
            // Float to integer saturates: no count is negative or wraps.
            (OFFSET + value + spread * noise) as u16
        }));
    }
    counts
}
