//! What a view asks of its tile source, from tick to tick: what the screen lacks, what lies ahead, and what was asked for already.
//!
//! A tile or a brick has one maker. One that is missing for the first time may be made at once from chunks that are decoded already; once
//! it was asked for, the loader makes it, and it arrives. Lists are sent only when they say something new.

use crate::ahead::{self, Ahead};
use crate::tile_source::TileSource;
use nc_core::data::Rect;
use nc_core::data::motion::{Motion, Velocity};
use nc_store::{Piece, Want};
use std::collections::HashSet;
use std::time::{Duration, Instant};

/// A list whose times have all changed by less than this says nothing new.
const SAME_TIME: Duration = Duration::from_millis(250);

/// What was asked for, and how the view moves.
#[derive(Debug)]
pub(crate) struct Demand {
    motion: Motion,
    /// What was sent last; `None` if a list is to be sent whatever it says.
    sent: Option<Vec<Want>>,
    /// What the loader makes.
    making: HashSet<Piece>,
    /// What was asked for beside the view since it came to rest.
    beside: Option<Beside>,
}

#[derive(Debug)]
struct Beside {
    /// The layers that were visible.
    visible: Vec<bool>,
    wants: Vec<Want>,
}

impl Default for Demand {
    /// Of a view that wants nothing yet.
    fn default() -> Self {
        Self { motion: Motion::default(), sent: Some(Vec::new()), making: HashSet::new(), beside: None }
    }
}

impl Demand {
    /// Whether the loader makes it, so that nobody else should.
    pub(crate) fn makes(&self, piece: &Piece) -> bool {
        self.making.contains(piece)
    }

    /// The loader has made it; whether it was still asked for.
    pub(crate) fn made(&mut self, piece: &Piece) -> bool {
        // Should it be missing again, it has to be asked for again.
        let asked = self.making.remove(piece);
        if asked && let Some(sent) = &mut self.sent {
            sent.retain(|want| want.goal.makes() != Some(*piece));
        }
        asked
    }

    /// Forgets what was asked for: the answers may be lost.
    pub(crate) fn forget(&mut self) {
        self.sent = None;
        self.making.clear();
    }

    /// How the view moves, seen now at `shown` and `step`.
    pub(crate) fn observe(&mut self, now: Instant, shown: Rect, step: &[u64]) -> Velocity {
        self.motion.observe(now, shown, step);
        self.motion.velocity(now)
    }

    /// When the view comes to rest, if it moves.
    pub(crate) fn rests_at(&self, now: Instant) -> Option<Instant> {
        self.motion.rests_at().filter(|&at| at > now)
    }

    /// What to ask for beyond the screen. `complete`: nothing that the screen shows is missing.
    pub(crate) fn beyond(&mut self, a: &Ahead<'_>, complete: bool) -> Vec<Want> {
        let mut wants = ahead::plan(a);
        if self.rests_at(a.now).is_some() {
            self.beside = None;
            return wants;
        }
        let visible: Vec<bool> = a.state.layers.iter().map(|layer| layer.controls.visible).collect();
        let beside = self.beside.take().filter(|beside| beside.visible == visible);
        self.beside = match beside {
            None if complete => Some(Beside { wants: ahead::beside(a, self.motion.last_dim()), visible }),
            other => other,
        };
        wants.extend(self.beside.iter().flat_map(|beside| &beside.wants));
        wants
    }

    /// Sends the list, if it is another than before.
    pub(crate) fn send(&mut self, wants: Vec<Want>, source: &dyn TileSource) {
        if self.sent.as_ref().is_some_and(|sent| is_same(sent, &wants)) {
            return;
        }
        source.want(&wants);
        self.making.clear();
        self.making.extend(wants.iter().filter_map(|want| want.goal.makes()));
        self.sent = Some(wants);
    }
}

/// Whether two lists ask for the same, at about the same times.
fn is_same(a: &[Want], b: &[Want]) -> bool {
    let near = |a: Option<Instant>, b: Option<Instant>| match (a, b) {
        (Some(a), Some(b)) => a.saturating_duration_since(b).max(b.saturating_duration_since(a)) < SAME_TIME,
        (a, b) => a == b,
    };
    let same = |(a, b): (&Want, &Want)| a.goal == b.goal && a.class == b.class && a.pin == b.pin && near(a.deadline, b.deadline);
    a.len() == b.len() && a.iter().zip(b).all(same)
}
