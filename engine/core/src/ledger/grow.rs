//! The dataset that is shown, larger than before.

use super::{AppliedCommit, InvariantError, Ledger, State};
use crate::scene::{AppliedView, Dataset};
use std::sync::Arc;

impl Ledger {
    /// Shows `dataset`, which is the one that is shown with more samples: no epoch, no op, and every leaf stays as it is. Snapshot and
    /// view have it at once; whatever the render thread commits that was planned before keeps it.
    ///
    /// # Errors
    /// When it is another image, has other dims or layers, or is smaller somewhere: everything is as before.
    pub fn grow(&mut self, dataset: Arc<Dataset>) -> Result<AppliedCommit, InvariantError> {
        let refuse = |what: &str| Err(InvariantError(format!("a dataset that grew {what}")));
        let Some(shown) = &self.state.dataset else { return refuse("when none is shown") };
        if shown.image.id != dataset.image.id || shown.dims != dataset.dims {
            return refuse("is another one");
        }
        let levels = || (0..shown.level_count()).map(|level| (shown.level_shape(level), dataset.level_shape(level)));
        let smaller = |(before, now): (Vec<u64>, Vec<u64>)| before.iter().zip(&now).any(|(before, now)| now < before);
        if shown.level_count() != dataset.level_count() || levels().any(smaller) {
            return refuse("is smaller");
        }
        let mut next = State::clone(&self.state);
        next.version += 1;
        next.dataset = Some(dataset.clone());
        next.verify()?;
        self.view = Arc::new(AppliedView { dataset: Some(dataset), ..AppliedView::clone(&self.view) });
        self.state = Arc::new(next);
        Ok(AppliedCommit {
            version: self.state.version,
            view: self.view.clone(),
            planned: self.shown.clone(),
            closed: Vec::new(),
        })
    }
}
