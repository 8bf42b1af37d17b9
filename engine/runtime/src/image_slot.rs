//! The image that a view loads from. While it is shown it may be replaced by the same image with more samples. A leaf lock, held for a
//! clone.

use nc_store::Image;
use std::sync::{Mutex, PoisonError};

/// Room for one image: the newest.
#[derive(Debug)]
pub struct ImageSlot(Mutex<Image>);

impl ImageSlot {
    /// Holds `image`.
    pub fn new(image: Image) -> Self {
        Self(Mutex::new(image))
    }

    /// The image as it is now.
    pub fn get(&self) -> Image {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The same image, read again.
    pub fn set(&self, image: Image) {
        let before = std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), image);
        // Not under the lock: it may be the last to hold files open.
        drop(before);
    }
}
