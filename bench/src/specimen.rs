//! What a made-up confocal stack looks like: cells on a jittered grid, a stain per channel, camera offset and shot noise. Stateless:
//! every sample follows from its place, so planes can be made in any order and on any thread.

/// Counts of the camera in the dark; each detected photon adds one.
const OFFSET: f32 = 110.0;
/// Typical distance of cells in samples: z, y and x.
const SPACING: [f32; 3] = [14.0, 44.0, 44.0];
/// How far a cell's centre strays from the middle of its box, in parts of the box.
const JITTER: f32 = 0.35;

/// What of a cell a channel shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stain {
    /// Name for people.
    pub label: &'static str,
    /// Colour in OMERO's words, RRGGBB.
    pub color: &'static str,
    /// Radius across in samples.
    radius: f32,
    /// Brightness in photons.
    photons: f32,
    /// 0: filled; towards 1: a shell of that relative inner radius.
    hollow: f32,
    /// Share of the cells that have it.
    share: f32,
}

/// The channels there can be.
pub const STAINS: [Stain; 4] = [
    Stain { label: "Nuclei", color: "3A7CFF", radius: 13.0, photons: 420.0, hollow: 0.0, share: 1.0 },
    Stain { label: "Membranes", color: "2BE08C", radius: 21.0, photons: 260.0, hollow: 0.8, share: 1.0 },
    Stain { label: "Vesicles", color: "FF4F9A", radius: 6.0, photons: 600.0, hollow: 0.0, share: 0.45 },
    Stain { label: "Cortex", color: "FFB347", radius: 17.0, photons: 180.0, hollow: 0.55, share: 0.3 },
];

/// Display window of every channel, counts.
pub const WINDOW: (u32, u32) = (112, 560);

/// Makes plane `z` of a channel, `rows` × `columns` samples, row-major.
pub fn plane(channel: usize, z: u32, rows: usize, columns: usize) -> Vec<u16> {
    let stain = STAINS[channel % STAINS.len()];
    let mut light = vec![1.0f32; rows * columns];
    let boxes = |extent: usize, axis: usize| (extent as f32 / SPACING[axis]).ceil() as i32;
    let depth = (z as f32 / SPACING[0]).floor() as i32;
    for bz in depth - 2..=depth + 2 {
        for by in -1..=boxes(rows, 1) {
            for bx in -1..=boxes(columns, 2) {
                splat(&mut light, columns, stain, channel as u32, z as f32, [bz, by, bx]);
            }
        }
    }
    let plane = mix(z ^ (channel as u32) << 16 ^ 0x5eed);
    light.iter().zip(0u32..).map(|(&photons, at)| expose(photons, mix(plane ^ at))).collect()
}

/// Adds what the cell in a box of the grid shows at depth `z`.
fn splat(light: &mut [f32], columns: usize, stain: Stain, channel: u32, z: f32, place: [i32; 3]) {
    let seed = place.iter().fold(7u32, |seed, &i| mix(seed ^ i as u32));
    let unit = |n: u32| mix(seed ^ n << 24) as f32 / u32::MAX as f32;
    if unit(9 + channel) > stain.share {
        return;
    }
    let middle = |axis: usize| (place[axis] as f32 + 0.5 + JITTER * (2.0 * unit(axis as u32 + 1) - 1.0)) * SPACING[axis];
    let radius = stain.radius * (0.75 + 0.5 * unit(4));
    // Optics: along z everything is a third as many samples, and blurred.
    let dz = (z - middle(0)) * 2.6 / radius;
    if dz.abs() >= 1.0 {
        return;
    }
    let (cy, cx) = (middle(1), middle(2));
    let stretch = 0.8 + 0.4 * unit(5);
    let rows = light.len() / columns;
    let span = |center: f32, reach: f32, extent: usize| {
        let first = (center - reach).ceil().max(0.0) as usize;
        first.min(extent)..((center + reach).floor().max(-1.0) as i64 + 1).clamp(first.min(extent) as i64, extent as i64) as usize
    };
    for y in span(cy, radius * stretch, rows) {
        let dy = (y as f32 - cy) / (radius * stretch);
        for x in span(cx, radius, columns) {
            let dx = (x as f32 - cx) / radius;
            let distance = dx * dx + dy * dy + dz * dz;
            if distance < 1.0 {
                let body = 1.0 - distance;
                let core = if distance < stain.hollow * stain.hollow { 0.12 } else { 1.0 };
                light[y * columns + x] += stain.photons * body * core * (0.4 + 0.6 * unit(6));
            }
        }
    }
}

/// What the camera reads for so many photons: their mean, and noise of the size that counting them has.
fn expose(photons: f32, dice: u32) -> u16 {
    // Four bytes of a hash added up are near enough to a normal distribution.
    let sum: u32 = dice.to_le_bytes().iter().map(|&b| u32::from(b)).sum();
    let normal = (sum as f32 - 510.0) / 147.8;
    (OFFSET + photons + photons.sqrt() * normal).clamp(0.0, 65535.0) as u16
}

/// A hash of 32 bits in which every input bit reaches every output bit.
fn mix(mut v: u32) -> u32 {
    v ^= v >> 16;
    v = v.wrapping_mul(0x7feb_352d);
    v ^= v >> 15;
    v = v.wrapping_mul(0x846c_a68b);
    v ^ v >> 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plane_is_the_same_every_time_and_differs_from_its_neighbours() {
        let made = plane(0, 5, 96, 128);
        assert_eq!(made, plane(0, 5, 96, 128));
        assert_ne!(made, plane(0, 6, 96, 128));
        assert_ne!(made, plane(1, 5, 96, 128));
    }

    #[test]
    fn there_are_cells_and_gaps_between_them() {
        for channel in 0..STAINS.len() {
            let made = plane(channel, 20, 256, 256);
            let bright = made.iter().filter(|&&v| u32::from(v) > 180).count();
            assert!((made.len() / 200..made.len() * 3 / 4).contains(&bright), "channel {channel}: {bright} bright samples");
        }
    }
}
