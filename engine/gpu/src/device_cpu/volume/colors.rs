//! Colours by the value of a sample, for modes that mix them along a ray.

use super::lanes::Lanes;
use crate::transfer::{self, Binning, LOW};
use nc_core::data::{Coloring, LabelColors};

/// What is fetched of a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Components {
    /// One: the three are equal everywhere, alpha is 1.
    Gray,
    /// Three: alpha is 1.
    Opaque,
    /// Four.
    All,
}

/// Colours of a scale, by the entry of its [`Binning`].
#[derive(Debug)]
pub(super) struct Entries {
    binning: Binning,
    /// Straight RGBA, 0..1.
    table: Box<[f32]>,
    components: Components,
    /// Whether any entry has any of the component.
    shows: [bool; 4],
    /// Whether values at the lower limit are opaque black.
    black: bool,
}

impl Entries {
    pub(super) fn new(coloring: &Coloring) -> Self {
        let colors = transfer::colors(coloring);
        let binning = Binning::new(coloring);
        assert_eq!(colors.len(), binning.entries(), "colours and binning belong together");
        // No sample that is no number is looked up.
        let numbers = &colors[..colors.len() - 1];
        let components = if numbers.iter().any(|c| c[3] != 1.0) {
            Components::All
        } else if numbers.iter().any(|c| c[0] != c[1] || c[1] != c[2]) {
            Components::Opaque
        } else {
            Components::Gray
        };
        Self {
            binning,
            components,
            shows: std::array::from_fn(|k| numbers.iter().any(|c| c[k] > 0.0)),
            black: colors[LOW as usize] == [0.0, 0.0, 0.0, 1.0],
            table: colors.into_iter().flatten().collect(),
        }
    }

    /// The same colours between other limits.
    pub(super) fn set_limits_of(&mut self, coloring: &Coloring) {
        let binning = Binning::new(coloring);
        assert_eq!((binning.bins, binning.roots), (self.binning.bins, self.binning.roots), "the same colours");
        self.binning = binning;
    }

    pub(super) fn components(&self) -> Components {
        self.components
    }

    pub(super) fn shows(&self, component: usize) -> bool {
        self.shows[component]
    }

    /// Whether all values up to `v` are opaque black.
    #[inline(always)]
    pub(super) fn black_below(&self, v: f32) -> bool {
        self.black && v <= self.binning.lo
    }

    /// Four times the entry of a value; of what is no number, that of the lower limit.
    #[inline(always)]
    pub(super) fn find<L: Lanes>(&self, l: L, v: L::F) -> L::I {
        let Binning { lo, hi, inverse, roots, bins } = self.binning;
        let c = l.min(l.max(v, l.splat(lo)), l.splat(hi));
        let mut s = (c - l.splat(lo)) * l.splat(inverse);
        let mut i = 0;
        while i < roots {
            s = l.sqrt(s);
            i += 1;
        }
        let top = l.splat(bins as f32 + 1.0);
        // Limits may be so far apart that their difference is no number.
        let entry = l.min(l.max(s * l.splat(bins as f32) + l.splat(1.0), l.splat(1.0)), l.splat(bins as f32));
        let entry = l.select(l.ge(c, l.splat(hi)), top, l.select(l.eq(c, l.splat(lo)), l.splat(LOW as f32), entry));
        l.trunc(entry) * l.integer(4)
    }

    /// A component of the colour that [`Entries::find`] found.
    #[inline(always)]
    pub(super) fn component<L: Lanes>(&self, l: L, found: L::I, component: usize) -> L::F {
        // SAFETY: `find` gives four times 0 to `bins + 1`, the table has four numbers for each of 0 to `bins + 2`; `component` is checked.
        unsafe { l.fetch(self.table.as_ptr().add(component & 3), found) }
    }
}

/// Colours of labels, by key.
#[derive(Debug)]
pub(super) struct KeyColors {
    /// Straight RGBA, 0..1.
    table: Box<[f32]>,
}

impl KeyColors {
    pub(super) fn new(labels: &LabelColors) -> Self {
        let color = |key: u16| labels.color(key).map(|k| f32::from(k) / 255.0);
        Self { table: (0..=u16::MAX).flat_map(color).collect() }
    }

    /// A component of a key's colour; keys beyond the last have the last one's, what is no number the background's.
    #[inline(always)]
    pub(super) fn component<L: Lanes>(&self, l: L, key: L::F, component: usize) -> L::F {
        let key = l.min(l.max(key, l.splat(0.0)), l.splat((LabelColors::KEYS - 1) as f32));
        // SAFETY: the table has four numbers for each key from 0 to the last; `component` is checked.
        unsafe { l.fetch(self.table.as_ptr().add(component & 3), l.trunc(key) * l.integer(4)) }
    }
}
