//! Commands that may take long, in lanes: each client has one for looking around and one for opening images. A lane does one thing after
//! the other, in the order in which it was asked for, so that a second click waits and a slow image keeps nobody from looking around.
//!
//! Whoever asked is always answered: what hangs is given up. The thread that hangs in it keeps its place until it returns, so that there
//! are never more such threads than places. Knows nothing of hub, sockets or what a command does.

use super::{Done, Failure, Outcome};
use crate::locked;
use nc_engine::api::ClientId;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// Commands that may wait in a lane behind the one at work.
const WAITING: usize = 4;
/// Threads that may be looking around, of all clients together.
const LOOKING: usize = 4;
/// Threads that may be opening images: one is not given up, the others hang.
const OPENING: usize = 4;
/// Longest wait for the turn to open an image, and for the work itself.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a command works at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lane {
    /// It reads directories.
    Look,
    /// It opens an image and shows it; only one does at a time, of all clients.
    Open,
}

/// What is done when the answer is said.
type After = Box<dyn FnOnce() + Send>;

/// A command.
pub(super) struct Job {
    /// May block.
    pub(super) work: Box<dyn FnOnce() -> Outcome + Send>,
    /// Says the answer; what is still to be done then, which may block.
    pub(super) answer: Box<dyn FnOnce(Outcome) -> Option<After> + Send>,
}

/// All lanes.
pub(super) struct Lanes {
    /// Those that something is at work in, with what waits there.
    busy: Mutex<BTreeMap<(ClientId, Lane), VecDeque<Job>>>,
    looking: Arc<Semaphore>,
    opening: Arc<Semaphore>,
    /// Held by whoever opens an image until it is shown.
    turn: tokio::sync::Mutex<()>,
    patience: Duration,
}

impl Default for Lanes {
    fn default() -> Self {
        Self::with_patience(PATIENCE)
    }
}

impl Lanes {
    /// Lanes that give up after `patience`, which counts anew for the turn and for the work.
    fn with_patience(patience: Duration) -> Self {
        let places = |places| Arc::new(Semaphore::new(places));
        let (looking, opening) = (places(LOOKING), places(OPENING));
        Self { busy: Mutex::default(), looking, opening, turn: tokio::sync::Mutex::default(), patience }
    }

    /// Does the job when its turn comes, and answers it in any case.
    pub(super) fn enter(self: &Arc<Self>, runtime: &Handle, client: ClientId, lane: Lane, job: Job) {
        let mut busy = locked(&self.busy);
        match busy.get_mut(&(client, lane)) {
            Some(waiting) if waiting.len() < WAITING => waiting.push_back(job),
            Some(_) => {
                drop(busy);
                (job.answer)(Err(Failure::new("command.retryable", "too many commands wait already")));
            }
            None => {
                busy.insert((client, lane), VecDeque::new());
                drop(busy);
                runtime.spawn(Arc::clone(self).drive(client, lane, job));
            }
        }
    }

    /// Does what comes in a lane until nothing waits there.
    async fn drive(self: Arc<Self>, client: ClientId, lane: Lane, first: Job) {
        let mut next = Some(first);
        while let Some(job) = next {
            match lane {
                Lane::Look => self.work(&self.looking, job).await,
                Lane::Open => match timeout(self.patience, self.turn.lock()).await {
                    Ok(_turn) => self.work(&self.opening, job).await,
                    Err(_) => drop((job.answer)(Err(Failure::new("command.retryable", "another image is still being opened")))),
                },
            }
            let mut busy = locked(&self.busy);
            next = busy.get_mut(&(client, lane)).and_then(VecDeque::pop_front);
            if next.is_none() {
                busy.remove(&(client, lane));
            }
        }
    }

    async fn work(&self, places: &Arc<Semaphore>, Job { work, answer }: Job) {
        let Ok(place) = Arc::clone(places).try_acquire_owned() else {
            return drop(answer(Err(Failure::new("command.retryable", "too many commands at work"))));
        };
        let done = spawn_blocking(move || {
            let outcome = work();
            // Given up before the answer is said: whoever has it may call again at once.
            drop(place);
            outcome
        });
        let outcome = match timeout(self.patience, done).await {
            Ok(Ok(outcome)) => outcome,
            // A panic; the panic hook has reported it.
            Ok(Err(_)) => Err(Failure::new("command.retryable", "command handler raised an exception")),
            Err(_) => {
                Err(Failure::new("command.retryable", "it took too long and was given up; the place that it is about may hang"))
            }
        };
        if let Some(after) = answer(outcome)
            && let Err(panic) = spawn_blocking(after).await
        {
            tracing::error!(%panic, "a command that was answered did not end well");
        }
    }
}

