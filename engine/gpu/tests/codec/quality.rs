//! What a decoder shows, against what went in.

use crate::config;
use crate::patches::{PATCH, PATCH_COLUMNS, patch_colors, patches, to_rgb};
use crate::pictures::{noise, specimen};
use crate::planes::Planes;
use nc_core::data::{CanvasSize, ColorRange};
use nc_gpu::api::{Encoder, EncoderConfig};
use nc_gpu::codec::bitstream::Sps;
use nc_gpu::codec::open_encoder;
use nc_gpu::testing::Decoder;

/// Peak signal to noise ratio in dB.
fn psnr(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    let squares: f64 = a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum();
    10.0 * (255.0 * 255.0 * a.len() as f64 / squares.max(1e-9)).log10()
}

/// An encoder with a decoder behind it.
struct Link {
    encoder: Box<dyn Encoder>,
    decoder: Decoder,
    range: ColorRange,
}

/// What came out for one picture.
struct Shown {
    bytes: usize,
    luma_db: f64,
    chroma_db: f64,
}

impl Link {
    fn open(config: EncoderConfig) -> Self {
        Self { encoder: open_encoder(config).unwrap(), decoder: Decoder::open(), range: config.range }
    }

    fn show(&mut self, picture: Planes) -> Shown {
        let unit = self.encoder.encode(&picture.clone().frame(self.range), false).unwrap();
        let shown = self.decoder.decode(&unit.avcc);
        assert_eq!(shown.size, picture.size);
        Shown {
            bytes: unit.avcc.len(),
            luma_db: psnr(&picture.y, &shown.y),
            chroma_db: psnr(&picture.u, &shown.u).min(psnr(&picture.v, &shown.v)),
        }
    }
}

#[test]
fn the_first_picture_is_good_and_of_reasonable_size() {
    for bitrate in [6_000_000, 12_000_000] {
        let config = EncoderConfig { bitrate, ..config(1280, 720) };
        let shown = Link::open(config).show(specimen(config.size, 0, 0));
        assert!(shown.luma_db > 38.0 && shown.chroma_db > 42.0, "{} dB, {} dB", shown.luma_db, shown.chroma_db);
        assert!((10_000..120_000).contains(&shown.bytes), "{} bytes", shown.bytes);
    }
}

/// The engine sends three repeats after the last change; whoever looks then should see the picture, not the codec.
#[test]
fn three_repeats_sharpen_a_still_picture_and_then_cost_nothing() {
    for bitrate in [2_000_000, 12_000_000] {
        let config = EncoderConfig { bitrate, ..config(1280, 720) };
        let mut link = Link::open(config);
        for left in 0..10 {
            link.show(specimen(config.size, 7 * left, 0));
        }
        let still = || specimen(config.size, 70, 0);
        link.show(still());
        let repeats: Vec<Shown> = (0..6).map(|_| link.show(still())).collect();
        assert!(repeats[2].luma_db > 41.5 && repeats[2].chroma_db > 45.0, "{} {}", repeats[2].luma_db, repeats[2].chroma_db);
        assert!(repeats[5].luma_db >= repeats[2].luma_db);
        assert!(repeats[5].bytes < 2_000, "{} bytes", repeats[5].bytes);
    }
}

#[test]
fn a_pan_keeps_its_quality_and_its_rate() {
    let config = config(1280, 720);
    let mut link = Link::open(config);
    let mut pan = |steps: std::ops::Range<u32>| -> Vec<Shown> {
        steps.map(|step| link.show(specimen(config.size, 5 * step, 2 * step))).collect()
    };
    pan(0..30);
    let shown = pan(30..90);
    let bits: usize = shown.iter().map(|shown| 8 * shown.bytes).sum();
    assert!(bits < config.bitrate as usize, "{bits} bits in a second");
    assert!(shown.iter().all(|shown| shown.luma_db > 38.0 && shown.chroma_db > 40.0));
}

#[test]
fn noise_is_brought_down_to_the_rate() {
    let config = EncoderConfig { bitrate: 20_000_000, ..config(640, 360) };
    let mut link = Link::open(config);
    let shown: Vec<Shown> = (0..40).map(|seed| link.show(noise(config.size, seed))).collect();
    let settled = &shown[20..];
    let bits_per_second = 3 * settled.iter().map(|shown| 8 * shown.bytes).sum::<usize>();
    assert!(bits_per_second < 30_000_000, "{bits_per_second} bit/s");
    assert!(settled.iter().all(|shown| shown.luma_db > 20.0));
}

#[test]
fn a_burst_is_soon_forgotten() {
    let config = EncoderConfig { bitrate: 4_000_000, ..config(640, 360) };
    let mut link = Link::open(config);
    for seed in 0..12 {
        link.show(noise(config.size, seed));
    }
    let after: Vec<Shown> = (0..24).map(|step| link.show(specimen(config.size, 5 * step, 0))).collect();
    assert!(
        after[12..].iter().all(|shown| shown.luma_db > 37.0),
        "{:?}",
        after.iter().map(|shown| shown.luma_db).collect::<Vec<_>>()
    );
}

#[test]
fn sizes_that_are_no_multiples_of_16_show_whole() {
    for (width, height) in [(64, 64), (322, 182), (1366, 768), (16, 16), (18, 400)] {
        let config = config(width, height);
        let mut link = Link::open(config);
        let mut last = link.show(specimen(config.size, 100, 50));
        for _ in 0..3 {
            last = link.show(specimen(config.size, 100, 50));
        }
        assert!(last.luma_db > 41.0, "{width}x{height}: {} dB", last.luma_db);
    }
}

#[test]
fn colours_come_back_by_the_signalled_range() {
    let colors = patch_colors();
    for range in [ColorRange::Full, ColorRange::Limited] {
        let picture = patches(&colors, range);
        let CanvasSize { width, height } = picture.size;
        let config = EncoderConfig { range, ..config(width, height) };
        let mut encoder = open_encoder(config).unwrap();
        let mut decoder = Decoder::open();
        let mut signalled = None;
        let mut shown = None;
        for _ in 0..4 {
            let unit = encoder.encode(&picture.clone().frame(range), false).unwrap();
            signalled = signalled.or(unit.parameter_sets.and_then(|sets| Sps::parse(&sets.sps).unwrap().signal));
            shown = Some(decoder.decode(&unit.avcc));
        }
        let shown = shown.unwrap();
        let by = if signalled.unwrap().full_range { ColorRange::Full } else { ColorRange::Limited };
        for (index, color) in (0..).zip(&colors) {
            let (x, y) = (index % PATCH_COLUMNS * PATCH + PATCH / 2, index / PATCH_COLUMNS * PATCH + PATCH / 2);
            let chroma = (y / 2 * width / 2 + x / 2) as usize;
            let rgb = to_rgb([shown.y[(y * width + x) as usize], shown.u[chroma], shown.v[chroma]], by);
            let error = rgb.iter().zip(color).map(|(&shown, &color)| shown.abs_diff(color)).max().unwrap();
            assert!(error <= 4, "{range:?}: {color:?} is shown as {rgb:?}");
        }
    }
}
