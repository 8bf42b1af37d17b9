//! Delta tokens: opaque to clients, 32 hexadecimal digits, and to us a place in a topic's history.

use std::fmt;
use std::str::FromStr;

/// A place in a topic's history. Text form: 16 digits of the epoch, 16 of the position, lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeltaToken {
    /// Names one run of one topic; drawn at random, so that a token of another run is not taken for one of ours.
    pub epoch: u64,
    /// How many changes of the epoch the holder has seen.
    pub position: u64,
}

/// The text is no token of ours, so nothing can be resumed from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a delta token")]
pub struct NotAToken;

impl fmt::Display for DeltaToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.epoch, self.position)
    }
}

impl FromStr for DeltaToken {
    type Err = NotAToken;

    fn from_str(text: &str) -> Result<Self, NotAToken> {
        let digits = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if text.len() != 32 || !digits {
            return Err(NotAToken);
        }
        let (epoch, position) = text.split_at(16);
        let number = |hex| u64::from_str_radix(hex, 16).map_err(|_| NotAToken);
        Ok(Self { epoch: number(epoch)?, position: number(position)? })
    }
}