impl Job {
    /// A job whose answer is what `tell` makes of its outcome, with what is to be done after it.
    pub(super) fn new(
        work: impl FnOnce() -> Outcome + Send + 'static,
        tell: impl FnOnce(Result<Option<serde_json::Value>, Failure>) + Send + 'static,
    ) -> Self {
        let answer = |outcome: Outcome| match outcome {
            Ok(Done { result, after }) => {
                tell(Ok(result));
                after
            }
            Err(failure) => {
                tell(Err(failure));
                None
            }
        };
        Self { work: Box::new(work), answer: Box::new(answer) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
    use tokio::sync::mpsc;

    const ANNE: ClientId = ClientId(1);
    const BOB: ClientId = ClientId(2);

    /// Lanes, and the answers in the order in which they are said: who, and the code of a failure.
    struct Stage {
        lanes: Arc<Lanes>,
        said: mpsc::Sender<(&'static str, Option<&'static str>)>,
        heard: mpsc::Receiver<(&'static str, Option<&'static str>)>,
    }

    impl Stage {
        fn new(patience: Duration) -> Self {
            let (said, heard) = mpsc::channel(64);
            Self { lanes: Arc::new(Lanes::with_patience(patience)), said, heard }
        }

        /// Something that is over at once, or, with a gate, when somebody opens it.
        fn ask(&self, client: ClientId, lane: Lane, who: &'static str, gate: Option<Receiver<()>>) {
            let said = self.said.clone();
            let work = move || {
                gate.map(|gate| gate.recv());
                Ok(Done::default())
            };
            let tell = move |answer: Result<_, Failure>| said.try_send((who, answer.err().map(|failure| failure.code))).unwrap();
            self.lanes.enter(&Handle::current(), client, lane, Job::new(work, tell));
        }

        async fn hears(&mut self) -> (&'static str, Option<&'static str>) {
            self.heard.recv().await.unwrap()
        }
    }

    fn gate() -> (SyncSender<()>, Option<Receiver<()>>) {
        let (open, gate) = sync_channel(1);
        (open, Some(gate))
    }

    #[tokio::test]
    async fn a_second_click_waits_and_too_many_are_refused() {
        let mut stage = Stage::new(PATIENCE);
        let (open, closed) = gate();
        stage.ask(ANNE, Lane::Look, "first", closed);
        for who in ["second", "third", "fourth", "fifth"] {
            stage.ask(ANNE, Lane::Look, who, None);
        }
        stage.ask(ANNE, Lane::Look, "sixth", None);
        assert_eq!(stage.hears().await, ("sixth", Some("command.retryable")));
        stage.ask(BOB, Lane::Look, "bob", None);
        assert_eq!(stage.hears().await, ("bob", None), "others do not wait for it");
        open.send(()).unwrap();
        for who in ["first", "second", "third", "fourth", "fifth"] {
            assert_eq!(stage.hears().await, (who, None), "in order");
        }
    }

    #[tokio::test]
    async fn an_image_that_does_not_open_keeps_nobody_from_looking_around() {
        let mut stage = Stage::new(PATIENCE);
        let (open, closed) = gate();
        stage.ask(ANNE, Lane::Open, "hangs", closed);
        for _ in 0..WAITING {
            stage.ask(ANNE, Lane::Open, "again", None);
        }
        (3..20).for_each(|client| stage.ask(ClientId(client), Lane::Open, "others", None));
        for client in [ANNE, BOB, ClientId(3)] {
            stage.ask(client, Lane::Look, "look", None);
            assert_eq!(stage.hears().await, ("look", None));
        }
        open.send(()).unwrap();
        assert_eq!(stage.hears().await, ("hangs", None));
    }

    #[tokio::test]
    async fn what_hangs_is_given_up_and_keeps_its_place() {
        let mut stage = Stage::new(Duration::from_millis(10));
        let gates: Vec<_> = (0..OPENING).map(|_| gate()).collect();
        let mut open = Vec::new();
        for (opens, closed) in gates {
            stage.ask(ANNE, Lane::Open, "hangs", closed);
            open.push(opens);
            assert_eq!(stage.hears().await, ("hangs", Some("command.retryable")));
        }
        stage.ask(BOB, Lane::Open, "bob", None);
        assert_eq!(stage.hears().await, ("bob", Some("command.retryable")), "no more threads for a place that hangs");
        open.iter().for_each(|open| open.send(()).unwrap());
        loop {
            stage.ask(BOB, Lane::Open, "bob", None);
            // It takes a moment until the places are free.
            if stage.hears().await == ("bob", None) {
                break;
            }
        }
    }
}
