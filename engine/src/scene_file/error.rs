//! Why a scene is not drawn.

use nc_gpu::api::DeviceError;

/// Each says what is wrong, in which scene, under which key.
#[derive(Debug, thiserror::Error)]
pub enum SceneError {
    /// The scene's file cannot be read.
    #[error("{scene}: {source}")]
    Unreadable {
        /// The scene.
        scene: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// It is no JSON.
    #[error("{scene}: not JSON: {source}")]
    Json {
        /// The scene.
        scene: String,
        /// Line, column and what is wrong there.
        source: serde_json::Error,
    },
    /// A value is missing or cannot be drawn.
    #[error("{scene}: \"{key}\" {problem}")]
    Value {
        /// The scene.
        scene: String,
        /// Path of the key: `layers[0].scale`.
        key: String,
        /// What is wrong with it, and what it should be.
        problem: String,
    },
    /// An array of a layer cannot be opened or read.
    #[error("{scene}: layer {layer}: {problem}")]
    Data {
        /// The scene.
        scene: String,
        /// The layer's number, from 0 at the bottom.
        layer: usize,
        /// What is wrong, with the array's place.
        problem: String,
    },
    /// The device cannot draw it.
    #[error("the picture cannot be drawn: {0}")]
    Device(#[from] DeviceError),
}
