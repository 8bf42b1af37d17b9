//! Calling off what is on its way.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

type Hook = Box<dyn FnOnce() + Send>;

/// Calls off one flight: a read, a fetch, a decode. Clones share; it cannot be taken back, the next flight has one of its own.
#[derive(Clone, Default)]
pub struct Stop(Arc<Inner>);

#[derive(Default)]
struct Inner {
    stopped: AtomicBool,
    hook: Mutex<Option<Hook>>,
}

impl Stop {
    /// One that nobody has called yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops. Runs the hook, on this thread. Further calls do nothing.
    pub fn stop(&self) {
        self.0.stopped.store(true, Ordering::SeqCst);
        // Taken out first: a hook may look at this stop.
        let hook = self.0.hook.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(hook) = hook {
            hook();
        }
    }

    /// Whether it was called. Cheap: one load.
    pub fn is_stopped(&self) -> bool {
        self.0.stopped.load(Ordering::SeqCst)
    }

    /// Has `hook` run when this is stopped; at once if it is already. There is one hook: a later one replaces it. It must be brief and
    /// must not block, for it runs on the thread that stops.
    pub fn on_stop(&self, hook: impl FnOnce() + Send + 'static) {
        *self.0.hook.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(hook));
        // Either this sees the flag, or `stop` sees the hook.
        if self.is_stopped() {
            self.stop();
        }
    }

    /// Forgets the hook: what it would stop is done.
    pub fn clear(&self) {
        let hook = self.0.hook.lock().unwrap_or_else(PoisonError::into_inner).take();
        // What it owns is dropped outside the lock.
        drop(hook);
    }
}

impl std::fmt::Debug for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Stop").field(&self.is_stopped()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    #[test]
    fn a_hook_runs_once_whether_it_comes_before_or_after() {
        let count = Arc::new(AtomicU32::new(0));
        let hook = || {
            let count = count.clone();
            move || {
                count.fetch_add(1, Ordering::SeqCst);
            }
        };
        let stop = Stop::new();
        stop.on_stop(hook());
        assert!(!stop.is_stopped() && count.load(Ordering::SeqCst) == 0);
        stop.clone().stop();
        stop.stop();
        assert!(stop.is_stopped() && count.load(Ordering::SeqCst) == 1);
        stop.on_stop(hook());
        assert_eq!(count.load(Ordering::SeqCst), 2, "it is stopped already");
        let stop = Stop::new();
        stop.on_stop(hook());
        stop.clear();
        stop.stop();
        assert_eq!(count.load(Ordering::SeqCst), 2, "the hook was forgotten");
    }
}
