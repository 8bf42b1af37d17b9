//! The thread that waits for the network, one for all remote places, started when the first of them is found.
//!
//! What a place wants done is a task on it. It decodes nothing and runs no callback but [`Done`], which must be brief.

use super::{Blob, Done, PlaceError, PlaceErrorKind, Stop};
use std::future::Future;
use std::io;
use std::sync::mpsc::sync_channel;
use std::thread::{JoinHandle, ThreadId};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// Threads that look up host names, at most.
const MOST_LOOKUPS: usize = 4;

/// The thread. It ends when this is dropped, and all that is under way with it; nobody waits for that.
#[derive(Debug)]
pub(super) struct IoThread {
    handle: Handle,
    thread: ThreadId,
    /// Dropped, it ends the thread.
    _end: oneshot::Sender<()>,
    _joined_by_nobody: JoinHandle<()>,
}

impl IoThread {
    pub(super) fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .thread_name("store-io-lookup")
            .max_blocking_threads(MOST_LOOKUPS)
            .build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new().name("store-io".to_owned()).spawn(move || {
            // An error is what it waits for: that the other end is gone.
            let _ = runtime.block_on(ended);
            // A look-up that hangs is left behind.
            runtime.shutdown_background();
        })?;
        Ok(Self { handle, thread: thread.thread().id(), _end: end, _joined_by_nobody: thread })
    }

    /// Has `work` done, and `done` told what came of it; if it is stopped before, that it was stopped. Does not block.
    pub(super) fn fetch(
        &self,
        work: impl Future<Output = Result<Option<Vec<Blob>>, PlaceError>> + Send + 'static,
        stop: &Stop,
        done: Done,
    ) {
        let answer = Answer { done: Some(done), stop: stop.clone() };
        if stop.is_stopped() {
            return drop(answer);
        }
        let task = self.handle.spawn(async move {
            let outcome = work.await;
            answer.give(outcome);
        });
        let abort = task.abort_handle();
        // Dropping the task drops the request, which frees its connection.
        stop.on_stop(move || abort.abort());
    }

    /// Waits for `work`. Must not be called on the thread itself.
    pub(super) fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, PlaceError>> + Send + 'static,
        stop: &Stop,
    ) -> Result<T, PlaceError> {
        debug_assert_ne!(std::thread::current().id(), self.thread, "the thread that does the work cannot wait for it");
        let (tell, told) = sync_channel(1);
        let task = self.handle.spawn(async move { drop(tell.send(work.await)) });
        let abort = task.abort_handle();
        stop.on_stop(move || abort.abort());
        let outcome = told.recv();
        stop.clear();
        outcome.unwrap_or_else(|_| Err(unanswered(stop)))
    }
}

/// What became of a task that was dropped.
fn unanswered(stop: &Stop) -> PlaceError {
    if stop.is_stopped() {
        PlaceError::stopped()
    } else {
        PlaceError::new(PlaceErrorKind::Unreachable, "the thread for remote places has ended")
    }
}

/// A question's one answer, whatever becomes of the task that has it.
struct Answer {
    done: Option<Done>,
    stop: Stop,
}

impl Answer {
    fn give(mut self, outcome: Result<Option<Vec<Blob>>, PlaceError>) {
        if let Some(done) = self.done.take() {
            self.stop.clear();
            done(outcome);
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(done) = self.done.take() {
            done(Err(unanswered(&self.stop)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Told = Result<Option<Vec<Blob>>, PlaceErrorKind>;

    fn done() -> (Done, std::sync::mpsc::Receiver<Told>) {
        let (tell, told) = sync_channel(1);
        (Box::new(move |answer| tell.send(answer.map_err(|error| error.kind)).unwrap()), told)
    }

    #[test]
    fn every_question_has_one_answer() {
        let io = IoThread::start().unwrap();
        let (answer, told) = done();
        io.fetch(async { Ok(None) }, &Stop::new(), answer);
        assert_eq!(told.into_iter().collect::<Vec<_>>(), [Ok(None)]);

        let stop = Stop::new();
        let (answer, told) = done();
        io.fetch(std::future::pending(), &stop, answer);
        stop.stop();
        assert_eq!(told.into_iter().collect::<Vec<_>>(), [Err(PlaceErrorKind::Stopped)]);

        let (answer, told) = done();
        io.fetch(async { Ok(None) }, &stop, answer);
        assert_eq!(told.into_iter().collect::<Vec<_>>(), [Err(PlaceErrorKind::Stopped)], "stopped before it began");

        let (answer, told) = done();
        io.fetch(std::future::pending(), &Stop::new(), answer);
        drop(io);
        assert_eq!(told.into_iter().collect::<Vec<_>>(), [Err(PlaceErrorKind::Unreachable)], "the thread has ended");
    }

    #[test]
    fn waiting_ends_when_it_is_stopped() {
        let io = IoThread::start().unwrap();
        assert_eq!(io.wait(async { Ok(7) }, &Stop::new()), Ok(7));
        let stop = Stop::new();
        let other = stop.clone();
        let stopper = std::thread::spawn(move || other.stop());
        let waited = io.wait(std::future::pending::<Result<(), PlaceError>>(), &stop);
        assert_eq!(waited, Err(PlaceError::stopped()));
        stopper.join().unwrap();
    }
}
