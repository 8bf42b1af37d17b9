//! From the server's figures and a run's results to what is printed.

use crate::distribution::rounded;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Percentiles of every stage, from `/metrics.json`.
pub fn stages(metrics: &Value) -> Value {
    let Some(histograms) = metrics["histograms"].as_object() else { return Value::Null };
    let summary = |h: &Value| {
        let at = |key: &str| h[key].as_f64().map(rounded);
        json!({"p50_ms": at("p50_ms"), "p90_ms": at("p90_ms"), "p99_ms": at("p99_ms"), "max_since_start_ms": at("max_ms")})
    };
    Value::Object(histograms.iter().map(|(name, h)| (name.clone(), summary(h))).collect::<Map<_, _>>())
}

/// The newest sample of a histogram.
pub fn last(metrics: &Value, name: &str) -> Option<Duration> {
    metrics["histograms"][name]["last_ms"].as_f64().map(|ms| Duration::from_secs_f64(ms / 1e3))
}

/// Tiles that the view lacks.
pub fn missing(metrics: &Value) -> Option<f64> {
    metrics["gauges"]["napari_cuda_tiles_missing"].as_f64()
}

/// A figure that has to stay below a limit, and where it stands in a run's results.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target {
    /// What it is.
    pub name: &'static str,
    /// JSON pointer into a run.
    pub pointer: &'static str,
    /// What it may be at most.
    pub limit: f64,
}

/// What the product has to reach on a 2-core machine without a GPU, at 1280×720.
pub const TARGETS: [Target; 9] = [
    Target { name: "pan, received to packet, p50 ms", pointer: "/samples/pan/received_to_packet/p50_ms", limit: 8.0 },
    Target { name: "pan, received to packet, p99 ms", pointer: "/samples/pan/received_to_packet/p99_ms", limit: 25.0 },
    Target { name: "z cached, received to packet, p50 ms", pointer: "/samples/z_cached/received_to_packet/p50_ms", limit: 8.0 },
    Target { name: "z cached, received to packet, p99 ms", pointer: "/samples/z_cached/received_to_packet/p99_ms", limit: 25.0 },
    Target {
        name: "z cold, received to first packet, p50 ms",
        pointer: "/samples/z_cold/received_to_first_packet/p50_ms",
        limit: 40.0,
    },
    Target {
        name: "z cold, whole image in view, received to first packet, p50 ms",
        pointer: "/whole/z_cold/received_to_first_packet/p50_ms",
        limit: 40.0,
    },
    Target { name: "process start to first IDR, p50 ms", pointer: "/start/first_idr_received/p50_ms", limit: 500.0 },
    Target { name: "idle, percent of a core", pointer: "/samples/idle/percent_of_a_core", limit: 2.0 },
    Target { name: "peak memory above the cache budget, MiB", pointer: "/memory/peak_above_budget_mib", limit: 100.0 },
];

/// Every target with what the runs reached: each, the best, the median, and whether the median is within the limit.
pub fn judge(runs: &[Value]) -> Value {
    let judged = TARGETS.iter().filter_map(|target| {
        let mut reached: Vec<f64> = runs.iter().filter_map(|run| run.pointer(target.pointer)?.as_f64()).collect();
        let each = reached.clone();
        reached.sort_by(f64::total_cmp);
        let (best, median) = (reached.first()?, reached.get(reached.len() / 2)?);
        Some(json!({"target": target.name, "limit": target.limit, "runs": each, "best": best, "median": median,
            "met": *median <= target.limit}))
    });
    Value::Array(judged.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_the_runs_is_judged() {
        let run = |percent: f64| json!({"samples": {"idle": {"percent_of_a_core": percent}}});
        let judged = judge(&[run(9.0), run(1.0), run(1.5)]);
        assert_eq!(judged.as_array().unwrap().len(), 1, "what was not measured is not judged");
        assert_eq!((&judged[0]["best"], &judged[0]["median"], &judged[0]["met"]), (&json!(1.0), &json!(1.5), &json!(true)));
    }
}
