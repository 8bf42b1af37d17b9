//! Where tiles and bricks come from, as the render thread sees it: a loader bound to one view, and to one image with its label images.

use crate::image_slot::ImageSlot;
use nc_core::data::{Brick, BrickKey, PlaneKey, SpareSamples, Tile, TileKey};
use nc_store::{Arrival, Image, LoaderHandle, Outlook, ViewId, Want, WarmReport};
use std::sync::Arc;

/// Tiles, bricks and overviews of one dataset. Nothing here waits for I/O or decode.
pub trait TileSource {
    /// The tile, if every chunk under it is decoded already; in memory of `spare`, if that has some.
    fn resident(&self, key: &TileKey, spare: &mut SpareSamples) -> Option<Tile>;
    /// The brick, if every chunk under it is decoded already.
    fn resident_brick(&self, key: &BrickKey) -> Option<Brick>;
    /// Replaces the list of what is to be loaded; within a class the most urgent first.
    fn want(&self, wants: &[Want]);
    /// Asks for a small version of a whole plane.
    fn request_overview(&self, plane: PlaneKey, max_edge: u32);
    /// One line about the first chunk that was asked for and is not stored, if there was one.
    fn absent(&self) -> Option<String> {
        None
    }
    /// How the loader is doing. A source that cannot tell has no cache, and nothing is asked of it ahead.
    fn outlook(&self) -> Outlook {
        Outlook::default()
    }
    /// What became of what was asked for ahead, since the source was made.
    fn warm_report(&self) -> WarmReport {
        WarmReport::default()
    }
    /// What was loaded since the last call.
    fn take_arrivals(&self) -> Vec<Arrival>;
}

/// The loader, for one image with its label images and one view. Dropping it cancels what the view still wants and lets go of what is
/// cached of the images.
pub struct BoundLoader {
    loader: LoaderHandle,
    image: Arc<ImageSlot>,
    view: ViewId,
}

impl BoundLoader {
    /// Binds the view to the image in the slot, where it may be replaced by the same one with more samples; `wake` is called from loader
    /// threads when something has arrived.
    pub fn new(loader: LoaderHandle, image: Arc<ImageSlot>, view: ViewId, wake: Arc<dyn Fn() + Send + Sync>) -> Self {
        loader.attach(view, wake);
        Self { loader, image, view }
    }
}

impl TileSource for BoundLoader {
    fn resident(&self, key: &TileKey, spare: &mut SpareSamples) -> Option<Tile> {
        self.loader.resident_tile(self.image.get().find(key.plane.image)?, key, spare)
    }

    fn resident_brick(&self, key: &BrickKey) -> Option<Brick> {
        self.loader.resident_brick(self.image.get().find(key.volume.image)?, key)
    }

    fn want(&self, wants: &[Want]) {
        let image = self.image.get();
        let images: Vec<Image> = std::iter::once(&image).chain(image.labels()).cloned().collect();
        self.loader.want(self.view, &images, wants);
    }

    fn request_overview(&self, plane: PlaneKey, max_edge: u32) {
        if let Some(image) = self.image.get().find(plane.image) {
            self.loader.request_overview(self.view, image, plane, max_edge);
        }
    }

    fn absent(&self) -> Option<String> {
        self.image.get().absent()
    }

    fn outlook(&self) -> Outlook {
        self.loader.outlook(self.view)
    }

    fn warm_report(&self) -> WarmReport {
        self.loader.warm_report(self.view)
    }

    fn take_arrivals(&self) -> Vec<Arrival> {
        self.loader.take_arrivals(self.view)
    }
}

impl Drop for BoundLoader {
    fn drop(&mut self) {
        self.loader.detach(self.view);
        let image = self.image.get();
        std::iter::once(&image).chain(image.labels()).for_each(|image| self.loader.forget(image.info.id));
    }
}
