//! Contrast limits from samples.

/// Shares of samples below and above which values are cut off (PROTOCOL §15).
const PERCENTILES: (f64, f64) = (0.005, 0.995);

/// The 0.5 and 99.5 percentiles of the finite samples; the whole range where those are equal; `(0, 1)` where there is nothing to go by.
/// The upper limit is always above the lower.
pub fn percentile_window(samples: &[f32]) -> (f64, f64) {
    let mut finite: Vec<f32> = samples.iter().copied().filter(|v| v.is_finite()).collect();
    if finite.is_empty() {
        return (0.0, 1.0);
    }
    finite.sort_by(f32::total_cmp);
    let last = finite.len() - 1;
    let at = |share: f64| f64::from(finite[(share * last as f64).round() as usize]);
    let window = (at(PERCENTILES.0), at(PERCENTILES.1));
    if window.1 > window.0 {
        return window;
    }
    let range = (f64::from(finite[0]), f64::from(finite[last]));
    if range.1 > range.0 { range } else { (range.0.min(0.0), range.0.max(0.0).max(range.0.min(0.0) + 1.0)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn limits_are_ordered_and_finite(samples in proptest::collection::vec(proptest::num::f32::ANY, 0..200)) {
            let (lo, hi) = percentile_window(&samples);
            prop_assert!(lo.is_finite() && hi.is_finite() && hi > lo);
        }
    }

    #[test]
    fn outliers_are_cut_off() {
        let mut samples: Vec<f32> = (0..1000).map(|i| i as f32).collect();
        samples.push(1e9);
        let (lo, hi) = percentile_window(&samples);
        assert!((4.0..=6.0).contains(&lo) && (993.0..=997.0).contains(&hi), "{lo} {hi}");
    }
}
