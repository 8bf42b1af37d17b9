//! A layer prepared for a pass: which pixels of a row are drawn from which plane, and the rows themselves.
//!
//! Tiles have no aprons. A row is drawn in three steps: the samples that it needs are combined vertically out of the tiles into
//! one gathered row, that row is filtered horizontally, the values are shaded. After the first step tiles no longer exist, so a
//! picture from tiles has the bits of a picture from one buffer.

use super::contour::Contour;
use super::gather::{RowTiles, Sources};
use super::kernels::{self, RowTaps};
use super::palette::Shading;
use super::store::{PlaneTiles, TileStore};
use crate::api::{SliceLayer, SlicePass, SlicePlane};
use crate::isa::Isa;
use crate::taps::{Filter, PixelAxis, Tap};
use nc_core::data::TILE;
use std::ops::Range;
use std::sync::OnceLock;

/// A gathered row may hold this many samples per pixel before only those that are needed are gathered, one by one.
const DENSE: usize = 3;

/// A layer, ready to draw its rows. Shared by the threads of a draw.
pub(super) struct LayerPlan<'a> {
    isa: Isa,
    filter: Filter,
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

impl PlaneTaps {
    fn new(filter: Filter, columns: &[Tap], rows: Vec<Tap>) -> Self {
        let mut groups: Vec<(Range<usize>, (u32, u32))> = Vec::new();
        for (i, tap) in columns.iter().enumerate() {
            match groups.last_mut() {
                Some((range, tiles)) if *tiles == tap.tiles() => range.end = i + 1,
                _ => groups.push((i..i + 1, tap.tiles())),
            }
        }
        let start = columns.iter().map(|t| t.first).min().unwrap_or(0);
        let end = columns.iter().map(|t| t.last + 1).max().unwrap_or(0);
        let span = (end - start.min(end)) as usize;
        // A contour looks at neighbours, so these must lie beside each other.
        if span <= DENSE * columns.len() || matches!(filter, Filter::Contour(_)) {
            let taps = moved(columns, |sample| sample - start);
            return Self { columns: RowTaps::new(filter, &taps, span), sources: Sources::From(start), groups, rows };
        }
        let mut list: Vec<u32> = columns.iter().flat_map(|t| t.first..=t.last).collect();
        list.sort_unstable();
        list.dedup();
        let taps = moved(columns, |sample| list.partition_point(|s| *s < sample) as u32);
        Self { columns: RowTaps::new(filter, &taps, list.len()), sources: Sources::List(list), groups, rows }
    }
}

/// Taps of samples that got other numbers.
fn moved(taps: &[Tap], to: impl Fn(u32) -> u32) -> Vec<Tap> {
    taps.iter().map(|t| Tap { first: to(t.first), last: to(t.last), at: to(t.at), ..*t }).collect()
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
    tiles: RowTiles<'a>,
    /// The row whose samples are gathered and filtered.
    done: Option<Tap>,
    gathered: Vec<f32>,
    contour: Contour,
}

impl<'a> LayerPlan<'a> {
    pub(super) fn new(isa: Isa, pass: &SlicePass, layer: &SliceLayer, shading: Shading<'a>, store: &'a TileStore) -> Self {
        let (columns, rows) = (PixelAxis::columns(pass), PixelAxis::rows(pass));
        let wanted = layer.planes.first();
        Self {
            isa,
            filter: Filter::of(layer),
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
                    plane.gather(self.isa, self.filter, taps, taps.rows[r], columns);
                    let values = &mut state.values[columns.clone()];
                    kernels::filter_row(self.isa, &plane.gathered, &taps.columns, columns.clone(), values);
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
            && state.looked_at.iter().enumerate().all(|(p, plane)| plane.tiles.rows == self.taps(p).rows[r].tiles());
        if !same_tiles {
            self.assign(r, state);
        }
    }

    fn taps(&self, plane: usize) -> &PlaneTaps {
        let plan = &self.planes[plane];
        plan.taps.get_or_init(|| {
            let columns = self.columns.taps(self.covered_columns.clone(), plan.plane.x, self.filter);
            let rows = self.rows.taps(self.covered_rows.clone(), plan.plane.y, self.filter);
            PlaneTaps::new(self.filter, &columns, rows)
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
                    if start >= end || !row.tiles.has(group.1) {
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
        PlaneRow {
            tiles: RowTiles { rows: tile_rows, lower, upper, first_tile },
            done: None,
            gathered: vec![0.0; taps.columns.padded_sources()],
            contour: Contour::default(),
        }
    }
}

/// Samples of tile `t` along an axis of `len`.
fn edge(len: u32, t: u32) -> u32 {
    len.saturating_sub(t.saturating_mul(TILE)).min(TILE)
}

impl PlaneRow<'_> {
    /// Makes the sources that `columns` need of the samples of `row`.
    fn gather(&mut self, isa: Isa, filter: Filter, taps: &PlaneTaps, row: Tap, columns: &Range<usize>) {
        let (a, b) = (taps.columns.sources_of(columns.start), taps.columns.sources_of(columns.end - 1));
        let needed = a.start.min(b.start)..a.end.max(b.end);
        let (tiles, gathered) = (&self.tiles, &mut self.gathered);
        match filter {
            Filter::Contour(reach) => {
                let keys = |y, out: &mut [f32]| tiles.gather(isa, filter, &taps.sources, row.about(y), needed.clone(), out);
                self.contour.trace(reach, row, needed.clone(), keys, gathered);
            }
            _ => tiles.gather(isa, filter, &taps.sources, row, needed, gathered),
        }
    }
}
