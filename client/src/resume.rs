//! What outlives a session.

use crate::view::View;
use std::collections::BTreeMap;

/// What one client hands to the next: the fold of what was told, and where in each topic's history it stands.
///
/// The server tells the new client the changes after those places, or the whole state; both lead to the same view.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Resume {
    /// The last token seen, by topic.
    pub tokens: BTreeMap<String, String>,
    /// What is known.
    pub view: View,
}
