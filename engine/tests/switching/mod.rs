//! Another image in a running session.

use crate::made_up::{image, level};
use crate::observer::Observer;
use crate::{CANVAS, engine, golden, open};
use nc_core::scene::OpSeq;
use nc_engine::api::{Event, Packet, Sink};
use nc_engine::{Image, LoadError, OpenError, SessionConfig, ViewPolicy};
use serde_json::json;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};

const FISH: &str = "data/fish4c_u16_v05_sharded_blosc.ome.zarr";
const COLORS: &str = "data/ihc_rgb_v05_zstd.ome.zarr";
const DROPLET: &str = "data/droplet_tzyx_v05_ngffzarr.ome.zarr";

/// An image of one gray, whose source holds `token` for as long as it lives.
fn gray(value: u8, token: &Arc<()>) -> Image {
    let token = Arc::clone(token);
    image(vec![level(&["y", "x"], &[64, 64], &[64, 64], 1.0)], &[], move |_, _| {
        let _held = &token;
        Ok(value)
    })
}

#[test]
fn images_follow_each_other_and_each_is_shown_whole() {
    let engine = engine();
    let mut observer = Observer::start(&engine, open(&engine, &golden(FISH)), CANVAS);
    observer.await_picture();
    for (n, name) in [COLORS, DROPLET, FISH].into_iter().enumerate() {
        observer.load(open(&engine, &golden(name)));
        assert_eq!(observer.session().view().epoch, n as u64 + 2);
        observer.await_picture();
        observer.intend("camera", "main", "zoom", json!({"factor": 0.5, "anchor_px": [100, 100]}));
        observer.intend("layer", "layer-0", "gamma", json!(0.7));
        observer.await_applied();
        observer.await_picture();
    }
    assert_eq!(observer.epochs(), [2, 3, 4], "each was told once");
}

#[test]
fn a_session_of_nothing_shows_what_comes() {
    let engine = engine();
    let mut observer = Observer::idle(&engine, CANVAS);
    observer.intend("dims", "y", "index", json!(5));
    observer.load(open(&engine, &golden(COLORS)));
    observer.await_picture();
}

#[test]
fn what_moved_the_old_view_does_not_move_the_new_one() {
    let engine = engine();
    let fresh = Observer::start(&engine, open(&engine, &golden(DROPLET)), CANVAS).session().view();
    let mut observer = Observer::start(&engine, open(&engine, &golden(FISH)), CANVAS);
    for round in 0..5 {
        for n in 0..40 {
            observer.intend("camera", "main", "pan", json!({"dx_px": 3 * n, "dy_px": -n}));
            observer.intend("layer", "layer-0", "opacity", json!(0.5));
        }
        observer.intend("view", "main", "ndisplay", json!(3));
        observer.intend("multiscale", "main", "level", json!(2));
        observer.load(open(&engine, &golden(DROPLET)));
        observer.await_applied();
        let view = observer.session().view();
        assert_eq!((view.plane, &view.step, view.level, view.ndisplay), (fresh.plane, &fresh.step, fresh.level, 2), "{round}");
        assert_eq!(view.layers[0].controls, fresh.layers[0].controls);
        // What comes after it does.
        observer.intend("dims", "t", "index", json!(7));
        observer.await_applied();
        assert_eq!(observer.session().view().step[0], 7);
    }
}

#[test]
fn what_does_not_open_changes_nothing() {
    let engine = engine();
    let mut observer = Observer::start(&engine, open(&engine, &golden(COLORS)), CANVAS);
    observer.await_picture();
    let before = observer.session().view();
    let error = |place: &str| observer.session().prepare(place).err().unwrap();
    assert!(matches!(error("/no/such/image.zarr"), LoadError::Open(OpenError::Missing { .. })));
    assert!(matches!(error(golden("reference").to_str().unwrap()), LoadError::Open(OpenError::NotAnImage { .. })));
    assert!(matches!(error("gopher://example.org/a.zarr"), LoadError::Open(OpenError::Location { .. })));
    // One that opens and is not shown leaves nothing behind either.
    let token = Arc::new(());
    drop(observer.session().prepare_image(gray(50, &token), Instant::now()).unwrap());
    observer.until_released(&token);
    let after = observer.session().view();
    assert_eq!((after.epoch, after.op), (before.epoch, before.op));
    observer.intend("layer", "layer-1", "visible", json!(false));
    observer.await_applied();
    observer.await_picture();
    assert_eq!(observer.epochs(), [0; 0]);
}

#[test]
fn an_image_that_is_shown_no_more_is_let_go() {
    let engine = engine();
    let tokens = [(); 4].map(Arc::new);
    let mut observer = Observer::start(&engine, gray(60, &tokens[0]), CANVAS);
    observer.await_color(10, 160, [60; 3]);
    // The second is overtaken at once.
    observer.load(gray(90, &tokens[1]));
    observer.load(gray(120, &tokens[2]));
    observer.await_color(10, 160, [120; 3]);
    for token in &tokens[..2] {
        observer.until_released(token);
    }
    assert!(Arc::strong_count(&tokens[2]) > 1, "what is shown is held");
    observer.load(gray(150, &tokens[3]));
    observer.await_color(10, 160, [150; 3]);
    observer.until_released(&tokens[2]);
}

/// Tells packets.
struct Packets(SyncSender<Packet>);

impl Sink for Packets {
    fn event(&self, _event: Event) {}
    fn packet(&self, packet: Packet) {
        // The test may be over.
        let _ = self.0.try_send(packet);
    }
}

#[test]
fn the_first_picture_of_an_image_is_a_keyframe() {
    let engine = engine();
    let (tell, told) = sync_channel(1 << 12);
    let range = nc_core::data::ColorRange::Full;
    let config = SessionConfig {
        canvas: CANVAS,
        fps: 60.0,
        bitrate: 4_000_000,
        range,
        encode_threads: 1,
        view: ViewPolicy::default(),
        watch: true,
        turning: 0.0,
    };
    let token = Arc::new(());
    let session = engine.start(Some(gray(60, &token)), config, Arc::new(Packets(tell))).unwrap();
    session.set_viewers(1);
    let next = || told.recv_timeout(Duration::from_secs(60)).expect("a packet");
    // Past the very first keyframe.
    while next().idr {}
    for n in 1..=5 {
        session.prepare_image(gray(60 + 20 * n, &token), Instant::now()).unwrap().show();
        let first = std::iter::from_fn(|| Some(next())).find(|packet| packet.op >= OpSeq(u64::from(n))).unwrap();
        assert!(first.idr, "switch {n}");
        while next().idr {}
    }
}
