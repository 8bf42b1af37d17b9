//! Contrast limits from samples.

/// Shares of samples below and above which values are cut off (PROTOCOL §15).
const PERCENTILES: (f64, f64) = (0.005, 0.995);

/// The 0.5 and 99.5 percentiles of the finite samples; the whole range where those are equal; `(0, 1)` where there is nothing to go by.
/// The upper limit is always above the lower.
///
/// The limits are samples, so those of whole numbers are whole. They are exact, as of a histogram with a bin for every value: bins over
/// the range would all but one be empty where a single sample lies far away.
pub fn percentile_window(samples: &[f32]) -> (f64, f64) {
    let mut finite: Vec<f32> = samples.iter().copied().filter(|v| v.is_finite()).collect();
    if finite.is_empty() {
        return (0.0, 1.0);
    }
    let last = finite.len() - 1;
    let mut at = |share: f64| f64::from(*finite.select_nth_unstable_by((share * last as f64).round() as usize, f32::total_cmp).1);
    let window = (at(PERCENTILES.0), at(PERCENTILES.1));
    if window.1 > window.0 {
        return window;
    }
    let range = (at(0.0), at(1.0));
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
    fn what_is_no_number_counts_for_nothing_and_whole_limits_stay_whole() {
        let mut samples: Vec<f32> = (0..=1000).map(|i| (i * 10 % 1001) as f32).collect();
        let limits = percentile_window(&samples);
        assert_eq!(limits, (5.0, 995.0));
        samples.extend([f32::NAN, f32::INFINITY, f32::NEG_INFINITY].repeat(500));
        assert_eq!(percentile_window(&samples), limits);
        assert_eq!(percentile_window(&[f32::NAN; 9]), (0.0, 1.0));
    }

    #[test]
    fn one_value_throughout_lies_within_usable_limits() {
        let of = |value: f32| percentile_window(&[value; 100]);
        assert_eq!([of(0.0), of(7.0), of(-3.0)], [(0.0, 1.0), (0.0, 7.0), (-3.0, 0.0)]);
        // All but a few the same: their range.
        let mut samples = vec![4.0; 1000];
        samples[3] = 9.0;
        assert_eq!(percentile_window(&samples), (4.0, 9.0));
    }

    #[test]
    fn outliers_are_cut_off() {
        let mut samples: Vec<f32> = (0..1000).map(|i| i as f32).collect();
        samples.push(1e9);
        let (lo, hi) = percentile_window(&samples);
        assert!((4.0..=6.0).contains(&lo) && (993.0..=997.0).contains(&hi), "{lo} {hi}");
    }
}
