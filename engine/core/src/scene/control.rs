//! One layer control with its value, and the keys that name them on the wire.

use super::{Depiction, LayerControls};
use crate::data::{Blending, ColorTable, Interpolation, Rendering};
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
    /// `rendering`
    Rendering,
    /// `depiction`
    Depiction,
    /// `attenuation`
    Attenuation,
    /// `iso_threshold`
    IsoThreshold,
    /// `sample_step`
    SampleStep,
    /// `contour`
    Contour,
}

impl ControlKey {
    /// Every key.
    pub const ALL: [Self; 13] = [
        Self::Visible,
        Self::Opacity,
        Self::Blending,
        Self::Interpolation,
        Self::Gamma,
        Self::Colormap,
        Self::ContrastLimits,
        Self::Rendering,
        Self::Depiction,
        Self::Attenuation,
        Self::IsoThreshold,
        Self::SampleStep,
        Self::Contour,
    ];

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
            Self::Rendering => "rendering",
            Self::Depiction => "depiction",
            Self::Attenuation => "attenuation",
            Self::IsoThreshold => "iso_threshold",
            Self::SampleStep => "sample_step",
            Self::Contour => "contour",
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
    /// How a ray is drawn.
    Rendering(Rendering),
    /// What of the volume is drawn.
    Depiction(Depiction),
    /// Not negative.
    Attenuation(f64),
    /// Data units.
    IsoThreshold(f64),
    /// 0.1..4.
    SampleStep(f64),
    /// Samples; 0 is no outline.
    Contour(u32),
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
            Self::Rendering(_) => ControlKey::Rendering,
            Self::Depiction(_) => ControlKey::Depiction,
            Self::Attenuation(_) => ControlKey::Attenuation,
            Self::IsoThreshold(_) => ControlKey::IsoThreshold,
            Self::SampleStep(_) => ControlKey::SampleStep,
            Self::Contour(_) => ControlKey::Contour,
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
            ControlKey::Rendering => Control::Rendering(self.rendering),
            ControlKey::Depiction => Control::Depiction(self.depiction),
            ControlKey::Attenuation => Control::Attenuation(self.attenuation),
            ControlKey::IsoThreshold => Control::IsoThreshold(self.iso_threshold),
            ControlKey::SampleStep => Control::SampleStep(self.sample_step),
            ControlKey::Contour => Control::Contour(self.contour),
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
            Control::Rendering(v) => self.rendering = v,
            Control::Depiction(v) => self.depiction = v,
            Control::Attenuation(v) => self.attenuation = v,
            Control::IsoThreshold(v) => self.iso_threshold = v,
            Control::SampleStep(v) => self.sample_step = v,
            Control::Contour(v) => self.contour = v,
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
        if !(self.attenuation >= 0.0 && self.attenuation.is_finite()) {
            return Some(format!("attenuation {} is negative", self.attenuation));
        }
        if !self.iso_threshold.is_finite() {
            return Some(format!("iso threshold {} is no number", self.iso_threshold));
        }
        if !(0.1..=4.0).contains(&self.sample_step) {
            return Some(format!("sample step {} is not in 0.1..4", self.sample_step));
        }
        None
    }
}
