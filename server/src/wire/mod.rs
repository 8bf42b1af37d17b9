//! From the engine's values to payloads: scene, dims, camera, layers, stream, error. Pure functions.
//!
//! May import the protocol's types and the engine's values. Must never know of clients, sessions or sockets.

mod camera;
mod dims;
mod labels;
mod layers;
mod level;
mod scene;
mod stream;

pub(crate) use camera::{echo, pose};
pub(crate) use dims::dims;
pub(crate) use labels::labels;
pub(crate) use layers::{controls, thumbnail};
pub(crate) use level::level;
pub(crate) use scene::scene;
pub(crate) use stream::stream;

use nc_protocol::notify;

/// A fault that people should know.
pub(crate) fn fault(domain: &str, code: &str, message: String, severity: notify::Severity) -> notify::Error {
    notify::Error { domain: domain.to_owned(), code: code.to_owned(), message, severity, context: None }
}
