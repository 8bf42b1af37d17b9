//! An image that is used no more: what the loader held of it goes, also what was on its way.

use crate::synthetic::{Gate, View, chunk, image, info, plane, sound, tile, want};
use nc_core::data::{DType, ImageId, MAX_AXES, SpareSamples, TileKey};
use nc_store::{Loader, LoaderConfig, ReadError, ReadErrorKind};
use std::sync::Arc;

fn loader() -> Loader {
    Loader::new(LoaderConfig { threads: 1, cache_bytes: 1 << 24 })
}

/// 2 × 3 tiles, a chunk each.
fn six_tiles() -> nc_core::scene::ImageInfo {
    info(DType::U16, &[(&[512, 768], &[256, 256])])
}

const ALL: [(u32, u32); 6] = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)];

#[test]
fn what_is_cached_of_a_forgotten_image_goes_and_the_rest_stays() {
    let loader = loader();
    let (old, old_reads) = sound(six_tiles());
    let (new, _) = sound(nc_core::scene::ImageInfo { id: ImageId(8), ..six_tiles() });
    let of_new =
        |(ty, tx)| TileKey { plane: nc_core::data::PlaneKey { image: ImageId(8), ..plane(0, 0, 1, [0; MAX_AXES]) }, ty, tx };
    let of_old = |(ty, tx)| tile(0, ty, tx);
    let (first, second) = (View::attach(&loader, 1), View::attach(&loader, 2));
    want(&loader, first.id, &old, &ALL.map(of_old));
    first.take(6);
    want(&loader, second.id, &new, &ALL[..5].iter().copied().map(of_new).collect::<Vec<_>>());
    second.take(5);
    let full = loader.stats().cached_bytes;

    loader.detach(first.id);
    loader.forget(ImageId(7));
    // The only thread sweeps before it reads this.
    want(&loader, second.id, &new, &[of_new(ALL[5])]);
    second.take(1);
    assert_eq!(loader.stats().cached_bytes, full * 6 / 11, "eleven chunks were cached, and six are left");
    assert!(ALL.iter().all(|&at| loader.resident_tile(&old, &of_old(at), &mut SpareSamples::default()).is_none()));
    assert!(ALL.iter().all(|&at| loader.resident_tile(&new, &of_new(at), &mut SpareSamples::default()).is_some()));

    // Forgetting is no ban: whoever wants the image after all is served, and it is cached again.
    let third = View::attach(&loader, 3);
    want(&loader, third.id, &old, &ALL.map(of_old));
    third.take(6);
    assert_eq!(old_reads.reads.lock().unwrap().len(), 12);
    assert!(ALL.iter().all(|&at| loader.resident_tile(&old, &of_old(at), &mut SpareSamples::default()).is_some()));
}

#[test]
fn a_chunk_that_was_being_read_does_not_stay_behind() {
    let gate = Arc::new(Gate::default());
    let at_gate = gate.clone();
    // Past the point where a read can be stopped.
    let (old, _) = image(six_tiles(), move |info, level, at, _| {
        at_gate.pass();
        Ok(Some(chunk(info, level, at, true)))
    });
    let (new, _) = sound(nc_core::scene::ImageInfo { id: ImageId(8), ..info(DType::U16, &[(&[256, 256], &[256, 256])]) });
    let loader = loader();
    let (first, second) = (View::attach(&loader, 1), View::attach(&loader, 2));
    want(&loader, first.id, &old, &[tile(0, 0, 0), tile(0, 0, 1)]);
    gate.await_arrived(1);
    loader.detach(first.id);
    loader.forget(ImageId(7));
    gate.open(1);
    let of_new = TileKey { plane: nc_core::data::PlaneKey { image: ImageId(8), ..plane(0, 0, 1, [0; MAX_AXES]) }, ty: 0, tx: 0 };
    want(&loader, second.id, &new, &[of_new]);
    second.take(1);
    assert!(loader.resident_tile(&old, &tile(0, 0, 0), &mut SpareSamples::default()).is_none());
    let stats = loader.stats();
    assert_eq!((stats.queued, stats.in_flight), (0, 0));
    assert_eq!(stats.cached_bytes, 256 * 256 * 2 + 256, "one chunk and what its entry costs");
}

#[test]
fn damage_of_a_forgotten_image_is_forgotten_too() {
    let (old, source) = image(six_tiles(), |_, _, _, _| Err(ReadError::new(ReadErrorKind::Decode, "wrong checksum")));
    let loader = loader();
    let first = View::attach(&loader, 1);
    want(&loader, first.id, &old, &[tile(0, 0, 0)]);
    first.take(2);
    loader.detach(first.id);
    loader.forget(ImageId(7));
    // Without that the chunk would rest for a second before it is tried again.
    let second = View::attach(&loader, 2);
    want(&loader, second.id, &old, &[tile(0, 0, 0)]);
    second.take(2);
    assert_eq!(source.reads.lock().unwrap().len(), 2);
}
