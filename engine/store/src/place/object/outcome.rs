//! What an error of `object_store` means. Its text quotes URLs, signatures and what servers say: none of it is passed on.

use super::super::{PlaceError, PlaceErrorKind};
use super::connector::{Failed, Trail};
use object_store::Error;

/// What an error means.
pub(super) enum Meaning {
    /// There is no such object.
    Missing,
    /// The part begins beyond the end of the object.
    BeyondEnd,
    /// The server gives no such parts.
    NoRanges,
    /// It could not be read.
    Error(PlaceError),
}

/// What the error of a request that left this trail means.
pub(super) fn meaning(error: &Error, trail: &Trail, forbidden_is_missing: bool) -> Meaning {
    use PlaceErrorKind::{Bad, Denied, TimedOut, Unreachable};
    let (kind, message) = match (error, trail.status(), trail.failed()) {
        (Error::NotFound { .. }, ..) | (_, Some(404 | 410), _) => return Meaning::Missing,
        (_, Some(416), _) => return Meaning::BeyondEnd,
        // A success and yet an error: of another part, or of all, or without saying of what.
        (Error::NotSupported { .. }, ..) | (_, Some(200..=299), _) => return Meaning::NoRanges,
        (_, Some(403), _) if forbidden_is_missing => return Meaning::Missing,
        (_, Some(status @ (401 | 403)), _) => {
            (Denied, format!("access is denied ({status}): check the credentials, or ask the owner for access"))
        }
        (_, Some(400), _) => (Denied, "the server refuses the request (400): check region and credentials".to_owned()),
        (_, Some(status @ 300..=399), _) => {
            (Denied, format!("the server redirects to where nothing may be read ({status}): check URL and region"))
        }
        (_, Some(status @ (408 | 504)), _) => (TimedOut, format!("the server did not answer in time ({status})")),
        (_, Some(status @ (429 | 500..=599)), _) => (Unreachable, format!("the server cannot answer now ({status})")),
        (_, Some(status), _) => (Bad, format!("the server's answer makes no sense ({status})")),
        (_, None, Some(Failed::Connect)) => {
            (Unreachable, "the server cannot be reached: check the URL and the network".to_owned())
        }
        (_, None, Some(Failed::Timeout)) => (TimedOut, "the server did not answer in time".to_owned()),
        (_, None, Some(Failed::Other)) => (Unreachable, "the connection to the server broke".to_owned()),
        // No request was made, as nothing could be got to sign it with.
        (_, None, None) => {
            (Denied, "no request could be made: check the credentials, or read without them (--store-anonymous)".to_owned())
        }
    };
    Meaning::Error(PlaceError::new(kind, message))
}
