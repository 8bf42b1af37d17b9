//! What views say to the loader, and what it tells them of how things go.

use nc_core::data::{BrickKey, ImageId, TileKey};
use std::time::{Duration, Instant};

/// How urgent something is. A better class always goes first, but for a little that keeps the others from starving.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Something on the screen lacks it and has nothing that stands in. The coarsest level of the current time is of this class.
    Visible,
    /// It is on the screen, and something coarser stands in.
    Finer,
    /// It will be on the screen if the view moves on as it does.
    Ahead,
    /// It may be on the screen next.
    Neighbour,
    /// Thumbnails, contrast limits.
    Background,
}

impl Class {
    /// From the most urgent.
    pub const ALL: [Self; 5] = [Self::Visible, Self::Finer, Self::Ahead, Self::Neighbour, Self::Background];
}

/// What pictures are made of: a piece of a plane, or of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Piece {
    /// Of a plane.
    Tile(TileKey),
    /// Of a volume.
    Brick(BrickKey),
}

impl Piece {
    /// Its image.
    pub fn image(&self) -> ImageId {
        match self {
            Self::Tile(key) => key.plane.image,
            Self::Brick(key) => key.volume.image,
        }
    }

    /// Its level, 0 the finest.
    pub fn level(&self) -> u8 {
        match self {
            Self::Tile(key) => key.plane.level,
            Self::Brick(key) => key.volume.level,
        }
    }
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Goal {
    /// The tile is made and arrives.
    Tile(TileKey),
    /// The brick is made and arrives.
    Brick(BrickKey),
    /// The chunks under it are brought into the cache; nothing is made and nothing arrives.
    Warm(Piece),
}

impl Goal {
    /// What it is about.
    pub fn piece(&self) -> Piece {
        match *self {
            Self::Tile(key) => Piece::Tile(key),
            Self::Brick(key) => Piece::Brick(key),
            Self::Warm(piece) => piece,
        }
    }

    /// What is made and arrives, if anything is.
    pub fn makes(&self) -> Option<Piece> {
        (!matches!(self, Self::Warm(_))).then(|| self.piece())
    }
}

impl From<Piece> for Goal {
    /// That it is made.
    fn from(piece: Piece) -> Self {
        match piece {
            Piece::Tile(key) => Self::Tile(key),
            Piece::Brick(key) => Self::Brick(key),
        }
    }
}

/// One thing that a view wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Want {
    /// What.
    pub goal: Goal,
    /// How urgently.
    pub class: Class,
    /// By when. Within a class and a view the earlier one goes first, those without come last. [`Class::Ahead`] and
    /// [`Class::Neighbour`] are dropped when it has passed.
    pub deadline: Option<Instant>,
    /// Whether its chunks are to stay in the cache as long as they are wanted, whatever else comes.
    pub pin: bool,
}

impl Want {
    /// A tile that the screen lacks.
    pub fn visible(key: TileKey) -> Self {
        Self { goal: Goal::Tile(key), class: Class::Visible, deadline: None, pin: false }
    }
}

/// What waits and what is on its way of one class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClassLoad {
    /// Chunks that wait for their turn.
    pub queued: usize,
    /// Chunks that are being fetched or decoded.
    pub in_flight: usize,
    /// Bytes that those in flight hold, encoded and decoded.
    pub bytes: u64,
}

/// How the loader is doing, for plans of what to ask next. Numbers of all views together, but for what is said to be the view's.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Outlook {
    /// Per class, in the order of [`Class::ALL`].
    pub classes: [ClassLoad; 5],
    /// Decoded bytes per second of all loader threads together, if any were measured.
    pub decode_bytes_per_s: Option<f64>,
    /// Encoded bytes per second from far places, if any were measured.
    pub fetch_bytes_per_s: Option<f64>,
    /// Time from a request to its first byte at far places, if any was measured.
    pub rtt: Option<Duration>,
    /// How long what is [`Class::Visible`] now will take, if that can be told.
    pub visible_in: Option<Duration>,
    /// Bytes that the cache of chunks may hold.
    pub cache_bytes: u64,
    /// Bytes that pins of all views hold.
    pub pinned_bytes: u64,
    /// Chunks of this view whose pin was refused, because pins may hold a quarter of the cache.
    pub pins_refused: u64,
    /// Whether nothing waits and nothing is on its way.
    pub idle: bool,
}

/// What became of chunks that this view had warmed ([`Goal::Warm`]), since it was attached. Chunks that others had wanted as well count
/// as theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WarmReport {
    /// Chunks that were wanted and not in the cache.
    pub asked: u64,
    /// Those that came.
    pub warmed: u64,
    /// Those that were used then by anybody.
    pub used: u64,
    /// Those that were wanted for a tile or a brick before they came.
    pub late: u64,
    /// Those that were dropped from the cache and had not been used.
    pub wasted: u64,
    /// Bytes of those.
    pub wasted_bytes: u64,
    /// Those that were dropped unread, because their deadline had passed.
    pub expired: u64,
}

impl WarmReport {
    /// Both together.
    pub(super) fn plus(&self, other: &Self) -> Self {
        Self {
            asked: self.asked + other.asked,
            warmed: self.warmed + other.warmed,
            used: self.used + other.used,
            late: self.late + other.late,
            wasted: self.wasted + other.wasted,
            wasted_bytes: self.wasted_bytes + other.wasted_bytes,
            expired: self.expired + other.expired,
        }
    }
}

/// Where an image has grown: chunks of a level that lie at or beyond `from` along `axis` are not what they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Edge {
    /// Level.
    pub level: u8,
    /// Axis of the array.
    pub axis: u8,
    /// Grid index of the first chunk that has changed: the one that was cut by the old end, or the first new one.
    pub from: u32,
}
