//! Another dataset in the place of the one that is shown.

use super::ops::{Op, OpKind};
use super::{AppliedCommit, InvariantError, Ledger, Origin, Seed, view_of};
use std::sync::Arc;
use std::time::Instant;

impl Ledger {
    /// Starts over with another dataset, in 2D: the epoch counts up, every leaf is seeded anew, and the view with it, in one commit.
    /// That is an op of its own, closed at once as applied; ops that were open are superseded by it, because nothing is left that they
    /// could be applied to. Whatever the render thread commits of the old epoch from here on changes nothing.
    ///
    /// `received` is when the dataset was asked for, by `origin` if by a client; `prepared` when its seed was ready.
    ///
    /// # Errors
    /// When the seed breaks an invariant: everything is as before.
    pub fn replace(
        &mut self,
        seed: Seed,
        origin: Option<Arc<Origin>>,
        received: Instant,
        prepared: Instant,
    ) -> Result<AppliedCommit, InvariantError> {
        let mut op = self.state.scene.op_seq;
        op.0 += 1;
        // The canvas is the viewers', whatever they look at.
        let seed = Seed { canvas: self.state.canvas, most_canvas: self.state.most_canvas, ..seed };
        let mut state = seed.into_state(self.state.version + 1, self.state.epoch + 1, op);
        state.view.canvas_size = self.state.view.canvas_size.clone();
        let state = Arc::new(state);
        state.verify()?;
        self.ops.open(Op { seq: op, kind: OpKind::Load, origin, received, reduced: prepared, outcome: None });
        let closed = self.ops.close(op, false);
        self.view = Arc::new(view_of(&state));
        (self.seeded, self.shown) = (state.clone(), state.clone());
        self.state = state;
        Ok(AppliedCommit { version: self.state.version, view: self.view.clone(), planned: self.state.clone(), closed })
    }
}
