//! What views and the loader leave for each other: wishes one way, arrivals the other. The only lock that a render thread takes, held
//! for list changes and never while anything else is waited for; the queue itself may be busy for longer.

use super::gathering::Made;
use super::{Arrival, Edge, Outlook, Piece, ViewId, Wake, Want};
use crate::cache::Tally;
use crate::image::Image;
use crate::place::{Blob, PlaceError};
use nc_core::data::{ImageId, PlaneKey};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most wants of a view; more are cut from the end.
pub(super) const MOST_WANTS: usize = 8192;

/// What a place answered.
pub(super) type Answer = Result<Option<Vec<Blob>>, PlaceError>;

/// Something that a view, or the owner of the loader, has said.
pub(super) enum Command {
    Attach {
        view: ViewId,
        epoch: u64,
        tally: Arc<Tally>,
    },
    Detach(ViewId),
    Want {
        view: ViewId,
        images: Vec<Image>,
        wants: Vec<Want>,
        /// What had arrived and was dropped untaken, as it is not wanted any more.
        dropped: HashSet<Piece>,
    },
    Overview {
        view: ViewId,
        image: Image,
        plane: PlaneKey,
        max_edge: u32,
    },
    Forget(ImageId),
    Regrow(Image, Vec<Edge>),
    InFlight(u64),
}

impl Command {
    fn view(&self) -> Option<ViewId> {
        match self {
            Self::Attach { view, .. } | Self::Detach(view) | Self::Want { view, .. } | Self::Overview { view, .. } => Some(*view),
            Self::Forget(_) | Self::Regrow(..) | Self::InFlight(_) => None,
        }
    }
}

/// What waits for one view.
pub(super) struct Desk {
    pub(super) wake: Wake,
    /// Tells views of the same id apart.
    epoch: u64,
    /// Answers to what is wanted.
    arrivals: Vec<Arrival>,
    /// Provisional ones that the view had taken and that are better now.
    mended: Vec<Arrival>,
    /// Taken since the view last said what it wants.
    taken: HashSet<Piece>,
    pub(super) tally: Arc<Tally>,
    /// Of the latest wants.
    pub(super) pins_refused: u64,
}

/// The lock around it. Whoever holds the queue may take it, never the other way round.
#[derive(Default)]
pub(super) struct Desks(Mutex<Front>);

impl Desks {
    pub(super) fn lock(&self) -> MutexGuard<'_, Front> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
pub(super) struct Front {
    desks: HashMap<ViewId, Desk>,
    epochs: u64,
    commands: VecDeque<Command>,
    /// Flights that have ended, by their number.
    landed: Vec<(u64, Answer)>,
    pub(super) outlook: Outlook,
    /// The clerk is to look when something is due next.
    pub(super) rung: bool,
    pub(super) stopping: bool,
}

impl Front {
    pub(super) fn attach(&mut self, view: ViewId, wake: Wake) {
        self.epochs += 1;
        let (epoch, tally) = (self.epochs, Arc::<Tally>::default());
        let desk = Desk {
            wake,
            epoch,
            arrivals: Vec::new(),
            mended: Vec::new(),
            taken: HashSet::new(),
            tally: tally.clone(),
            pins_refused: 0,
        };
        self.desks.insert(view, desk);
        self.say(Command::Attach { view, epoch, tally });
    }

    pub(super) fn detach(&mut self, view: ViewId) -> Option<Desk> {
        let gone = self.desks.remove(&view);
        if gone.is_some() {
            self.say(Command::Detach(view));
        }
        gone
    }

    /// Whether there is anything to do.
    pub(super) fn has_news(&self) -> bool {
        !self.commands.is_empty() || !self.landed.is_empty() || self.rung || self.stopping
    }

    pub(super) fn take_news(&mut self) -> (VecDeque<Command>, Vec<(u64, Answer)>) {
        (std::mem::take(&mut self.commands), std::mem::take(&mut self.landed))
    }

    /// After the end nobody listens.
    pub(super) fn say(&mut self, command: Command) {
        if !self.stopping {
            self.commands.push_back(command);
        }
    }

    pub(super) fn land(&mut self, flight: u64, answer: Answer) {
        self.landed.push((flight, answer));
    }

