//! Whether the place of an image answers. After a few failures in a row that speak of the place, not of a chunk, nothing is asked of it
//! but one chunk now and then, until that comes.

use super::{Fault, ViewId};
use crate::image::ReadErrorKind;
use nc_core::data::ImageId;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Failures in a row that mean the place is away.
const PATIENCE: u32 = 3;
/// Pause before the first probe; doubles with each that fails.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Whether a failure of this kind speaks of the place.
pub(super) fn is_outage(kind: ReadErrorKind) -> bool {
    matches!(kind, ReadErrorKind::Unreachable | ReadErrorKind::TimedOut | ReadErrorKind::Hung)
}

struct Trouble {
    failures: u32,
    fault: Fault,
    /// It is away: one chunk may be asked for from then on.
    away: Option<Instant>,
    pause: Duration,
    /// That chunk is on its way.
    probing: bool,
    told: Vec<ViewId>,
}

/// The places that gave trouble lately, by image.
#[derive(Default)]
pub(super) struct Health(HashMap<ImageId, Trouble>);

impl Health {
    /// A chunk of `image` came.
    ///
    /// Whether its place had been away.
    pub(super) fn good(&mut self, image: ImageId) -> bool {
        self.0.remove(&image).is_some_and(|trouble| trouble.away.is_some())
    }

    /// The place of `image` did not give a chunk. Whether it is away since.
    pub(super) fn bad(&mut self, image: ImageId, fault: &Fault, now: Instant) -> bool {
        let trouble = self.0.entry(image).or_insert_with(|| Trouble {
            failures: 0,
            fault: fault.clone(),
            away: None,
            pause: FIRST_PAUSE,
            probing: false,
            told: Vec::new(),
        });
        trouble.failures += 1;
        trouble.fault = fault.clone();
        if trouble.away.is_none() {
            trouble.away = (trouble.failures >= PATIENCE).then(|| now + trouble.pause);
            return trouble.away.is_some();
        }
        // Others that were on their way when it went tell nothing new.
        if trouble.probing {
            trouble.probing = false;
            trouble.pause = (trouble.pause * 2).min(LONGEST_PAUSE);
            trouble.away = Some(now + trouble.pause);
        }
        false
    }

    /// A probe of `image` came to no end: nobody wanted it any more, or something else was wrong with it.
    pub(super) fn unproven(&mut self, image: ImageId) {
        if let Some(trouble) = self.0.get_mut(&image) {
            trouble.probing = false;
        }
    }

    /// Why nothing may be asked of the place of `image` now, if so.
    pub(super) fn blocked(&self, image: ImageId, now: Instant) -> Option<&Fault> {
        let trouble = self.0.get(&image)?;
        let until = trouble.away?;
        (trouble.probing || now < until).then_some(&trouble.fault)
    }

    /// A chunk of `image` is asked for. If its place is away that is the probe.
    pub(super) fn asked(&mut self, image: ImageId) {
        if let Some(trouble) = self.0.get_mut(&image).filter(|t| t.away.is_some()) {
            trouble.probing = true;
        }
    }

    /// Whether the place of `image` is away: only one chunk may be asked for.
    pub(super) fn is_away(&self, image: ImageId) -> bool {
        self.0.get(&image).is_some_and(|trouble| trouble.away.is_some())
    }

    /// Images of places that gave trouble lately.
    pub(super) fn images(&self) -> impl Iterator<Item = ImageId> {
        self.0.keys().copied()
    }

    /// Whether `view` must still be told of this trouble; marks it as told.
    pub(super) fn tell(&mut self, image: ImageId, view: ViewId) -> bool {
        match self.0.get_mut(&image) {
            Some(trouble) if trouble.told.contains(&view) => false,
            Some(trouble) => {
                trouble.told.push(view);
                true
            }
            None => true,
        }
    }

    /// When the next probe may be made.
    pub(super) fn next_probe(&self) -> Option<Instant> {
        self.0.values().filter(|t| !t.probing).filter_map(|t| t.away).min()
    }

    pub(super) fn forget_image(&mut self, image: ImageId) {
        self.0.remove(&image);
    }

    pub(super) fn forget_view(&mut self, view: ViewId) {
        self.0.values_mut().for_each(|trouble| trouble.told.retain(|&v| v != view));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE: ImageId = ImageId(1);

    fn fault() -> Fault {
        Fault { level: 0, chunk: vec![0], kind: ReadErrorKind::TimedOut, message: "away".into(), retry_at: None }
    }

    #[test]
    fn a_place_that_is_away_is_probed_with_growing_pauses() {
        let mut health = Health::default();
        let start = Instant::now();
        assert!(!health.bad(IMAGE, &fault(), start) && !health.bad(IMAGE, &fault(), start));
        assert_eq!(health.blocked(IMAGE, start), None, "two failures are chance");
        assert!(health.bad(IMAGE, &fault(), start));
        let mut now = start;
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            let at = now + Duration::from_secs(seconds);
            assert!(health.blocked(IMAGE, at - Duration::from_millis(1)).is_some());
            assert_eq!((health.next_probe(), health.blocked(IMAGE, at)), (Some(at), None));
            health.asked(IMAGE);
            assert!(health.blocked(IMAGE, at).is_some() && health.next_probe().is_none(), "one probe at a time");
            assert!(!health.bad(IMAGE, &fault(), at), "it is away already");
            now = at;
        }
        health.asked(IMAGE);
        assert!(health.good(IMAGE) && !health.good(IMAGE));
        assert_eq!((health.blocked(IMAGE, now), health.is_away(IMAGE)), (None, false));
    }

    #[test]
    fn each_view_hears_of_an_outage_once() {
        let mut health = Health::default();
        let now = Instant::now();
        for _ in 0..5 {
            health.bad(IMAGE, &fault(), now);
        }
        assert!(health.tell(IMAGE, ViewId(1)) && !health.tell(IMAGE, ViewId(1)) && health.tell(IMAGE, ViewId(2)));
        health.good(IMAGE);
        health.bad(IMAGE, &fault(), now);
        assert!(health.tell(IMAGE, ViewId(1)), "this is another one");
    }
}
