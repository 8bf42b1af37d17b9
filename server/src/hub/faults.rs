//! The faults of late, for those who come later.

use super::notice::Notice;
use nc_protocol::notify::Severity;
use nc_protocol::validate::Dialect;
use std::collections::VecDeque;
use std::sync::Arc;

/// Most faults kept.
const KEPT: usize = 16;
/// Largest payload kept, bytes. Longer ones are told once, or a few of them could fill a newcomer's outbox.
const KEPT_BYTES: usize = 16 << 10;

/// The last distinct faults of the dataset, oldest first.
#[derive(Debug, Default)]
pub(super) struct Faults(VecDeque<Arc<Notice>>);

/// How bad a fault of a domain is. What is missing in a picture is a warning; without device or encoder there is no picture.
pub(super) fn severity(domain: &str, code: &str) -> Severity {
    match (domain, code) {
        (_, "render.volume_pending" | "data.labels") => Severity::Info,
        ("render" | "encode", _) => Severity::Critical,
        _ => Severity::Warning,
    }
}

impl Faults {
    /// Keeps a fault. One that is known becomes the newest.
    pub(super) fn remember(&mut self, fault: &Arc<Notice>) {
        let payload = fault.payload(Dialect::default());
        if payload.len() > KEPT_BYTES {
            return;
        }
        self.0.retain(|known| known.payload(Dialect::default()) != payload);
        self.0.push_back(Arc::clone(fault));
        if self.0.len() > KEPT {
            self.0.pop_front();
        }
    }

    /// Forgets them all: they were another dataset's.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Notice>> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nc_protocol::Kind;

    fn fault(message: &str) -> Arc<Notice> {
        let fault = crate::wire::fault("data", "data.chunk", message.to_owned(), severity("data", "data.chunk"));
        Arc::new(Notice::ready(Kind::Error, &fault, 1))
    }

    fn payload(fault: &Arc<Notice>) -> Arc<str> {
        fault.payload(Dialect::default())
    }

    fn kept(faults: &Faults) -> Vec<Arc<str>> {
        faults.iter().map(payload).collect()
    }

    #[test]
    fn the_last_distinct_ones_are_kept() {
        let mut faults = Faults::default();
        let all: Vec<_> = (0..20).map(|n| fault(&n.to_string())).collect();
        all.iter().for_each(|fault| faults.remember(fault));
        assert_eq!(kept(&faults), all[4..].iter().map(payload).collect::<Vec<_>>());
        faults.remember(&all[10]);
        assert_eq!(kept(&faults).len(), KEPT, "no second copy");
        assert_eq!(kept(&faults).last(), Some(&payload(&all[10])));
        faults.clear();
        assert!(kept(&faults).is_empty());
    }

    #[test]
    fn what_is_too_long_is_not_kept() {
        let mut faults = Faults::default();
        faults.remember(&fault(&"x".repeat(KEPT_BYTES)));
        assert!(kept(&faults).is_empty());
    }
}
