//! When to ask the encoder for an IDR: coalesced, because an IDR costs every viewer ten times the bytes of a P frame.

use std::time::{Duration, Instant};

/// Least time between two requests that one viewer's trouble may cause, and how long an unanswered request is left in peace.
pub(crate) const IDR_SPACING: Duration = Duration::from_secs(2);

/// The requests so far.
#[derive(Debug, Default)]
pub(crate) struct IdrRequests {
    asked: Option<Instant>,
    under_way: bool,
}

impl IdrRequests {
    /// A newcomer or a command wants an IDR now. True when the encoder is to be asked: unless a recent request is still under way.
    pub(crate) fn want(&mut self, now: Instant) -> bool {
        let ask = !self.under_way || self.due(now) <= now;
        if ask {
            (self.asked, self.under_way) = (Some(now), true);
        }
        ask
    }

    /// A viewer that waits may ask again. True when the encoder is to be asked.
    pub(crate) fn recover(&mut self, now: Instant) -> bool {
        self.due(now) <= now && self.want(now)
    }

    /// When [`Self::recover`] may next ask.
    pub(crate) fn due(&self, now: Instant) -> Instant {
        self.asked.map_or(now, |asked| asked + IDR_SPACING)
    }

    /// An IDR came.
    pub(crate) fn answered(&mut self) {
        self.under_way = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newcomers_share_one_request() {
        let (mut idr, start) = (IdrRequests::default(), Instant::now());
        assert!(idr.want(start));
        assert!(!idr.want(start + Duration::from_millis(10)), "one is under way");
        idr.answered();
        assert!(idr.want(start + Duration::from_millis(20)), "the next newcomer needs its own");
    }

    #[test]
    fn an_unanswered_request_is_repeated_after_the_spacing() {
        let (mut idr, start) = (IdrRequests::default(), Instant::now());
        assert!(idr.want(start));
        assert!(!idr.want(start + IDR_SPACING - Duration::from_millis(1)));
        assert!(idr.want(start + IDR_SPACING));
    }

    #[test]
    fn a_slow_viewer_asks_no_more_often_than_the_spacing() {
        let (mut idr, start) = (IdrRequests::default(), Instant::now());
        assert!(idr.recover(start));
        idr.answered();
        assert!(!idr.recover(start + Duration::from_secs(1)));
        assert_eq!(idr.due(start), start + IDR_SPACING);
        assert!(idr.recover(start + IDR_SPACING));
    }
}
