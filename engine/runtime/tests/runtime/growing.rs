//! An image that grows while it is on the device.

use crate::stand::{Recorder, dataset, tile};
use nc_core::data::{TILE, TileKey};
use nc_core::scene::ImageInfo;
use nc_runtime::residency::Residency;

/// The stand's image with so many rows and columns at level 0.
fn sized(rows: u64, columns: u64) -> ImageInfo {
    let mut image = ImageInfo::clone(&dataset(1).image);
    (image.levels[0].shape[2], image.levels[0].shape[3]) = (rows, columns);
    image
}

#[test]
fn tiles_that_the_old_end_cut_are_loaded_whole_and_the_others_stay() {
    let tile_edge = u64::from(TILE);
    let dataset = dataset(1);
    let (mut residency, mut device) = (Residency::new(1 << 30), Recorder::default());
    for level in 0..2 {
        let plane = dataset.layer_image(&dataset.layers[0]).plane(level, 1, 2, &[0, 0, 0]).unwrap();
        for (ty, tx) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)] {
            let key = TileKey { plane, ty, tx };
            residency.insert(&mut device, key, &tile(&key)).unwrap();
        }
    }
    // Two rows of tiles that end where a tile does; the third column is cut.
    let before = sized(2 * tile_edge, 2 * tile_edge + 10);
    residency.retain_whole(&mut device, &before, &sized(5 * tile_edge, 2 * tile_edge + 10));
    assert!(device.evicted.is_empty(), "whole tiles stay, and so do those at an end that did not move");
    residency.retain_whole(&mut device, &before, &sized(2 * tile_edge, 3 * tile_edge));
    let mut evicted: Vec<_> = device.evicted.iter().map(|key| (key.plane.level, key.ty, key.tx)).collect();
    evicted.sort_unstable();
    assert_eq!(evicted, [(0, 0, 2), (0, 1, 2)], "of the level that grew");
}
