//! What the control thread has to do: intents and loads in order, switches of level, the newest applied commit, warnings. Bounded; nobody
//! waits to put something in.

use crate::api::{LevelDecided, RawIntent};
use crate::load::Load;
use crate::session::Busy;
use crate::watch::Growth;
use crate::window::Found;
use nc_core::ledger::AppliedCommit;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Intents held at most; more are refused.
const INTENTS: usize = 4096;
/// Warnings held at most; more are dropped and counted.
const WARNINGS: usize = 64;
/// Switches of level held at most; of more, the newest. There are few a second.
const LEVELS: usize = 16;

/// A warning on its way to clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Warning {
    pub(crate) domain: &'static str,
    pub(crate) code: &'static str,
    /// Of whose data it tells; `None` where it is not about data.
    pub(crate) epoch: Option<u64>,
    pub(crate) message: String,
}

/// The next thing to do. Intents go first, so that acks hardly wait for mirrors and warnings.
pub(crate) enum Work {
    Intent(RawIntent),
    Load(Load),
    Level(Box<LevelDecided>),
    Grow(Growth),
    Windows(Found),
    Applied(AppliedCommit),
    Warning(Warning),
    Stop,
}

/// What a client asked for. In one order: an intent means the dataset that was there when it came.
enum Asked {
    Intent(RawIntent),
    Load(Load),
}

#[derive(Default)]
struct Shelves {
    asked: VecDeque<Asked>,
    levels: VecDeque<Box<LevelDecided>>,
    /// The newest has all that an older one has.
    growth: Option<Growth>,
    /// At most as many as there are layers.
    windows: VecDeque<Found>,
    applied: Option<AppliedCommit>,
    warnings: VecDeque<Warning>,
    /// Warnings that were dropped since one was last taken.
    dropped: u64,
    stopped: bool,
    /// Intents taken since mirrors last had a turn.
    since_mirrors: usize,
    /// Intents and commits taken since warnings last had a turn.
    since_warning: usize,
}

/// Most that goes before a commit or a warning that waits: under an endless stream of intents notifications still leave.
const RUN: usize = 32;

impl Shelves {
    fn take(&mut self) -> Option<Work> {
        let mirrors_starve =
            self.since_mirrors >= RUN && (self.applied.is_some() || self.growth.is_some() || !self.windows.is_empty());
        let warnings_starve = self.since_warning >= RUN && !self.warnings.is_empty();
        if !mirrors_starve
            && !warnings_starve
            && let Some(asked) = self.asked.pop_front()
        {
            self.since_mirrors += 1;
            self.since_warning += 1;
            return Some(match asked {
                Asked::Intent(intent) => Work::Intent(intent),
                Asked::Load(load) => Work::Load(load),
            });
        }
        // A warning may be of the dataset that the commit brings, so the commit goes first, unless it was the mirrors' turn just now.
        let mirrors_first = !warnings_starve || self.since_mirrors > 0;
        // A switch is told with the commit that shows it, so never before the ack of the intent behind it.
        if mirrors_first && let Some(switch) = self.levels.pop_front() {
            return Some(Work::Level(switch));
        }
        if mirrors_first && let Some(found) = self.windows.pop_front() {
            return Some(Work::Windows(found));
        }
        // It commits, so a commit that waits is told with it.
        if mirrors_first && let Some(growth) = self.growth.take() {
            return Some(Work::Grow(growth));
        }
        if mirrors_first && let Some(commit) = self.applied.take() {
            self.since_mirrors = 0;
            self.since_warning += 1;
            return Some(Work::Applied(commit));
        }
        let mut warning = self.warnings.pop_front()?;
        self.since_warning = 0;
        let dropped = std::mem::take(&mut self.dropped);
        if dropped > 0 {
            warning.message += &format!(" (and {dropped} more)");
        }
        Some(Work::Warning(warning))
    }
}

#[derive(Default)]
pub(crate) struct Inbox {
    shelves: Mutex<Shelves>,
    changed: Condvar,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Shelves> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses the intent if there is no room.
    pub(crate) fn intent(&self, intent: RawIntent) -> Result<(), Busy> {
        let mut shelves = self.lock();
        if shelves.asked.len() >= INTENTS || shelves.stopped {
            return Err(Busy);
        }
        shelves.asked.push_back(Asked::Intent(intent));
        drop(shelves);
        self.changed.notify_one();
        Ok(())
    }

    /// Always takes it, unless the session ends: whoever loads waits until it is done, so there are as many loads as those who wait.
    pub(crate) fn load(&self, load: Load) {
        let mut shelves = self.lock();
        if !shelves.stopped {
            shelves.asked.push_back(Asked::Load(load));
            drop(shelves);
            self.changed.notify_one();
        }
    }

    /// Replaces the commit that the mirrors look at next: they compare whole views, so only the newest matters.
    pub(crate) fn applied(&self, commit: AppliedCommit) {
        let mut shelves = self.lock();
        shelves.applied = Some(match shelves.applied.take() {
            Some(missed) => commit.joined(missed),
            None => commit,
        });
        drop(shelves);
        self.changed.notify_one();
    }

