//! The life of the loader's threads: started, given up where one does not return, and ended. And the clerk, a thread that tells the
//! queue what views say while all others are busy, and looks after what does not return.

use super::Wake;
use super::front::Front;
use super::worker::Shared;
use crate::place::Stop;
use std::collections::HashMap;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long the end waits for threads that are in a read.
const FAREWELL: Duration = Duration::from_secs(2);

/// The threads there are.
#[derive(Default)]
pub(super) struct Hands {
    threads: HashMap<u32, JoinHandle<()>>,
    next: u32,
    /// Threads that were given up and have not returned.
    lost: usize,
    /// Threads that were started and have not ended, but for those that were given up.
    alive: usize,
}

impl Shared {
    /// Starts the threads.
    pub(super) fn start(self: &Arc<Self>) {
        for _ in 0..self.threads {
            self.start_worker();
        }
        let shared = self.clone();
        let clerk = std::thread::Builder::new().name("loader-clerk".to_owned()).spawn(move || {
            shared.attend();
            shared.end(None);
        });
        match clerk {
            Ok(_) => self.hands().alive += 1,
            Err(error) => tracing::error!(%error, "the loader's clerk did not start"),
        }
    }

    fn start_worker(self: &Arc<Self>) {
        let mut hands = self.hands();
        let worker = hands.next;
        hands.next += 1;
        let shared = self.clone();
        let started = std::thread::Builder::new().name(format!("loader-{worker}")).spawn(move || {
            shared.work(worker);
            shared.end(Some(worker));
        });
        match started {
            Ok(thread) => {
                hands.threads.insert(worker, thread);
                hands.alive += 1;
            }
            Err(error) => tracing::error!(%error, "loader thread {worker} did not start"),
        }
    }

    fn end(&self, worker: Option<u32>) {
        let mut hands = self.hands();
        let own = worker.is_none_or(|worker| hands.threads.remove(&worker).is_some());
        if own {
            hands.alive -= 1
        } else {
            hands.lost -= 1
        }
        self.gone.notify_all();
    }

    /// Ends the threads, and waits for them as long as is decent: one may be in a read that does not return.
    pub(super) fn stop(&self) {
        let wakes: Vec<Wake> = {
            let mut front = self.front.lock();
            front.stopping = true;
            front.desks().map(|desk| desk.wake.clone()).collect()
        };
        let effects = {
            let mut queue = self.queue();
            queue.stop();
            queue.take_effects()
        };
        effects.stops.iter().for_each(Stop::stop);
        wakes.iter().for_each(|wake| wake());
        self.bell.notify_all();
        self.work.notify_all();
        let own = std::thread::current().id();
        self.await_end(own);
        // Handles may live on; what was wanted does not.
        let rest = self.queue().clear();
        drop(rest);
    }

    fn await_end(&self, own: std::thread::ThreadId) {
        let hands = self.hands();
        // A loader thread that drops the last owner (against the rules of `attach`) must not wait for itself.
        let rest = usize::from(hands.threads.values().any(|thread| thread.thread().id() == own));
        let (_hands, patience) =
            self.gone.wait_timeout_while(hands, FAREWELL, |hands| hands.alive > rest).unwrap_or_else(PoisonError::into_inner);
        if patience.timed_out() {
            tracing::warn!("a read does not return; its thread is left behind");
        }
    }

    fn hands(&self) -> MutexGuard<'_, Hands> {
        self.hands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the clerk does until the end.
    fn attend(self: &Arc<Self>) {
        let mut due: Option<Instant> = None;
        loop {
            {
                let mut front = self.front.lock();
                while !front.has_news() {
                    front = match due.map(|at| at.saturating_duration_since((self.clock)())) {
                        None => self.bell_wait(front, None),
                        Some(Duration::ZERO) => break,
                        Some(pause) => self.bell_wait(front, Some(pause)),
                    };
                }
                front.rung = false;
                if front.stopping {
                    return;
                }
            }
            let now = (self.clock)();
            let (effects, lost) = {
                let mut queue = self.queue();
                let lost = queue.attend(now);
                // What is overdue waits for a thread; whoever is done with something looks.
                due = queue.next_due().filter(|&at| at > now);
                queue.unattended = due;
                (queue.take_effects(), lost)
            };
            self.perform(effects);
            for worker in lost {
                self.replace(worker);
            }
            self.work.notify_all();
        }
    }

    fn bell_wait<'a>(&self, front: MutexGuard<'a, Front>, pause: Option<Duration>) -> MutexGuard<'a, Front> {
        match pause {
            None => self.bell.wait(front).unwrap_or_else(PoisonError::into_inner),
            Some(pause) => self.bell.wait_timeout(front, pause).unwrap_or_else(PoisonError::into_inner).0,
        }
    }

    /// A thread does not return: another takes its place, as long as not too many are lost.
    fn replace(self: &Arc<Self>, worker: u32) {
        let few = {
            let mut hands = self.hands();
            if hands.threads.remove(&worker).is_some() {
                hands.alive -= 1;
                hands.lost += 1;
            }
            hands.lost <= 2 * self.threads
        };
        if few {
            self.start_worker();
        } else {
            tracing::error!("too many reads do not return: no more threads are started until some do");
        }
    }
}
