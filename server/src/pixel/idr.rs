//! When to ask the encoder for an IDR: coalesced, because an IDR costs every viewer ten times the bytes of a P frame, and no client may
//! turn everybody's stream into IDRs.

use std::time::{Duration, Instant};

/// Least time from an IDR to the next that newcomers get, all of them together.
const NEWCOMER_SPACING: Duration = Duration::from_millis(100);
/// Least time from an IDR to the next that commands get, all of them together.
const COMMAND_SPACING: Duration = Duration::from_secs(1);
/// Least time from an IDR to the next that viewers get who fell behind.
const RECOVERY_SPACING: Duration = Duration::from_secs(2);

/// Why an IDR is wanted; the most urgent comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Urgency {
    /// A viewer fell behind and waits.
    Recovery,
    /// A client asks.
    Command,
    /// Someone came who has not seen a picture yet.
    Newcomer,
}

impl Urgency {
    fn spacing(self) -> Duration {
        match self {
            Self::Recovery => RECOVERY_SPACING,
            Self::Command => COMMAND_SPACING,
            Self::Newcomer => NEWCOMER_SPACING,
        }
    }
}

/// What is wanted and what was asked. Feed it with [`Self::want`] and [`Self::answered`]; ask the encoder whenever
/// [`Self::take_due`] says so, which it next does at [`Self::due`]. A request that is not answered is the business of the engine's
/// keyframe watchdog.
#[derive(Debug, Default)]
pub(crate) struct IdrRequests {
    /// The most urgent wish that no IDR has met.
    wanted: Option<Urgency>,
    /// The newest request or IDR.
    last: Option<Instant>,
    /// The newest request is not answered.
    under_way: bool,
}

impl IdrRequests {
    /// An IDR is wanted. Any that comes from now on will do.
    pub(crate) fn want(&mut self, urgency: Urgency) {
        self.wanted = self.wanted.max(Some(urgency));
    }

    /// When to ask; a time that has passed means now, `None` means never.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        let urgency = self.wanted.filter(|_| !self.under_way)?;
        Some(self.last.map_or(now, |last| last + urgency.spacing()))
    }

    /// Whether to ask now; if so, the caller must.
    pub(crate) fn take_due(&mut self, now: Instant) -> bool {
        let ask = self.due(now).is_some_and(|due| due <= now);
        if ask {
            *self = Self { wanted: None, last: Some(now), under_way: true };
        }
        ask
    }

    /// An IDR came, asked for or not: everybody has what they wanted.
    pub(crate) fn answered(&mut self, now: Instant) {
        *self = Self { wanted: None, last: Some(now), under_way: false };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Lets `wants` happen at their times, asks whenever asking is due, and answers every request a frame later. When IDRs came.
    fn idrs(wants: impl IntoIterator<Item = (Duration, Urgency)>, until: Duration) -> Vec<Duration> {
        let (mut idr, start) = (IdrRequests::default(), Instant::now());
        let mut wants = wants.into_iter().peekable();
        let (mut answer, mut came) = (None, vec![]);
        for ms in 0..until.as_millis() as u32 {
            let at = ms * MS;
            if answer == Some(at) {
                idr.answered(start + at);
                (answer, came) = (None, [came, vec![at]].concat());
            }
            while let Some((_, urgency)) = wants.next_if(|(when, _)| *when <= at) {
                idr.want(urgency);
            }
            if idr.take_due(start + at) {
                assert_eq!(answer, None, "asked again before the answer");
                answer = Some(at + 16 * MS);
            }
        }
        came
    }

    fn spaced(came: &[Duration], least: Duration) -> bool {
        came.windows(2).all(|pair| pair[1] - pair[0] >= least)
    }

    #[test]
    fn a_flood_of_commands_is_an_idr_a_second_and_the_last_command_gets_one() {
        let flood = (0..744).map(|n| (n * Duration::from_secs(2) / 744, Urgency::Command));
        let came = idrs(flood, Duration::from_secs(10));
        assert!(spaced(&came, COMMAND_SPACING), "{came:?}");
        assert_eq!(came.len(), 3, "{came:?}");
        assert!(came[2] >= Duration::from_secs(2), "after the last command: {came:?}");
    }

    #[test]
    fn a_command_that_has_to_wait_is_served_after_the_spacing() {
        let came = idrs([(Duration::ZERO, Urgency::Newcomer), (300 * MS, Urgency::Command)], Duration::from_secs(5));
        assert_eq!(came, [16 * MS, 16 * MS + COMMAND_SPACING + 16 * MS]);
    }

    #[test]
    fn newcomers_share_ten_idrs_a_second_and_do_not_wait_for_commands() {
        let crowd = (0..500).map(|n| (n * 2 * MS, Urgency::Newcomer));
        let came = idrs(crowd, Duration::from_secs(5));
        assert!(spaced(&came, NEWCOMER_SPACING), "{came:?}");
        assert!((8..=10).contains(&came.len()), "{came:?}");
        assert!(came.last() >= Some(&(998 * MS)), "the last one too: {came:?}");

        let mixed = [(Duration::ZERO, Urgency::Command), (50 * MS, Urgency::Command), (60 * MS, Urgency::Newcomer)];
        let came = idrs(mixed, Duration::from_secs(5));
        assert_eq!(came, [16 * MS, 132 * MS], "the newcomer's IDR is the command's too");
    }

    #[test]
    fn who_falls_behind_causes_no_more_than_an_idr_every_two_seconds() {
        let trouble = (0..600).map(|n| (n * 10 * MS, Urgency::Recovery));
        let came = idrs(trouble, Duration::from_secs(20));
        assert!(spaced(&came, RECOVERY_SPACING), "{came:?}");
        assert_eq!(came.len(), 4, "{came:?}");
    }

    #[test]
    fn an_idr_that_nobody_asked_for_serves_everybody() {
        let (mut idr, start) = (IdrRequests::default(), Instant::now());
        idr.answered(start);
        idr.want(Urgency::Command);
        idr.answered(start + 500 * MS);
        assert_eq!(idr.due(start + 600 * MS), None);
    }

    #[test]
    fn an_unanswered_request_is_left_to_the_watchdog() {
        let (mut idr, start) = (IdrRequests::default(), Instant::now());
        idr.want(Urgency::Newcomer);
        assert!(idr.take_due(start));
        idr.want(Urgency::Newcomer);
        assert_eq!(idr.due(start + 60 * RECOVERY_SPACING), None, "one is under way");
        idr.answered(start + 60 * RECOVERY_SPACING);
        assert_eq!(idr.due(start + 60 * RECOVERY_SPACING), None, "it served both");
    }
}
