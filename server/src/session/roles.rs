//! Who may change the scene, and who only watches.

use nc_protocol::handshake::Hello;
use std::collections::BTreeMap;
use std::fmt;

/// Who may change the scene. Everybody may watch.
#[derive(Clone, PartialEq, Eq, Default)]
pub enum Drive {
    /// Everybody.
    #[default]
    Everyone,
    /// The oldest living session; when it ends, the next oldest takes over.
    First,
    /// Whoever shows this secret in `auth.token` of its hello. Not empty.
    Token(String),
}

// By hand, because a configuration is logged and a secret is not.
impl fmt::Debug for Drive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Everyone => "Everyone",
            Self::First => "First",
            Self::Token(_) => "Token(..)",
        })
    }
}

/// The living sessions, by the number that they were given when they came, and which of them may drive.
#[derive(Debug)]
pub(crate) struct Roles {
    drive: Drive,
    /// Whether each session showed the secret.
    sessions: BTreeMap<u64, bool>,
}

impl Roles {
    pub(crate) fn new(drive: Drive) -> Self {
        Self { drive, sessions: BTreeMap::new() }
    }

    /// A session begins. Numbers grow with time.
    pub(crate) fn join(&mut self, session: u64, hello: &Hello) {
        let shown = hello.auth.as_ref().and_then(|auth| auth.token.as_deref());
        let trusted = match (&self.drive, shown) {
            (Drive::Token(secret), Some(shown)) => !secret.is_empty() && equal(secret, shown),
            _ => false,
        };
        self.sessions.insert(session, trusted);
    }

    /// A session ends. Returns the session that may drive from now on and could not before, if there is one.
    pub(crate) fn leave(&mut self, session: u64) -> Option<u64> {
        let drove = self.may_drive(session);
        self.sessions.remove(&session);
        self.sessions.keys().next().copied().filter(|_| drove && self.drive == Drive::First)
    }

    /// Whether a session may change the scene.
    pub(crate) fn may_drive(&self, session: u64) -> bool {
        match self.drive {
            Drive::Everyone => self.sessions.contains_key(&session),
            Drive::First => self.sessions.keys().next() == Some(&session),
            Drive::Token(_) => self.sessions.get(&session).copied().unwrap_or(false),
        }
    }
}

/// Whether two secrets are the same, in a time that does not depend on where they differ.
pub(crate) fn equal(mine: &str, given: &str) -> bool {
    let (mine, given) = (mine.as_bytes(), given.as_bytes());
    mine.len() == given.len() && mine.iter().zip(given).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use nc_protocol::handshake::{Auth, ClientInfo};

    fn hello(token: Option<&str>) -> Hello {
        let word = || "test".to_owned();
        let auth = token.map(|token| Auth { scheme: "token".to_owned(), token: Some(token.to_owned()) });
        let client = ClientInfo { name: word(), version: word(), platform: word() };
        Hello { protocols: vec![2], client, features: BTreeMap::new(), resume_tokens: BTreeMap::new(), auth }
    }

    fn drivers(roles: &Roles) -> Vec<u64> {
        (0..10).filter(|&session| roles.may_drive(session)).collect()
    }

    #[test]
    fn everyone_who_is_there_drives() {
        let mut roles = Roles::new(Drive::Everyone);
        roles.join(1, &hello(None));
        roles.join(2, &hello(Some("x")));
        assert_eq!(drivers(&roles), [1, 2]);
        assert_eq!(roles.leave(1), None);
        assert_eq!(drivers(&roles), [2]);
    }

    #[test]
    fn the_oldest_drives_and_the_next_takes_over() {
        let mut roles = Roles::new(Drive::First);
        (1..=4).for_each(|session| roles.join(session, &hello(None)));
        assert_eq!(drivers(&roles), [1]);
        assert_eq!(roles.leave(2), None, "a watcher leaves");
        assert_eq!(roles.leave(1), Some(3));
        assert_eq!(drivers(&roles), [3]);
        assert_eq!(roles.leave(9), None, "nobody we know");
        assert_eq!((roles.leave(3), roles.leave(4)), (Some(4), None));
        roles.join(5, &hello(None));
        assert_eq!(drivers(&roles), [5]);
    }

    #[test]
    fn only_those_with_the_secret_drive() {
        let mut roles = Roles::new(Drive::Token("open sesame".to_owned()));
        for (session, token) in [(1, None), (2, Some("open sesame")), (3, Some("open sesamE")), (4, Some("")), (5, Some("open"))]
        {
            roles.join(session, &hello(token));
        }
        assert_eq!(drivers(&roles), [2]);
        assert_eq!(roles.leave(2), None);
        assert_eq!(drivers(&roles), [0; 0]);
        let mut nobody = Roles::new(Drive::Token(String::new()));
        nobody.join(1, &hello(Some("")));
        assert_eq!(drivers(&nobody), [0; 0], "an empty secret opens nothing");
        assert!(!format!("{roles:?}").contains("sesame"));
    }
}
