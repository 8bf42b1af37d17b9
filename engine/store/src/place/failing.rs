//! A place that fails as it is told: for tests of everything that must go on when a store does not.

use super::{Access, Blob, Done, Entry, Key, Place, PlaceError, PlaceErrorKind, Read, Span, Stop};
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// An error of this kind.
    Error(PlaceErrorKind),
    /// There is no such object.
    Missing,
    /// Only that many bytes come, and nobody says so.
    Cut(usize),
    /// One bit is flipped: of this byte, counted from the first one asked for.
    Flip(usize),
    /// Nothing comes, until the request is stopped or [`Script::release`] is called.
    Hang,
}

/// When something goes wrong.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Objects whose key ends with this.
    pub keys: String,
    /// For those requests of them, counted from 0 by this rule.
    pub nth: Range<usize>,
    /// What.
    pub fault: Fault,
}

impl Rule {
    /// Whenever an object whose key ends with `keys` is asked for.
    pub fn always(keys: &str, fault: Fault) -> Self {
        Self { keys: keys.to_owned(), nth: 0..usize::MAX, fault }
    }
}

#[derive(Default)]
struct State {
    rules: Vec<(Rule, usize)>,
    hanging: Vec<(Stop, Task)>,
    released: bool,
    requests: Vec<String>,
}

type Task = Box<dyn FnOnce() + Send>;

/// What a [`Failing`] place is told; clones share.
#[derive(Clone, Default)]
pub struct Script(Arc<(Mutex<State>, Condvar)>);

impl Script {
    /// Adds a rule; the first one that applies counts.
    pub fn push(&self, rule: Rule) {
        self.lock().rules.push((rule, 0));
    }

    /// All is well from now on, but for what hangs already.
    pub fn clear(&self) {
        self.lock().rules.clear();
    }

    /// Lets go of everything that hangs, and hangs no more.
    pub fn release(&self) {
        let tasks: Vec<Task> = {
            let mut state = self.lock();
            state.released = true;
            state.hanging.drain(..).map(|(_, task)| task).collect()
        };
        self.0.1.notify_all();
        tasks.into_iter().for_each(|task| task());
    }

    /// The keys that were asked for, in order.
    pub fn requests(&self) -> Vec<String> {
        self.lock().requests.clone()
    }

    /// How many requests hang.
    pub fn hanging(&self) -> usize {
        self.lock().hanging.len()
    }

    /// Waits until that many requests hang.
    pub fn await_hanging(&self, n: usize) {
        let state = self.lock();
        drop(self.0.1.wait_while(state, |state| state.hanging.len() < n).unwrap_or_else(PoisonError::into_inner));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, key: &Key) -> Option<Fault> {
        let mut state = self.lock();
        state.requests.push(key.as_str().to_owned());
        let released = state.released;
        let (rule, count) =
            state.rules.iter_mut().find(|(rule, count)| key.as_str().ends_with(&rule.keys) && *count < rule.nth.end)?;
        *count += 1;
        (rule.nth.contains(&(*count - 1)) && !(released && rule.fault == Fault::Hang)).then_some(rule.fault)
    }

    /// Has `task` done when `stop` is called or everything is released.
    fn hang(&self, stop: &Stop, task: Task) {
        self.lock().hanging.push((stop.clone(), task));
        self.0.1.notify_all();
        let script = self.clone();
        stop.on_stop(move || {
            let stopped: Vec<Task> =
                script.lock().hanging.extract_if(.., |(stop, _)| stop.is_stopped()).map(|(_, task)| task).collect();
            stopped.into_iter().for_each(|task| task());
        });
    }
}

/// A place that is as good as another until its script says otherwise.
pub struct Failing {
    inner: Arc<dyn Place>,
    script: Script,
}

impl Failing {
    /// `inner`, which fails as `script` says.
    pub fn new(inner: Arc<dyn Place>, script: Script) -> Self {
        Self { inner, script }
    }
}

fn error(kind: PlaceErrorKind) -> PlaceError {
    PlaceError::new(kind, format!("the script says so ({kind:?})"))
}

fn spoil(fault: Fault, bytes: &mut Vec<u8>, from: usize) {
    match fault {
        Fault::Cut(n) => bytes.truncate(from + n),
        Fault::Flip(at) => {
            if let Some(byte) = bytes.get_mut(from + at) {
                *byte ^= 1;
            }
        }
        Fault::Error(_) | Fault::Missing | Fault::Hang => {}
    }
}

impl Place for Failing {
    fn access(&self) -> Access {
        self.inner.access()
    }

    fn read_into(&self, key: &Key, span: &Span, stop: &Stop, into: &mut Vec<u8>) -> Result<Option<Read>, PlaceError> {
        match self.script.ask(key) {
            None => self.inner.read_into(key, span, stop, into),
            Some(Fault::Error(kind)) => Err(error(kind)),
            Some(Fault::Missing) => Ok(None),
            Some(Fault::Hang) => {
                // A read of a dead disk: it does not look whether it is stopped.
                let (tell, told) = std::sync::mpsc::sync_channel::<()>(1);
                self.script.hang(&Stop::new(), Box::new(move || tell.send(()).unwrap_or_default()));
                told.recv().map_err(|_| error(PlaceErrorKind::Hung))?;
                self.inner.read_into(key, span, stop, into)
            }
            Some(fault) => {
                let from = into.len();
                let read = self.inner.read_into(key, span, stop, into)?;
                spoil(fault, into, from);
                Ok(read)
            }
        }
    }

    fn fetch(&self, key: &Key, spans: &[Span], stop: &Stop, done: Done) {
        match self.script.ask(key) {
            None => self.inner.fetch(key, spans, stop, done),
            Some(Fault::Error(kind)) => done(Err(error(kind))),
            Some(Fault::Missing) => done(Ok(None)),
            Some(Fault::Hang) => {
                let (inner, key, spans, asked) = (self.inner.clone(), key.clone(), spans.to_vec(), stop.clone());
                let go_on = move || {
                    if asked.is_stopped() { done(Err(PlaceError::stopped())) } else { inner.fetch(&key, &spans, &asked, done) }
                };
                self.script.hang(stop, Box::new(go_on));
            }
            Some(fault) => {
                let spoiled = move |answer: Result<Option<Vec<Blob>>, PlaceError>| {
                    done(answer.map(|blobs| {
                        blobs.map(|blobs| {
                            let spoil = |blob: Blob| {
                                let mut bytes = blob.bytes.to_vec();
                                spoil(fault, &mut bytes, 0);
                                Blob { bytes: bytes.into(), ..blob }
                            };
                            blobs.into_iter().map(spoil).collect()
                        })
                    }));
                };
                self.inner.fetch(key, spans, stop, Box::new(spoiled));
            }
        }
    }

    fn list(&self, prefix: &Key, most: usize) -> Result<Vec<Entry>, PlaceError> {
        self.inner.list(prefix, most)
    }

    fn redacted(&self) -> &str {
        self.inner.redacted()
    }
}
