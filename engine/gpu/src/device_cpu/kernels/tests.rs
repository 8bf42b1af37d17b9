//! Both instruction sets against each other, bit for bit.

use super::*;
use crate::compositing::Rule;
use crate::device_cpu::palette::Palette;
use crate::transfer::Binning;
use nc_core::data::{ColorTable, Coloring, Transfer, colormap};
use proptest::prelude::*;
use std::sync::Arc;

/// A map that has everything: changing alpha, low, high and nan colours.
fn translucent_map() -> Arc<ColorTable> {
    let opaque = colormap::named("turbo").expect("a map");
    let mut entries = opaque.entries.clone();
    entries.iter_mut().enumerate().for_each(|(i, e)| e[3] = (i / 4) as u8);
    let ends = (Some([10, 20, 30, 40]), Some([250, 240, 230, 220]), Some([1, 2, 3, 255]));
    Arc::new(ColorTable { name: "t".into(), entries, low: ends.0, high: ends.1, nan: ends.2 })
}

fn any_value() -> impl Strategy<Value = f32> {
    prop_oneof![
        6 => -10.0f32..110.0,
        1 => Just(0.0f32),
        1 => Just(100.0f32),
        1 => Just(f32::NAN),
        1 => Just(f32::INFINITY),
        1 => Just(f32::NEG_INFINITY),
        1 => any::<f32>(),
    ]
}

fn any_rule() -> impl Strategy<Value = Rule> {
    use Rule::*;
    prop::sample::select(vec![First, FirstPlain, Replace, Over, Add, Minimum, Multiply])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn shading_gives_the_same_bits(
        pixels in prop::collection::vec((any_value(), any::<u32>()), 0..70),
        rule in any_rule(), opacity in prop_oneof![Just(1.0f32), 0.0f32..1.0], gamma in prop_oneof![Just(1.0f32), 0.05f32..4.0],
        opaque_below: bool, opaque_map: bool,
    ) {
        let table = if opaque_map { colormap::named("viridis").expect("a map") } else { translucent_map() };
        let coloring = Coloring::Scalar(Transfer { limits: (0.0, 100.0), gamma, table });
        let palette = Palette::new(&coloring, opacity, rule, opaque_below);
        let shading = Shading::new(Binning::new(&coloring), &palette);
        let (values, below): (Vec<_>, Vec<_>) = pixels.into_iter().unzip();
        let mut expected = below.clone();
        shade_row(Isa::Portable, &values, &shading, &mut expected);
        let mut got = below;
        shade_row(Isa::detect(), &values, &shading, &mut got);
        prop_assert_eq!(expected, got);
    }

    #[test]
    fn filtering_gives_the_same_bits(
        mut sources in prop::collection::vec(any_value(), 1..50),
        taps in prop::collection::vec((any::<u32>(), 0u32..4, prop::array::uniform4(prop_oneof![Just(0.0f32), 0.0f32..1.0])), 0..60),
        filter in prop::sample::select(vec![Filter::Nearest, Filter::Linear, Filter::Cubic, Filter::Contour(2)]),
        step in prop_oneof![Just(None), (0.0f32..1.5).prop_map(Some)], falling: bool,
    ) {
        let n = sources.len() as u32;
        let pixels = taps.len();
        // In any order, or as a view has them.
        let mut taps: Vec<_> = taps.into_iter().enumerate().map(|(i, (first, after, mut weights))| {
            let first = step.map_or(first % n, |step| ((i as f32 * step) as u32).min(n - 1));
            let last = (first + after).min(n - 1);
            weights[(last - first) as usize + 1..].fill(0.0);
            Tap { first, last, at: first, weights }
        }).collect();
        if falling {
            taps.reverse();
        }
        let taps = RowTaps::new(filter, &taps, n as usize);
        prop_assert!(taps.windowed || step.is_none_or(|step| step > 0.9));
        sources.resize(taps.padded_sources(), f32::NAN);
        let run = |isa| {
            let mut out = vec![0.0; pixels];
            filter_row(isa, &sources, &taps, 0..pixels, &mut out);
            out.into_iter().map(f32::to_bits).collect::<Vec<_>>()
        };
        // Which NaN comes out of two is not part of the promise.
        let quiet = |bits: Vec<u32>| bits.into_iter().map(|b| if f32::from_bits(b).is_nan() { 0x7fc0_0000 } else { b }).collect::<Vec<_>>();
        prop_assert_eq!(quiet(run(Isa::Portable)), quiet(run(Isa::detect())));
    }

    #[test]
    fn combining_rows_gives_the_same_bits(rows in prop::collection::vec((any::<u16>(), any::<u16>()), 0..60), weight in 0.0f32..1.0) {
        let (lower, upper): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        let run = |isa| {
            let [mut lerped, mut widened, mut weighed] = std::array::from_fn(|_| vec![0.0; lower.len()]);
            lerp_rows(isa, &lower, &upper, weight, &mut lerped);
            widen_row(isa, &upper, &mut widened);
            weigh_row(isa, &lower, weight, &mut weighed);
            add_row(isa, &upper, weight, &mut weighed);
            (lerped, widened, weighed)
        };
        prop_assert_eq!(run(Isa::Portable), run(Isa::detect()));
    }
}

#[test]
fn wide_arithmetic_is_exact_at_its_ends() {
    let gray = |opacity, rule, opaque_below| {
        let coloring =
            Coloring::Scalar(Transfer { limits: (0.0, 255.0), gamma: 1.0, table: colormap::named("gray").expect("a map") });
        let palette = Palette::new(&coloring, opacity, rule, opaque_below);
        move |v: f32, below: u32| {
            let mut pixel = [below];
            shade_row(Isa::Portable, &[v], &Shading::new(Binning::new(&coloring), &palette), &mut pixel);
            pixel[0]
        }
    };
    assert_eq!(gray(0.0, Rule::Over, true)(200.0, 0xff80_4021), 0xff80_4021, "an invisible layer changes nothing");
    assert_eq!(gray(1.0, Rule::Multiply, true)(255.0, 0xff80_4021), 0xff80_4021, "times white");
    assert_eq!(gray(1.0, Rule::Multiply, true)(0.0, 0xff80_4021), 0xff00_0000, "times black");
    assert_eq!(gray(1.0, Rule::Add, false)(0.0, 0xff80_4021), 0xff80_4021, "plus black, over alpha 1");
    assert_eq!(gray(1.0, Rule::Add, false)(0.0, 0x0080_4021), 0xff00_0000, "plus black, over alpha 0");
    assert_eq!(gray(0.5, Rule::Over, true)(255.0, 0xff00_0000), 0xff80_8080, "half white over black");
}
