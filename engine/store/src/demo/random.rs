//! Randomness without state: numbers that depend only on what they are asked for.

/// A well mixed 32-bit number from one; a bijection (xor-shift and odd multiplications).
#[inline]
pub(super) fn mix(mut h: u32) -> u32 {
    h ^= h >> 16;
    h = h.wrapping_mul(0x7feb_352d);
    h ^= h >> 15;
    h = h.wrapping_mul(0x846c_a68b);
    h ^ (h >> 16)
}

/// The number at a place of an integer grid, one of many independent ones by `salt`.
#[inline]
pub(super) fn at(x: i32, y: i32, z: i32, salt: u32) -> u32 {
    mix(mix(mix(mix(salt) ^ x as u32) ^ y as u32) ^ z as u32)
}

/// A stream of numbers in 0..1 from a seed.
pub(super) struct Dice(u32);

impl Dice {
    pub(super) fn new(seed: u32) -> Self {
        Self(seed)
    }

    /// The next one, 0 <= v < 1.
    pub(super) fn roll(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9);
        (mix(self.0) >> 8) as f32 / (1 << 24) as f32
    }

    /// The next one, spread evenly over low..high.
    pub(super) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.roll()
    }
}

/// About normally distributed (mean 0, variance 1): the sum of four bytes of a mixed number.
#[inline]
pub(super) fn normal(h: u32) -> f32 {
    let sum = (h & 0xff) + ((h >> 8) & 0xff) + ((h >> 16) & 0xff) + (h >> 24);
    (sum as f32 - 510.0) * (1.0 / 147.8)
}

/// Smooth noise in -1..1 that varies over about one unit of its coordinates.
pub(super) fn smooth(x: f32, y: f32, z: f32, salt: u32) -> f32 {
    let ease = |v: f32| {
        let f = v - v.floor();
        (v.floor() as i32, f * f * (3.0 - 2.0 * f))
    };
    let ((x0, fx), (y0, fy), (z0, fz)) = (ease(x), ease(y), ease(z));
    let corner = |dx: i32, dy: i32, dz: i32| (at(x0 + dx, y0 + dy, z0 + dz, salt) >> 8) as f32 / (1 << 23) as f32 - 1.0;
    let blend = |a: f32, b: f32, f: f32| a + (b - a) * f;
    let edge = |dy: i32, dz: i32| blend(corner(0, dy, dz), corner(1, dy, dz), fx);
    let face = |dz: i32| blend(edge(0, dz), edge(1, dz), fy);
    blend(face(0), face(1), fz)
}
