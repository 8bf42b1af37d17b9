//! Data that grow while they are shown: a thread that reads the image's metadata again now and then, and tells the control thread.
//!
//! Nobody ever waits for that thread: a store that hangs, hangs it alone. It lives from the first image that can be read again to the
//! end of the session, or of the read that it hangs in.

use crate::inbox::{Inbox, Warning};
use crate::load;
use nc_core::data::ImageId;
use nc_core::scene::{Dataset, ImageInfo, LevelInfo};
use nc_runtime::ImageSlot;
use nc_store::{Edge, Image, LoaderHandle};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Pause after something grew. It is the bound on how often clients are told of it, too.
const LEAST: Duration = Duration::from_secs(2);
/// Longest pause.
const MOST: Duration = Duration::from_secs(60);

/// A dataset that has grown, on its way to the control thread.
pub(crate) struct Growth {
    /// Of which it was read; of another it means nothing any more.
    pub(crate) epoch: u64,
    pub(crate) dataset: Arc<Dataset>,
    /// Makes its new planes loadable; to be called before anybody can want one.
    pub(crate) prepare: Box<dyn FnOnce() + Send>,
}

/// Pauses between two looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Backoff(Duration);

impl Backoff {
    const fn new() -> Self {
        Self(LEAST)
    }

    /// Something grew, so more may.
    fn grew(&mut self) {
        self.0 = LEAST;
    }

    /// Nothing did.
    fn same(&mut self) {
        self.0 = (self.0 * 3 / 2).min(MOST);
    }

    /// The metadata could not be read.
    fn failed(&mut self) {
        self.0 = (self.0 * 2).min(MOST);
    }
}

/// An image that is shown, with all that is needed to look at it again.
#[derive(Clone)]
pub(crate) struct Watched {
    pub(crate) image: Image,
    /// Where the view's loader takes the image from.
    pub(crate) slot: Arc<ImageSlot>,
    pub(crate) loader: LoaderHandle,
}

/// What is watched: of which epoch, and as what it is shown.
#[derive(Clone)]
struct Shown {
    epoch: u64,
    dataset: Arc<Dataset>,
    watched: Watched,
}

/// What a look at the metadata came to.
enum Seen {
    Same,
    Grew(Shown, Growth),
    /// It cannot take the place of what is shown; why.
    Unfit(String),
    Unreadable,
}

/// Whoever has it says what is watched. Dropped, it ends the thread.
pub(crate) struct Watch {
    shared: Arc<Shared>,
}

struct Shared {
    inbox: Arc<Inbox>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    shown: Option<Shown>,
    /// Counts what was told to be watched: what was seen of something else is nothing.
    number: u64,
    running: bool,
    stopped: bool,
}

impl Watch {
    /// Watches nothing yet; will tell `inbox`.
    pub(crate) fn new(inbox: Arc<Inbox>) -> Self {
        Self { shared: Arc::new(Shared { inbox, state: Mutex::default(), changed: Condvar::new() }) }
    }

    /// Another dataset is shown as `epoch`. It is watched if there is `watched`; nothing else is any more.
    pub(crate) fn show(&self, epoch: u64, dataset: Option<Arc<Dataset>>, watched: Option<Watched>) {
        let mut state = self.shared.lock();
        state.number += 1;
        state.shown = dataset.zip(watched).map(|(dataset, watched)| Shown { epoch, dataset, watched });
        if state.shown.is_some() && !state.running {
            let shared = Arc::clone(&self.shared);
            // Not joined, ever: it may hang in a read.
            let started = std::thread::Builder::new().name("watch".into()).spawn(move || shared.run());
            state.running = started.is_ok();
            if let Err(error) = started {
                tracing::error!(%error, "the thread that watches for growing data did not start");
            }
        }
        drop(state);
        self.shared.changed.notify_all();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let (mut number, mut backoff) = (0, Backoff::new());
        while let Some(shown) = self.next(&mut number, &mut backoff) {
            let seen = shown.look();
            let mut state = self.lock();
            if state.number != number || state.stopped {
                continue;
            }
            match seen {
                Seen::Same => backoff.same(),
                Seen::Unreadable => backoff.failed(),
                Seen::Grew(shown, growth) => {
                    backoff.grew();
                    state.shown = Some(shown);
                    drop(state);
                    self.inbox.grow(growth);
                }
                Seen::Unfit(message) => {
                    // Told once; nothing that follows could be shown either.
                    state.shown = None;
                    drop(state);
                    self.inbox.warning(Warning { domain: "data", code: "data.changed", epoch: Some(shown.epoch), message });
                }
            }
        }
    }

