//! A layer prepared for a pass: which pixels of a row are drawn from which plane, and the rows themselves.
//!
//! Tiles have no aprons. A row is drawn in three steps: the samples that it needs are combined vertically out of the tiles into
//! one gathered row, that row is filtered horizontally, the values are shaded. After the first step tiles no longer exist, so a
//! picture from tiles has the bits of a picture from one buffer.

use super::kernels::{self, RowTaps, Sample};
use super::palette::Shading;
use super::store::{PlaneTiles, TileStore};
use crate::api::{SliceLayer, SlicePass, SlicePlane};
use crate::isa::Isa;
use crate::taps::{PixelAxis, Tap};
use nc_core::data::{Interpolation, Samples, TILE, Tile};
use std::ops::Range;
use std::sync::OnceLock;

/// A gathered row may hold this many samples per pixel before only those that are needed are gathered, one by one.
const DENSE: usize = 3;

/// A layer, ready to draw its rows. Shared by the threads of a draw.
pub(super) struct LayerPlan<'a> {
    isa: Isa,
    interpolation: Interpolation,
    shading: Shading<'a>,
    columns: PixelAxis,
    rows: PixelAxis,
    covered_columns: Range<usize>,
    covered_rows: Range<usize>,
    planes: Vec<PlanePlan<'a>>,
}

struct PlanePlan<'a> {
    plane: SlicePlane,
    tiles: Option<&'a PlaneTiles>,
    /// Made when the first row looks at the plane: stand-ins mostly stay untouched.
    taps: OnceLock<PlaneTaps>,
}

/// Taps of the covered pixels.
struct PlaneTaps {
    columns: RowTaps,
    sources: Sources,
    /// Neighbouring columns that need the same tile columns.
    groups: Vec<(Range<usize>, (u32, u32))>,
    rows: Vec<Tap>,
}

/// The sample columns that a gathered row holds.
enum Sources {
    /// All from this one on.
    From(u32),
    /// These, rising.
    List(Vec<u32>),
}

impl PlaneTaps {
    fn new(columns: &[Tap], rows: Vec<Tap>) -> Self {
        let mut groups: Vec<(Range<usize>, (u32, u32))> = Vec::new();
        for (i, tap) in columns.iter().enumerate() {
            match groups.last_mut() {
                Some((range, tiles)) if *tiles == tap.tiles() => range.end = i + 1,
                _ => groups.push((i..i + 1, tap.tiles())),
            }
        }
        let start = columns.iter().map(|t| t.first).min().unwrap_or(0);
        let end = columns.iter().map(|t| t.second + 1).max().unwrap_or(0);
        let span = (end - start.min(end)) as usize;
        if span <= DENSE * columns.len() {
            let taps = columns.iter().map(|t| Tap { first: t.first - start, second: t.second - start, ..*t });
            return Self { columns: RowTaps::new(taps, span), sources: Sources::From(start), groups, rows };
        }
        let mut list: Vec<u32> = columns.iter().flat_map(|t| [t.first, t.second]).collect();
        list.sort_unstable();
        list.dedup();
        let index = |sample: u32| list.partition_point(|s| *s < sample) as u32;
        let taps: Vec<_> = columns.iter().map(|t| Tap { first: index(t.first), second: index(t.second), ..*t }).collect();
        Self { columns: RowTaps::new(taps.into_iter(), list.len()), sources: Sources::List(list), groups, rows }
    }
}

/// What a thread keeps between the rows that it draws of one layer.
#[derive(Default)]
pub(super) struct RowState<'a> {
    /// The planes looked at so far, first the wanted one.
    looked_at: Vec<PlaneRow<'a>>,
    /// Covered columns and the plane that they are drawn from.
    spans: Vec<(Range<usize>, usize)>,
    /// Filtered values of the covered columns.
    values: Vec<f32>,
}

/// A plane's part in the row at hand.
struct PlaneRow<'a> {
    /// Tile rows of the row's two samples.
    tile_rows: (u32, u32),
    /// Their tiles, from the first tile column that the covered columns need.
    lower: Vec<Option<&'a Tile>>,
    upper: Vec<Option<&'a Tile>>,
    first_tile: u32,
    /// The row whose samples are gathered and filtered.
    done: Option<Tap>,
    gathered: Vec<f32>,
}

