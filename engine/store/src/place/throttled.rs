//! A place behind a link: everything comes later, as over a network of a given round trip and speed.

use super::{Access, Done, Entry, Key, Place, PlaceError, Read, Span, Stop};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Waits, or pretends to.
pub trait Pace: Send + Sync + 'static {
    /// What time it is.
    fn now(&self) -> Instant;

    /// Has `what` done at `at`, on another thread. A stopped one may be done at once.
    fn at(&self, at: Instant, stop: &Stop, what: Box<dyn FnOnce() + Send>);
}

/// A link.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Link {
    /// There and back.
    pub round_trip: Duration,
    /// Bits per second; all requests share them.
    pub bits_per_s: f64,
    /// Requests at once.
    pub requests: usize,
}

/// A place that answers as over a [`Link`].
pub struct Throttled {
    inner: Arc<dyn Place>,
    link: Link,
    pace: Arc<dyn Pace>,
    /// When the link is free again.
    free: Mutex<Instant>,
}

impl Throttled {
    /// `inner` behind `link`. Its bytes are read at once and given later, so it is to be a near one.
    pub fn new(inner: Arc<dyn Place>, link: Link, pace: Arc<dyn Pace>) -> Self {
        let free = Mutex::new(pace.now());
        Self { inner, link, pace, free }
    }

    /// When an answer of that many bytes, asked for now, is there: it waits for those before it, and takes its time on the wire.
    fn arrival(&self, bytes: u64) -> Instant {
        let now = self.pace.now();
        let wire = Duration::from_secs_f64(bytes as f64 * 8.0 / self.link.bits_per_s.max(1.0));
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        *free = (*free).max(now) + wire;
        *free + self.link.round_trip
    }
}

impl Place for Throttled {
    fn access(&self) -> Access {
        Access::Far { requests: self.link.requests }
    }

    fn read_into(&self, key: &Key, span: &Span, stop: &Stop, into: &mut Vec<u8>) -> Result<Option<Read>, PlaceError> {
        let before = into.len();
        let read = self.inner.read_into(key, span, stop, into)?;
        let (tell, told) = sync_channel(1);
        let at = self.arrival((into.len() - before) as u64);
        self.pace.at(at, stop, Box::new(move || tell.send(()).unwrap_or_default()));
        // The pace drops what it does not do, so this ends in any case.
        if told.recv().is_err() || stop.is_stopped() {
            return Err(PlaceError::stopped());
        }
        Ok(read)
    }

    fn fetch(&self, key: &Key, spans: &[Span], stop: &Stop, done: Done) {
        let (pace, asked) = (self.pace.clone(), stop.clone());
        let (sender, receiver) = sync_channel(1);
        self.inner.fetch(key, spans, stop, Box::new(move |answer| sender.send(answer).unwrap_or_default()));
        let Ok(answer) = receiver.recv() else { return done(Err(PlaceError::stopped())) };
        let bytes =
            answer.as_ref().ok().and_then(Option::as_ref).map_or(0, |blobs| blobs.iter().map(|b| b.bytes.len() as u64).sum());
        let at = self.arrival(bytes);
        let deliver = move || done(if asked.is_stopped() { Err(PlaceError::stopped()) } else { answer });
        pace.at(at, stop, Box::new(deliver));
    }

    fn list(&self, prefix: &Key, most: usize) -> Result<Vec<Entry>, PlaceError> {
        self.inner.list(prefix, most)
    }

    fn redacted(&self) -> &str {
        self.inner.redacted()
    }
}

type Task = Box<dyn FnOnce() + Send>;

/// Real time: one thread that does everything in its turn.
pub struct RealPace(SyncSender<(Instant, Task)>);

impl RealPace {
    /// Starts the thread; it ends when this is dropped and nothing waits any more.
    ///
    /// # Errors
    /// If there can be no more threads.
    pub fn start() -> std::io::Result<Self> {
        // Emptied at once into the list of what waits, which is as long as requests are many.
        let (sender, receiver) = sync_channel::<(Instant, Task)>(64);
        std::thread::Builder::new().name("link".to_owned()).spawn(move || {
            let mut waiting: Vec<(Instant, Task)> = Vec::new();
            loop {
                let next = waiting.iter().map(|(at, _)| *at).min();
                match next {
                    None => match receiver.recv() {
                        Ok(task) => waiting.push(task),
                        Err(_) => return,
                    },
                    Some(at) => {
                        let pause = at.saturating_duration_since(Instant::now());
                        match receiver.recv_timeout(pause) {
                            Ok(task) => waiting.push(task),
                            Err(RecvTimeoutError::Timeout) => {}
                            // Nothing more comes, but what waits is still to be done in its time.
                            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(pause),
                        }
                    }
                }
                let now = Instant::now();
                let mut due: Vec<(Instant, Task)> = waiting.extract_if(.., |(at, _)| *at <= now).collect();
                due.sort_by_key(|(at, _)| *at);
                due.into_iter().for_each(|(_, task)| task());
            }
        })?;
        Ok(Self(sender))
    }
}

impl Pace for RealPace {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn at(&self, at: Instant, _: &Stop, what: Task) {
        // Its thread only ends with this.
        self.0.send((at, what)).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::Blob;

    struct Zeros;

    impl Place for Zeros {
        fn access(&self) -> Access {
            Access::Near
        }

        fn read_into(&self, _: &Key, span: &Span, _: &Stop, into: &mut Vec<u8>) -> Result<Option<Read>, PlaceError> {
            if let Span::Last(n) = span {
                into.resize(into.len() + *n as usize, 0);
            }
            Ok(Some(Read::default()))
        }

        fn list(&self, _: &Key, _: usize) -> Result<Vec<Entry>, PlaceError> {
            Ok(Vec::new())
        }

        fn redacted(&self) -> &str {
            "zeros"
        }
    }

    #[derive(Default)]
    struct Noted(Mutex<Vec<Instant>>);

    impl Pace for Arc<Noted> {
        fn now(&self) -> Instant {
            static NOW: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
            *NOW.get_or_init(Instant::now)
        }

        fn at(&self, at: Instant, _: &Stop, what: Task) {
            self.0.lock().unwrap().push(at);
            what();
        }
    }

    #[test]
    fn requests_share_the_link_and_each_waits_a_round_trip() {
        let noted = Arc::<Noted>::default();
        let link = Link { round_trip: Duration::from_millis(40), bits_per_s: 8000.0, requests: 4 };
        let place = Throttled::new(Arc::new(Zeros), link, Arc::new(noted.clone()));
        let (tell, told) = sync_channel(8);
        for bytes in [100, 0, 50] {
            let tell = tell.clone();
            let done = Box::new(move |answer: Result<Option<Vec<Blob>>, PlaceError>| {
                tell.send(answer.unwrap().unwrap()[0].bytes.len()).unwrap()
            });
            place.fetch(&Key::root(), &[Span::Last(bytes)], &Stop::new(), done);
        }
        let start = Pace::now(&noted);
        let after: Vec<u128> = noted.0.lock().unwrap().iter().map(|at| (*at - start).as_millis()).collect();
        assert_eq!(after, [140, 140, 190], "1 byte a millisecond, 40 ms more on the way");
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [100, 0, 50]);
        assert_eq!(place.access(), Access::Far { requests: 4 });
    }
}