    pub(crate) fn warning(&self, warning: Warning) {
        let mut shelves = self.lock();
        if shelves.warnings.len() < WARNINGS {
            shelves.warnings.push_back(warning);
        } else {
            shelves.dropped += 1;
        }
        drop(shelves);
        self.changed.notify_one();
    }

    /// A decision about the level. Where there are too many, the oldest goes that switched nothing, or else the oldest.
    pub(crate) fn level(&self, decided: LevelDecided) {
        let mut shelves = self.lock();
        if shelves.levels.len() == LEVELS {
            let dispensable = shelves.levels.iter().position(|decided| !decided.switches());
            shelves.levels.remove(dispensable.unwrap_or(0));
        }
        shelves.levels.push_back(Box::new(decided));
        drop(shelves);
        self.changed.notify_one();
    }

    /// The dataset has grown.
    pub(crate) fn grow(&self, growth: Growth) {
        let older = self.lock().growth.replace(growth);
        self.changed.notify_one();
        // Not under the lock: it holds an image.
        drop(older);
    }

    /// Contrast windows came.
    pub(crate) fn windows(&self, found: Found) {
        self.lock().windows.push_back(found);
        self.changed.notify_one();
    }

    /// Forgets what was to be told of the dataset that was there before.
    pub(crate) fn forget_dataset(&self) {
        let mut shelves = self.lock();
        shelves.levels.clear();
        shelves.windows.clear();
        let growth = shelves.growth.take();
        shelves.warnings.retain(|warning| warning.epoch.is_none());
        drop(shelves);
        drop(growth);
    }

    pub(crate) fn stop(&self) {
        let left = {
            let mut shelves = self.lock();
            shelves.stopped = true;
            std::mem::take(&mut shelves.asked)
        };
        self.changed.notify_all();
        // Not under the lock: whoever waits for a load is told by its end.
        drop(left);
    }

    /// The next thing to do, if there is one.
    #[cfg(feature = "testing")]
    pub(crate) fn try_next(&self) -> Option<Work> {
        self.lock().take()
    }

