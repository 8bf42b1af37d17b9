//! One parser per scope: from key and JSON value to an [`Intent`](super::Intent), in the wire's words where it is refused.
//!
//! The order of checks is PROTOCOL §6.2's: an unknown key first, then the target, then the value.

pub(super) mod camera;
pub(super) mod dims;
pub(super) mod layer;
pub(super) mod multiscale;
pub(super) mod view;
pub(super) mod volume;

use super::intent::Rejection;
use serde_json::json;

/// Where an intent points, for messages.
#[derive(Clone, Copy)]
pub(super) struct Address<'a> {
    pub(super) scope: &'a str,
    pub(super) target: &'a str,
    pub(super) key: &'a str,
}

impl Address<'_> {
    pub(super) fn invalid(self, message: impl Into<String>) -> Rejection {
        Rejection { code: "state.invalid", message: message.into(), details: json!({"scope": self.scope, "key": self.key}) }
    }

    pub(super) fn unsupported(self) -> Rejection {
        self.invalid(format!("unsupported {} key {}", self.scope, self.key))
    }

    pub(super) fn error(self, message: &str) -> Rejection {
        let details = json!({"scope": self.scope, "key": self.key, "target": self.target});
        Rejection { code: "state.error", message: message.into(), details }
    }
}
