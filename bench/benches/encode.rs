//! Captured picture in → access unit out, in the software encoder.
//!
//! `still` is a picture that repeats, `pan` one that moves by a few samples, `noise` one of which nothing can be predicted; `idr` is
//! a forced IDR of the panning picture. Behind it stand slices and threads. One encoder per case, so that its rate control has
//! settled. Run with `cargo bench -p nc-bench --bench encode`.

#[path = "../../engine/gpu/tests/codec/pictures.rs"]
mod pictures;
#[path = "../../engine/gpu/tests/codec/planes.rs"]
mod planes;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use nc_core::data::{CanvasSize, ColorRange};
use nc_gpu::api::{CapturedFrame, EncoderConfig};
use nc_gpu::codec::{nasm_built, open_encoder};
use std::time::Duration;

const RANGE: ColorRange = ColorRange::Full;
/// Different pictures of a case, shown in turn.
const PICTURES: u32 = 16;

fn pictures_of(case: &str, size: CanvasSize) -> Vec<CapturedFrame> {
    let picture = |index| match case {
        "still" => pictures::specimen(size, 0, 0),
        "noise" => pictures::noise(size, index),
        // There and back, so that the turn is no jump.
        _ => {
            let step = index.min(PICTURES - index);
            pictures::specimen(size, 5 * step, 2 * step)
        }
    };
    (0..PICTURES).map(|index| picture(index).frame(RANGE)).collect()
}

fn encode(criterion: &mut Criterion) {
    assert!(nasm_built(), "without nasm these figures mean nothing: install it and build openh264-sys2 again");
    for (width, height, bitrate) in [(1280, 720, 8_000_000), (1920, 1080, 12_000_000)] {
        let size = CanvasSize { width, height };
        let mut group = criterion.benchmark_group(format!("encode {height}p"));
        group.sample_size(20).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
        for case in ["still", "pan", "noise", "idr"] {
            let frames = pictures_of(case, size);
            for (slices, threads) in [(1, 1), (2, 2), (4, 2), (4, 4)] {
                let config = EncoderConfig { size, fps: 60.0, bitrate, range: RANGE, slices, threads };
                let mut encoder = open_encoder(config).expect("a supported configuration");
                let mut next = frames.iter().cycle();
                group.bench_function(BenchmarkId::new(case, format!("{slices} slices {threads} threads")), |bencher| {
                    bencher.iter(|| {
                        let frame = next.next().expect("an endless iterator");
                        encoder.encode(frame, case == "idr").expect("a picture that fits")
                    });
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, encode);
criterion_main!(benches);
