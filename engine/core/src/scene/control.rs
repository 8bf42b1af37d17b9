//! One layer control with its value, and the keys that name them on the wire.

use super::LayerControls;
use crate::data::{Blending, ColorTable, Interpolation};
use std::sync::Arc;

/// Names a layer control.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ControlKey {
    /// `visible`
    Visible,
    /// `opacity`
    Opacity,
    /// `blending`
    Blending,
    /// `interpolation`
    Interpolation,
    /// `gamma`
    Gamma,
    /// `colormap`
    Colormap,
    /// `contrast_limits`
    ContrastLimits,
}

impl ControlKey {
    /// Every key.
    pub const ALL: [Self; 7] =
        [Self::Visible, Self::Opacity, Self::Blending, Self::Interpolation, Self::Gamma, Self::Colormap, Self::ContrastLimits];

    /// The wire's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Visible => "visible",
            Self::Opacity => "opacity",
            Self::Blending => "blending",
            Self::Interpolation => "interpolation",
            Self::Gamma => "gamma",
            Self::Colormap => "colormap",
            Self::ContrastLimits => "contrast_limits",
        }
    }
}

/// A layer control and its new value, already in its domain.
#[derive(Debug, Clone, PartialEq)]
pub enum Control {
    /// Whether it is drawn.
    Visible(bool),
    /// 0..1.
    Opacity(f64),
    /// How it joins the layers below.
    Blending(Blending),
    /// 2D filter.
    Interpolation(Interpolation),
    /// Positive.
    Gamma(f64),
    /// Colour table.
    Colormap(Arc<ColorTable>),
    /// Lower and upper limit in data units, upper > lower.
    ContrastLimits(f64, f64),
}

impl Control {
    /// Which control it is.
    pub fn key(&self) -> ControlKey {
        match self {
            Self::Visible(_) => ControlKey::Visible,
            Self::Opacity(_) => ControlKey::Opacity,
            Self::Blending(_) => ControlKey::Blending,
            Self::Interpolation(_) => ControlKey::Interpolation,
            Self::Gamma(_) => ControlKey::Gamma,
            Self::Colormap(_) => ControlKey::Colormap,
            Self::ContrastLimits(..) => ControlKey::ContrastLimits,
        }
    }
}

impl LayerControls {
    /// The value of one control.
    pub fn get(&self, key: ControlKey) -> Control {
        match key {
            ControlKey::Visible => Control::Visible(self.visible),
            ControlKey::Opacity => Control::Opacity(self.opacity),
            ControlKey::Blending => Control::Blending(self.blending),
            ControlKey::Interpolation => Control::Interpolation(self.interpolation),
            ControlKey::Gamma => Control::Gamma(self.gamma),
            ControlKey::Colormap => Control::Colormap(self.colormap.clone()),
            ControlKey::ContrastLimits => Control::ContrastLimits(self.contrast_limits.0, self.contrast_limits.1),
        }
    }

    /// Takes over one control.
    pub fn set(&mut self, control: Control) {
        match control {
            Control::Visible(v) => self.visible = v,
            Control::Opacity(v) => self.opacity = v,
            Control::Blending(v) => self.blending = v,
            Control::Interpolation(v) => self.interpolation = v,
            Control::Gamma(v) => self.gamma = v,
            Control::Colormap(v) => self.colormap = v,
            Control::ContrastLimits(lo, hi) => self.contrast_limits = (lo, hi),
        }
    }

    /// What is wrong with the values, if anything is.
    pub fn fault(&self) -> Option<String> {
        let (lo, hi) = self.contrast_limits;
        if !(0.0..=1.0).contains(&self.opacity) {
            return Some(format!("opacity {} is not in 0..1", self.opacity));
        }
        if !(self.gamma > 0.0 && self.gamma.is_finite()) {
            return Some(format!("gamma {} is not positive", self.gamma));
        }
        if !(lo.is_finite() && hi.is_finite() && hi > lo) {
            return Some(format!("contrast limits {lo}..{hi} are not ordered"));
        }
        None
    }
}
