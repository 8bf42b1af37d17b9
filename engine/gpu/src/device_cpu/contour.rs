//! The contours of labels, row by row (see [`crate::taps::Filter::Contour`]).

use crate::taps::Tap;
use std::ops::Range;

/// Rows at work.
#[derive(Default)]
pub(super) struct Contour {
    keys: Vec<f32>,
    /// Least key of each sample's diamond so far.
    least: Vec<f32>,
    /// Greatest key above and below.
    greatest: Vec<f32>,
}

impl Contour {
    /// Fills `needed` of `out`, which has a place for every gathered sample, with the keys of row `row.at` that are drawn, and 0 for the
    /// others. `keys` does so with all keys of a row of `row`. Keys about an end of `needed` that is not the plane's are not right: what
    /// is within `reach` of it is missing.
    pub(super) fn trace(&mut self, reach: u32, row: Tap, needed: Range<usize>, keys: impl Fn(u32, &mut [f32]), out: &mut [f32]) {
        for rows in [&mut self.keys, &mut self.least, &mut self.greatest] {
            rows.resize(out.len(), 0.0);
        }
        keys(row.at, out);
        let least = &mut self.least[needed.clone()];
        let greatest = &mut self.greatest[needed.clone()];
        least.copy_from_slice(&out[needed.clone()]);
        greatest.fill(0.0);
        // A diamond is its middle row widened `reach` times, the rows beside it once less, and so on.
        for k in 1..=reach {
            widen(least);
            let rows = [row.at.checked_sub(k), row.at.checked_add(k)];
            for y in rows.into_iter().flatten().filter(|y| (row.first..=row.last).contains(y)) {
                keys(y, &mut self.keys);
                let keys = &self.keys[needed.clone()];
                least.iter_mut().zip(keys).for_each(|(least, key)| *least = least.min(*key));
                if k == 1 {
                    greatest.iter_mut().zip(keys).for_each(|(greatest, key)| *greatest = greatest.max(*key));
                }
            }
        }
        let (mut before, row) = (0.0, &mut out[needed]);
        for i in 0..row.len() {
            let key = row[i];
            let after = row.get(i + 1).copied().unwrap_or(0.0);
            let drawn = least[i] < key || greatest[i].max(before).max(after) > key;
            row[i] = if drawn { key } else { 0.0 };
            before = key;
        }
    }
}

/// Every value becomes the least of itself and its neighbours.
fn widen(row: &mut [f32]) {
    let mut before = f32::INFINITY;
    for i in 0..row.len() {
        let (value, after) = (row[i], row.get(i + 1).copied().unwrap_or(f32::INFINITY));
        row[i] = value.min(before).min(after);
        before = value;
    }
}