impl<'a> LayerPlan<'a> {
    pub(super) fn new(isa: Isa, pass: &SlicePass, layer: &SliceLayer, shading: Shading<'a>, store: &'a TileStore) -> Self {
        let (columns, rows) = (PixelAxis::columns(pass), PixelAxis::rows(pass));
        let wanted = layer.planes.first();
        Self {
            isa,
            interpolation: layer.interpolation,
            shading,
            columns,
            rows,
            covered_columns: wanted.map_or(0..0, |p| columns.covered(p.x)),
            covered_rows: wanted.map_or(0..0, |p| rows.covered(p.y)),
            planes: layer
                .planes
                .iter()
                .map(|plane| PlanePlan { plane: *plane, tiles: store.plane(&plane.key), taps: OnceLock::new() })
                .collect(),
        }
    }

    /// Whether [`LayerPlan::draw_row`] draws each of the `width` pixels of a row.
    pub(super) fn draws_all(&self, row: usize, state: &mut RowState<'a>, width: usize) -> bool {
        let Some(r) = self.covered_row(row) else { return false };
        self.look_at(r, state);
        self.covered_columns == (0..width) && state.spans.iter().map(|(columns, _)| columns.len()).sum::<usize>() == width
    }

    /// Draws row `row` (from the bottom) into `picture`, the pixels of that row.
    pub(super) fn draw_row(&self, row: usize, state: &mut RowState<'a>, picture: &mut [u32]) {
        let Some(r) = self.covered_row(row) else { return };
        self.look_at(r, state);
        let covered = &mut picture[self.covered_columns.clone()];
        for (columns, p) in &state.spans {
            let (taps, plane) = (self.taps(*p), &mut state.looked_at[*p]);
            if plane.done != Some(taps.rows[r]) {
                for (columns, _) in state.spans.iter().filter(|(_, of)| of == p) {
                    plane.gather(self.isa, taps, taps.rows[r], columns);
                    let linear = self.interpolation == Interpolation::Linear;
                    let values = &mut state.values[columns.clone()];
                    kernels::filter_row(self.isa, &plane.gathered, &taps.columns, columns.clone(), linear, values);
                }
                plane.done = Some(taps.rows[r]);
            }
            kernels::shade_row(self.isa, &state.values[columns.clone()], &self.shading, &mut covered[columns.clone()]);
        }
    }

    /// The place of a row of the picture among those that the layer covers.
    fn covered_row(&self, row: usize) -> Option<usize> {
        (self.covered_rows.contains(&row) && !self.covered_columns.is_empty()).then(|| row - self.covered_rows.start)
    }

    /// Makes `state` that of row `r`.
    fn look_at(&self, r: usize, state: &mut RowState<'a>) {
        let same_tiles = !state.looked_at.is_empty()
            && state.looked_at.iter().enumerate().all(|(p, plane)| plane.tile_rows == self.taps(p).rows[r].tiles());
        if !same_tiles {
            self.assign(r, state);
        }
    }

    fn taps(&self, plane: usize) -> &PlaneTaps {
        let plan = &self.planes[plane];
        plan.taps.get_or_init(|| {
            let columns = self.columns.taps(self.covered_columns.clone(), plan.plane.x, self.interpolation);
            let rows = self.rows.taps(self.covered_rows.clone(), plan.plane.y, self.interpolation);
            PlaneTaps::new(&columns, rows)
        })
    }

    /// Gives every covered column of row `r` to the first plane that has its tiles.
    fn assign(&self, r: usize, state: &mut RowState<'a>) {
        let width = self.covered_columns.len();
        state.values.resize(width, 0.0);
        state.looked_at.clear();
        state.spans.clear();
        let mut open: Vec<Range<usize>> = std::iter::once(0..width).collect();
        for p in 0..self.planes.len() {
            if open.is_empty() {
                break;
            }
            let row = self.plane_row(p, r);
            let mut still_open = Vec::new();
            for part in open {
                let mut from = part.start;
                for group in &self.taps(p).groups {
                    let (start, end) = (group.0.start.max(from), group.0.end.min(part.end));
                    if start >= end || !row.has(group.1) {
                        continue;
                    }
                    if from < start {
                        still_open.push(from..start);
                    }
                    match state.spans.last_mut() {
                        Some((columns, of)) if *of == p && columns.end == start => columns.end = end,
                        _ => state.spans.push((start..end, p)),
                    }
                    from = end;
                }
                if from < part.end {
                    still_open.push(from..part.end);
                }
            }
            open = still_open;
            state.looked_at.push(row);
        }
    }

