//! What a crowd does: 60 % pan, 15 % zoom, 15 % dims, 10 % layer, in an order that a seed gives.

use serde_json::{Value, json};

/// The share of each kind, for the document that reports a run.
pub const SHARES: &str = "60 % pan, 15 % zoom, 15 % dims, 10 % layer";

/// An endless stream of intents.
#[derive(Debug, Clone)]
pub struct Mix {
    state: u64,
    axis: Option<String>,
    layers: Vec<String>,
    /// How far the view is zoomed in, in steps, so that it stays near where it began.
    zoomed: i32,
}

/// Scope, target, key, value.
pub type Intent = (&'static str, String, &'static str, Value);

impl Mix {
    /// The intents of one client. `axis` is one with a slider, if there is one.
    pub fn new(seed: u64, axis: Option<String>, layers: Vec<String>) -> Self {
        // Zero would stay zero.
        Self { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, axis, layers, zoomed: 0 }
    }

    /// xorshift64*.
    fn below(&mut self, bound: u64) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) % bound
    }

    /// From -1 to 1.
    fn unit(&mut self) -> f64 {
        self.below(2001) as f64 / 1000.0 - 1.0
    }

    /// The next intent.
    pub fn draw(&mut self) -> Intent {
        let main = || "main".to_owned();
        match (self.below(100), self.axis.clone(), self.layers.is_empty()) {
            (75..90, Some(axis), _) => ("dims", axis, "step", json!(if self.below(2) == 0 { 1 } else { -1 })),
            (90.., _, false) => {
                let n = self.below(self.layers.len() as u64) as usize;
                let layer = self.layers[n].clone();
                match self.below(3) {
                    0 => ("layer", layer, "opacity", json!(0.5 + 0.5 * self.unit())),
                    1 => ("layer", layer, "gamma", json!(1.0 + 0.5 * self.unit())),
                    _ => ("layer", layer, "contrast_limits", json!([0.0, 1000.0 + 500.0 * self.unit()])),
                }
            }
            (60..75, _, _) => {
                let zoom_in = if self.zoomed.abs() < 4 { self.below(2) == 0 } else { self.zoomed < 0 };
                self.zoomed += if zoom_in { 1 } else { -1 };
                let factor = if zoom_in { 1.0 / 1.1 } else { 1.1 };
                let anchor = [640.0 + 300.0 * self.unit(), 360.0 + 200.0 * self.unit()];
                ("camera", main(), "zoom", json!({"factor": factor, "anchor_px": anchor}))
            }
            _ => ("camera", main(), "pan", json!({"dx_px": 20.0 * self.unit(), "dy_px": 20.0 * self.unit()})),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_what_they_say() {
        let mut mix = Mix::new(1, Some("z".into()), vec!["layer-0".into()]);
        let mut counts = std::collections::BTreeMap::<_, usize>::new();
        for _ in 0..10_000 {
            let (scope, _, key, _) = mix.draw();
            *counts.entry(if scope == "camera" { key } else { scope }).or_default() += 1;
        }
        for (kind, share) in [("pan", 6000), ("zoom", 1500), ("dims", 1500), ("layer", 1000)] {
            assert!(counts[kind].abs_diff(share) < 200, "{kind}: {counts:?}");
        }
        assert!(mix.zoomed.abs() <= 4);
    }
}
