//! A row of samples out of the tiles that hold it: combined vertically, its columns beside each other.

use super::kernels::{self, Sample};
use crate::isa::Isa;
use crate::taps::{Filter, Tap};
use nc_core::data::{Samples, TILE, Tile};
use std::ops::Range;

/// The sample columns that a gathered row holds.
pub(super) enum Sources {
    /// All from this one on.
    From(u32),
    /// These, rising.
    List(Vec<u32>),
}

/// Tiles of the samples that a row reads.
pub(super) struct RowTiles<'a> {
    /// Tile rows of its first and last sample.
    pub(super) rows: (u32, u32),
    /// Their tiles, from the first tile column that is needed.
    pub(super) lower: Vec<Option<&'a Tile>>,
    pub(super) upper: Vec<Option<&'a Tile>>,
    pub(super) first_tile: u32,
}

/// Samples of a tile's row.
enum Pick<'a> {
    /// Neighbours from this one on.
    From(usize),
    /// These sample columns of the plane.
    Each(&'a [u32]),
}

impl RowTiles<'_> {
    /// Whether all of two tile columns is there.
    pub(super) fn has(&self, (a, b): (u32, u32)) -> bool {
        [a, b].map(|t| (t - self.first_tile) as usize).iter().all(|t| self.lower[*t].is_some() && self.upper[*t].is_some())
    }

    /// Fills `needed` of `out` with the sources of these numbers: the samples of `row` combined as the filter says, of a contour the
    /// keys of the sample that it is about. Sources whose tiles are not there keep what they are.
    pub(super) fn gather(&self, isa: Isa, filter: Filter, sources: &Sources, row: Tap, needed: Range<usize>, out: &mut [f32]) {
        let mut at = needed.start;
        while at < needed.end {
            let sample = match sources {
                Sources::From(start) => start + at as u32,
                Sources::List(list) => list[at],
            };
            let (tile, inside) = (sample / TILE, sample % TILE);
            let next = match sources {
                Sources::From(_) => at + (TILE - inside) as usize,
                Sources::List(list) => at + list[at..].partition_point(|s| s / TILE == tile),
            }
            .min(needed.end);
            let t = (tile - self.first_tile) as usize;
            if let (Some(lower), Some(upper)) = (self.lower[t], self.upper[t]) {
                let pick = match sources {
                    Sources::From(_) => Pick::From(inside as usize),
                    Sources::List(list) => Pick::Each(&list[at..next]),
                };
                combine(isa, filter, [lower, upper], row, pick, &mut out[at..next]);
            }
            at = next;
        }
    }
}

/// One row out of those of `row`, which lie in two tiles, or one named twice.
fn combine(isa: Isa, filter: Filter, [lower, upper]: [&Tile; 2], row: Tap, pick: Pick<'_>, out: &mut [f32]) {
    let width = lower.width as usize;
    let in_lower = |y: u32| y / TILE == row.first / TILE;
    let place = |y: u32| (y % TILE) as usize * width..(y % TILE + 1) as usize * width;
    match (&lower.samples, &upper.samples) {
        (Samples::U8(a), Samples::U8(b)) => {
            combine_rows(isa, filter, row, |y| &(if in_lower(y) { a } else { b })[place(y)], pick, out);
        }
        (Samples::U16(a), Samples::U16(b)) => {
            combine_rows(isa, filter, row, |y| &(if in_lower(y) { a } else { b })[place(y)], pick, out);
        }
        (Samples::F32(a), Samples::F32(b)) => {
            combine_rows(isa, filter, row, |y| &(if in_lower(y) { a } else { b })[place(y)], pick, out);
        }
        // Tiles of one plane have one format; if they do not, the numbers still are what they are.
        (a, b) => {
            let numbers = |y| place(y).map(|i| if in_lower(y) { a.get(i) } else { b.get(i) }).collect::<Vec<_>>();
            let rows: Vec<Vec<f32>> = (row.first..=row.last).map(numbers).collect();
            combine_rows(isa, filter, row, |y| &rows[(y - row.first) as usize], pick, out);
        }
    }
}

fn combine_rows<'a, T: Sample + 'a>(
    isa: Isa,
    filter: Filter,
    row: Tap,
    line: impl Fn(u32) -> &'a [T],
    pick: Pick<'_>,
    out: &mut [f32],
) {
    match pick {
        Pick::From(start) => {
            let n = out.len();
            combine_parts(isa, filter, row, |y| &line(y)[start..][..n], out);
        }
        Pick::Each(samples) => {
            for (out, sample) in out.iter_mut().zip(samples) {
                let x = (sample % TILE) as usize;
                combine_parts(isa, filter, row, |y| &line(y)[x..=x], std::slice::from_mut(out));
            }
        }
    }
}

fn combine_parts<'a, T: Sample + 'a>(isa: Isa, filter: Filter, row: Tap, part: impl Fn(u32) -> &'a [T], out: &mut [f32]) {
    match filter {
        Filter::Linear if row.first != row.last => kernels::lerp_rows(isa, part(row.first), part(row.last), row.weights[1], out),
        Filter::Cubic => {
            kernels::weigh_row(isa, part(row.first), row.weights[0], out);
            for (y, weight) in (row.first..=row.last).zip(row.weights).skip(1) {
                kernels::add_row(isa, part(y), weight, out);
            }
        }
        _ => kernels::widen_row(isa, part(row.at), out),
    }
}