    /// Waits for the next thing to do.
    pub(crate) fn next(&self) -> Work {
        let mut shelves = self.lock();
        loop {
            if shelves.stopped {
                return Work::Stop;
            }
            if let Some(work) = shelves.take() {
                return work;
            }
            shelves = self.changed.wait(shelves).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ClientId;
    use nc_core::data::lod::{LevelDecision, LevelPolicy, LevelReason};
    use nc_core::data::{Brick, BrickKey, Budgets, CanvasSize, PlaneKey, Rect, SpareSamples, Tile, TileKey};
    use nc_core::ledger::{Ledger, Seed};
    use nc_runtime::TileSource;
    use nc_store::{Arrival, Want};
    use serde_json::Value;
    use std::convert::Infallible;
    use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
    use std::time::Instant;

    fn intent() -> RawIntent {
        let word = String::new;
        let (client, received) = (ClientId(1), Instant::now());
        RawIntent { client, intent_id: word(), scope: word(), target: word(), key: word(), value: Value::Null, received }
    }

    fn warning(message: &str) -> Warning {
        Warning { domain: "data", code: "data.chunk", epoch: Some(1), message: message.to_owned() }
    }

    fn commit() -> AppliedCommit {
        let ledger = Ledger::new(Seed::idle(CanvasSize { width: 64, height: 32 })).unwrap();
        AppliedCommit { version: 1, view: ledger.view().clone(), planned: ledger.state().clone(), closed: vec![] }
    }

    /// Of nothing.
    struct NoTiles;

    impl TileSource for NoTiles {
        fn resident(&self, _key: &TileKey, _spare: &mut SpareSamples) -> Option<Tile> {
            None
        }
        fn resident_brick(&self, _key: &BrickKey) -> Option<Brick> {
            None
        }
        fn want(&self, _wants: &[Want]) {}
        fn request_overview(&self, _plane: PlaneKey, _max_edge: u32) {}
        fn take_arrivals(&self) -> Vec<Arrival> {
            Vec::new()
        }
    }

    /// A load, and what is told when it is done with.
    fn load() -> (Load, Receiver<Infallible>) {
        let (pending, done) = sync_channel(0);
        let (seed, now) = (Seed::idle(CanvasSize { width: 64, height: 32 }), Instant::now());
        (Load { seed, source: Box::new(NoTiles), watched: None, late: None, received: now, prepared: now, pending }, done)
    }

    #[test]
    fn a_load_keeps_its_place_among_intents_and_comes_before_what_is_told() {
        let inbox = Inbox::default();
        inbox.applied(commit());
        inbox.intent(intent()).unwrap();
        inbox.load(load().0);
        inbox.intent(intent()).unwrap();
        assert!(matches!(inbox.next(), Work::Intent(_)));
        assert!(matches!(inbox.next(), Work::Load(_)));
        assert!(matches!(inbox.next(), Work::Intent(_)));
        assert!(matches!(inbox.next(), Work::Applied(_)));
    }

    #[test]
    fn who_waits_for_a_load_is_told_of_the_end_of_the_session() {
        let inbox = Inbox::default();
        let (early, early_done) = load();
        inbox.load(early);
        assert_eq!(early_done.try_recv(), Err(TryRecvError::Empty));
        inbox.stop();
        assert_eq!(early_done.try_recv(), Err(TryRecvError::Disconnected));
        let (late, late_done) = load();
        inbox.load(late);
        assert_eq!(late_done.try_recv(), Err(TryRecvError::Disconnected));
        assert!(matches!(inbox.next(), Work::Stop));
    }

    #[test]
    fn warnings_of_the_dataset_before_are_forgotten_and_others_are_not() {
        let inbox = Inbox::default();
        inbox.warning(warning("old"));
        inbox.warning(Warning { domain: "render", epoch: None, ..warning("device") });
        inbox.forget_dataset();
        assert!(matches!(inbox.next(), Work::Warning(warning) if warning.message == "device"));
    }

    /// The kinds of the next things to do, while intents keep coming, and a commit after every intent if `commits`.
    fn under_load(inbox: &Inbox, turns: usize, commits: bool) -> String {
        let mut kinds = String::new();
        for _ in 0..turns {
            inbox.intent(intent()).unwrap();
            if commits {
                inbox.applied(commit());
            }
            kinds.push(match inbox.next() {
                Work::Intent(_) => 'i',
                Work::Load(_) => 'l',
                Work::Level(_) => 's',
                Work::Grow(_) => 'g',
                Work::Windows(_) => 'h',
                Work::Applied(_) => 'a',
                Work::Warning(_) => 'w',
                Work::Stop => '.',
            });
        }
        kinds
    }

    #[test]
    fn warnings_leave_under_an_endless_stream_of_intents() {
        let inbox = Inbox::default();
        inbox.warning(warning("1"));
        inbox.warning(warning("2"));
        let run = "i".repeat(RUN);
        assert_eq!(under_load(&inbox, 2 * RUN + 3, false), format!("{run}w{run}wi"));
    }

    #[test]
    fn mirrors_and_warnings_share_the_turn_under_intents_and_commits_without_end() {
        let inbox = Inbox::default();
        inbox.warning(warning("1"));
        inbox.warning(warning("2"));
        let run = "i".repeat(RUN);
        assert_eq!(under_load(&inbox, 2 * RUN + 4, true), format!("{run}aw{run}aw"));
    }

    #[test]
    fn acks_go_first_then_mirrors_then_warnings() {
        let inbox = Inbox::default();
        inbox.warning(warning("1"));
        inbox.applied(commit());
        inbox.intent(intent()).unwrap();
        assert!(matches!(inbox.next(), Work::Intent(_)));
        assert!(matches!(inbox.next(), Work::Applied(_)));
        assert!(matches!(inbox.next(), Work::Warning(_)));
    }

    #[test]
    fn switches_of_level_leave_with_the_mirrors_and_after_the_acks() {
        let decision = LevelDecision { desired: 0, level: 0, downgraded: false, reason: LevelReason::Finer };
        let switch = |from| LevelDecided {
            from,
            decision,
            news: true,
            ndisplay: 2,
            target: 0,
            oversampling: vec![],
            sampling: vec![],
            fits: vec![true],
            budgets: Budgets::within(1 << 20),
            policy: LevelPolicy::default(),
            canvas: CanvasSize { width: 640, height: 480 },
            shown: Rect { left: 0.0, bottom: 0.0, width: 32.0, height: 24.0 },
            roi: None,
            signature: None,
            zoom_hint: None,
            lock: None,
            since_switch: None,
            moving: false,
        };
        let inbox = Inbox::default();
        inbox.applied(commit());
        (0..LEVELS + 2).for_each(|from| inbox.level(switch(from)));
        inbox.intent(intent()).unwrap();
        assert!(matches!(inbox.next(), Work::Intent(_)));
        for expected in 2..LEVELS + 2 {
            assert!(matches!(inbox.next(), Work::Level(switch) if switch.from == expected), "the newest, in order");
        }
        assert!(matches!(inbox.next(), Work::Applied(_)));

        inbox.applied(commit());
        inbox.level(switch(1));
        let run = "i".repeat(RUN);
        assert_eq!(under_load(&inbox, RUN + 2, false), format!("{run}sa"), "nor do they wait for intents to end");
        inbox.level(switch(1));
        inbox.forget_dataset();
        assert_eq!(under_load(&inbox, 2, false), "ii", "none of the dataset before");
    }

    #[test]
    fn dropped_warnings_are_counted_in_the_next_one() {
        let inbox = Inbox::default();
        for n in 0..WARNINGS + 3 {
            inbox.warning(warning(&n.to_string()));
        }
        let mut messages = (0..WARNINGS).map(|_| match inbox.next() {
            Work::Warning(warning) => warning.message,
            _ => String::new(),
        });
        assert_eq!(messages.next().as_deref(), Some("0 (and 3 more)"));
        assert_eq!(messages.next().as_deref(), Some("1"));
        assert_eq!(messages.last().as_deref(), Some("63"));
    }
}