    pub(super) fn desk(&self, view: ViewId) -> Option<&Desk> {
        self.desks.get(&view)
    }

    pub(super) fn desks(&self) -> impl Iterator<Item = &Desk> {
        self.desks.values()
    }

    pub(super) fn set_pins_refused(&mut self, view: ViewId, count: u64) {
        if let Some(desk) = self.desks.get_mut(&view) {
            desk.pins_refused = count;
        }
    }

    /// Replaces what the view wants. What arrived and is not wanted any more goes, or a view that stops taking would pile it up.
    pub(super) fn want(&mut self, view: ViewId, images: &[Image], wants: &[Want]) {
        let Some(desk) = self.desks.get_mut(&view) else { return };
        let wants = &wants[..wants.len().min(MOST_WANTS)];
        let wanted: HashSet<Piece> = wants.iter().filter_map(|want| want.goal.makes()).collect();
        let mut dropped: HashSet<Piece> = desk
            .arrivals
            .extract_if(.., |a| a.piece().is_some_and(|piece| !wanted.contains(&piece)))
            .filter_map(|a| a.piece())
            .collect();
        desk.mended.retain(|a| a.piece().is_some_and(|piece| images.iter().any(|image| image.info.id == piece.image())));
        desk.taken.clear();
        // A list that nobody has looked at yet is replaced, so that lists do not pile up.
        if let Some(Command::Want { images: old_images, wants: old_wants, dropped: old_dropped, .. }) = self.last_said(view) {
            (*old_images, *old_wants) = (images.to_vec(), wants.to_vec());
            old_dropped.extend(dropped.drain());
        } else {
            self.say(Command::Want { view, images: images.to_vec(), wants: wants.to_vec(), dropped });
        }
    }

    /// What the view said last and the queue has not heard yet.
    fn last_said(&mut self, view: ViewId) -> Option<&mut Command> {
        self.commands.iter_mut().rev().find(|command| command.view() == Some(view))
    }

    /// What the view has, or finds when it looks, although it wants it.
    pub(super) fn ready(&self, view: ViewId) -> HashSet<Piece> {
        let Some(desk) = self.desks.get(&view) else { return HashSet::new() };
        let waiting = desk.arrivals.iter().chain(&desk.mended).filter_map(Arrival::piece);
        waiting.chain(desk.taken.iter().copied()).collect()
    }

    pub(super) fn take(&mut self, view: ViewId) -> Vec<Arrival> {
        let Some(desk) = self.desks.get_mut(&view) else { return Vec::new() };
        let mut arrivals = std::mem::take(&mut desk.arrivals);
        arrivals.append(&mut desk.mended);
        desk.taken.extend(arrivals.iter().filter_map(Arrival::piece));
        arrivals
    }

    /// Leaves something for the view of that epoch. Whom to wake.
    pub(super) fn put(&mut self, view: ViewId, epoch: u64, arrival: Arrival) -> Option<Wake> {
        let desk = self.desks.get_mut(&view).filter(|desk| desk.epoch == epoch)?;
        desk.arrivals.push(arrival);
        Some(desk.wake.clone())
    }

    /// Leaves a tile or a brick. An earlier state of it that was not taken gives way; one that was taken is mended, unless it is wanted.
    pub(super) fn put_made(&mut self, view: ViewId, epoch: u64, made: Made, wanted: bool) -> Option<Wake> {
        let piece = made.piece();
        if wanted && let Some(Command::Want { wants, dropped, .. }) = self.last_said(view) {
            // A list that the queue has not heard yet, and that may say otherwise.
            if !wants.iter().any(|want| want.goal.makes() == Some(piece)) {
                dropped.insert(piece);
                return None;
            }
        }
        let desk = self.desks.get_mut(&view).filter(|desk| desk.epoch == epoch)?;
        let same = |a: &&mut Arrival| a.piece() == Some(piece);
        if let Some(earlier) = desk.arrivals.iter_mut().find(same) {
            *earlier = made.arrival(false);
        } else if wanted {
            desk.arrivals.push(made.arrival(false));
        } else {
            match desk.mended.iter_mut().find(same) {
                Some(earlier) => *earlier = made.arrival(true),
                None => desk.mended.push(made.arrival(true)),
            }
        }
        Some(desk.wake.clone())
    }
}