    fn plane_row(&self, p: usize, r: usize) -> PlaneRow<'a> {
        let (plan, taps) = (&self.planes[p], self.taps(p));
        let tile_rows = taps.rows[r].tiles();
        let columns = || taps.groups.iter().map(|(_, tiles)| tiles);
        let first_tile = columns().map(|t| t.0).min().unwrap_or(0);
        let end_tile = columns().map(|t| t.1 + 1).max().unwrap_or(0);
        let tiles = |ty: u32| {
            (first_tile..end_tile)
                .map(|tx| {
                    let tile = plan.tiles?.get(&(ty, tx))?;
                    // A tile of another shape than its place has is none of this plane.
                    let fits = tile.height == edge(plan.plane.y.len, ty) && tile.width == edge(plan.plane.x.len, tx);
                    fits.then_some(tile)
                })
                .collect::<Vec<_>>()
        };
        let lower = tiles(tile_rows.0);
        let upper = if tile_rows.1 == tile_rows.0 { lower.clone() } else { tiles(tile_rows.1) };
        PlaneRow { tile_rows, lower, upper, first_tile, done: None, gathered: vec![0.0; taps.columns.padded_sources()] }
    }
}

/// Samples of tile `t` along an axis of `len`.
fn edge(len: u32, t: u32) -> u32 {
    len.saturating_sub(t.saturating_mul(TILE)).min(TILE)
}

impl PlaneRow<'_> {
    fn has(&self, (a, b): (u32, u32)) -> bool {
        [a, b].map(|t| (t - self.first_tile) as usize).iter().all(|t| self.lower[*t].is_some() && self.upper[*t].is_some())
    }

    /// Combines the sources that `columns` need, out of the tiles.
    fn gather(&mut self, isa: Isa, taps: &PlaneTaps, row: Tap, columns: &Range<usize>) {
        let (a, b) = (taps.columns.sources_of(columns.start), taps.columns.sources_of(columns.end - 1));
        let (first, end) = (a.start.min(b.start), a.end.max(b.end));
        let mut at = first;
        while at < end {
            let sample = match &taps.sources {
                Sources::From(start) => start + at as u32,
                Sources::List(list) => list[at],
            };
            let (tile, inside) = (sample / TILE, sample % TILE);
            let next = match &taps.sources {
                Sources::From(_) => at + (TILE - inside) as usize,
                Sources::List(list) => at + list[at..].partition_point(|s| s / TILE == tile),
            }
            .min(end);
            let t = (tile - self.first_tile) as usize;
            if let (Some(lower), Some(upper)) = (self.lower[t], self.upper[t]) {
                let out = &mut self.gathered[at..next];
                let pick = match &taps.sources {
                    Sources::From(_) => Pick::From(inside as usize),
                    Sources::List(list) => Pick::Each(&list[at..next]),
                };
                combine(isa, (lower, row.first % TILE), (upper, row.second % TILE), row.weight, pick, out);
            }
            at = next;
        }
    }
}

/// Samples of a tile's row.
enum Pick<'a> {
    /// Neighbours from this one on.
    From(usize),
    /// These sample columns of the plane.
    Each(&'a [u32]),
}

/// One row out of two, each given as tile and row within it.
fn combine(isa: Isa, lower: (&Tile, u32), upper: (&Tile, u32), weight: f32, pick: Pick<'_>, out: &mut [f32]) {
    match (&lower.0.samples, &upper.0.samples) {
        (Samples::U8(a), Samples::U8(b)) => combine_rows(isa, line(a, lower), line(b, upper), weight, pick, out),
        (Samples::U16(a), Samples::U16(b)) => combine_rows(isa, line(a, lower), line(b, upper), weight, pick, out),
        (Samples::F32(a), Samples::F32(b)) => combine_rows(isa, line(a, lower), line(b, upper), weight, pick, out),
        // Tiles of one plane have one format; if they do not, the numbers still are what they are.
        _ => combine_rows(isa, &numbers(lower), &numbers(upper), weight, pick, out),
    }
}

fn line<'a, T>(samples: &'a [T], (tile, row): (&Tile, u32)) -> &'a [T] {
    let width = tile.width as usize;
    &samples[row as usize * width..][..width]
}

fn numbers((tile, row): (&Tile, u32)) -> Vec<f32> {
    let width = tile.width as usize;
    (0..width).map(|x| tile.samples.get(row as usize * width + x)).collect()
}

fn combine_rows<T: Sample>(isa: Isa, lower: &[T], upper: &[T], weight: f32, pick: Pick<'_>, out: &mut [f32]) {
    match pick {
        Pick::From(start) if std::ptr::eq(lower, upper) => kernels::widen_row(isa, &lower[start..][..out.len()], out),
        Pick::From(start) => {
            let n = out.len();
            kernels::lerp_rows(isa, &lower[start..][..n], &upper[start..][..n], weight, out);
        }
        Pick::Each(samples) => {
            for (out, sample) in out.iter_mut().zip(samples) {
                let x = (sample % TILE) as usize;
                kernels::lerp_rows(isa, &lower[x..=x], &upper[x..=x], weight, std::slice::from_mut(out));
            }
        }
    }
}