    /// What to look at when it is time to; `None` at the end. Starts over with whatever else is to be watched.
    fn next(&self, number: &mut u64, backoff: &mut Backoff) -> Option<Shown> {
        let mut state = self.lock();
        let mut due = Instant::now() + backoff.0;
        loop {
            if state.stopped {
                return None;
            }
            if *number != state.number {
                *number = state.number;
                *backoff = Backoff::new();
                due = Instant::now() + backoff.0;
            }
            let left = due.saturating_duration_since(Instant::now());
            state = match &state.shown {
                Some(shown) if left.is_zero() => return Some(shown.clone()),
                Some(_) => self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

impl Shown {
    /// Reads the metadata again; blocks for that.
    fn look(&self) -> Seen {
        let Watched { image, slot, loader } = &self.watched;
        let read = match image.refresh() {
            Ok(read) => read,
            Err(error) => {
                tracing::debug!(%error, "the metadata of the image that is shown cannot be read just now");
                return Seen::Unreadable;
            }
        };
        let labels: Vec<Arc<ImageInfo>> = read.labels().iter().map(|labels| labels.info.clone()).collect();
        let dataset = match self.dataset.grown(&read.info, &labels) {
            Ok(None) => return Seen::Same,
            Ok(Some(dataset)) => Arc::new(dataset),
            Err(unfit) => {
                return Seen::Unfit(format!("the image changed while it is shown ({unfit}); load it again to see it as it is"));
            }
        };
        let image = load::as_shown(&read, &dataset);
        let shown = Self { dataset: dataset.clone(), watched: Watched { image: image.clone(), ..self.watched.clone() }, ..*self };
        let (slot, loader) = (slot.clone(), loader.clone());
        let pairs = self.dataset.images().zip(dataset.images());
        let edges: Vec<(ImageId, Vec<Edge>)> = pairs.map(|(before, now)| (now.id, edges(&before.levels, &now.levels))).collect();
        let prepare = Box::new(move || {
            slot.set(image.clone());
            for (id, edges) in edges.iter().filter(|(_, edges)| !edges.is_empty()) {
                image.find(*id).into_iter().for_each(|image| loader.regrow(image, edges));
            }
        });
        Seen::Grew(shown, Growth { epoch: self.epoch, dataset, prepare })
    }
}

/// Where chunks changed: those that the old end cut are more than what was read of them.
fn edges(before: &[LevelInfo], now: &[LevelInfo]) -> Vec<Edge> {
    let mut edges = Vec::new();
    for (number, (before, now)) in before.iter().zip(now).enumerate() {
        for axis in (0..now.shape.len()).filter(|&axis| now.shape[axis] > before.shape[axis]) {
            let from = u32::try_from(before.shape[axis] / now.chunk[axis].max(1)).unwrap_or(u32::MAX);
            edges.push(Edge { level: number as u8, axis: axis as u8, from });
        }
    }
    edges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chunk_that_the_old_end_cut_is_the_first_to_be_read_anew() {
        let level = |shape: [u64; 3]| LevelInfo { shape: shape.into(), chunk: vec![1, 8, 8], ..LevelInfo::default() };
        let (before, now) = ([level([3, 20, 16]), level([3, 10, 8])], [level([5, 30, 24]), level([5, 10, 8])]);
        let edge = |level, axis, from| Edge { level, axis, from };
        assert_eq!(edges(&before, &now), [edge(0, 0, 3), edge(0, 1, 2), edge(0, 2, 2), edge(1, 0, 3)]);
        assert!(edges(&now, &now).is_empty());
    }

    /// Seconds at which it looks within the first ten minutes, if `seen` is what it sees each time.
    fn looks(seen: impl Fn(usize, &mut Backoff)) -> Vec<f64> {
        let (mut backoff, mut at, mut looks) = (Backoff::new(), Duration::ZERO, Vec::new());
        while at < Duration::from_secs(600) {
            at += backoff.0;
            seen(looks.len(), &mut backoff);
            looks.push(at.as_secs_f64());
        }
        looks
    }

    #[test]
    fn it_looks_often_where_something_happens_and_seldom_where_nothing_does() {
        let busy = looks(|_, backoff| backoff.grew());
        assert!(busy.windows(2).all(|pair| pair[1] - pair[0] == 2.0), "every 2 s, and never more often");
        let quiet = looks(|_, backoff| backoff.same());
        assert!(quiet.windows(2).all(|pair| (2.0..=60.0).contains(&(pair[1] - pair[0]))));
        assert!(quiet.len() < 20, "{} looks in ten minutes at data that rest", quiet.len());
        let gone = looks(|_, backoff| backoff.failed());
        assert!(gone.len() < quiet.len() && gone.windows(2).all(|pair| pair[1] - pair[0] <= 60.0));
        let wakes = looks(|n, backoff| if n == 8 { backoff.grew() } else { backoff.same() });
        assert_eq!(wakes[9] - wakes[8], 2.0, "what grew may grow on");
    }
}
