//! The programs of the volume pass: one for each way of drawing that was asked for, put together from the kernels' parts.

use crate::api::{DeviceError, VolumeLayer};
use crate::device_gl::context::compute_program;
use nc_core::data::{Coloring, Rendering};
use std::collections::HashMap;

const LAYER: &str = include_str!("../../kernels/layer.glsl");
const RAY: &str = include_str!("../../kernels/volume_ray.comp");
const EXTREME: &str = include_str!("../../kernels/volume_extreme.comp");
const ATTENUATED: &str = include_str!("../../kernels/volume_attenuated.comp");
const AVERAGE: &str = include_str!("../../kernels/volume_average.comp");
const ADDITIVE: &str = include_str!("../../kernels/volume_additive.comp");
const TRANSLUCENT: &str = include_str!("../../kernels/volume_translucent.comp");
const ISO: &str = include_str!("../../kernels/volume_iso.comp");
const LABELS: &str = include_str!("../../kernels/volume_labels.comp");
const MARCH: &str = include_str!("../../kernels/volume_march.comp");

/// How the samples along a ray become a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Mode {
    Scalar(Rendering),
    Labels { lit: bool },
}

impl Mode {
    pub(super) fn of(layer: &VolumeLayer) -> Self {
        match layer.coloring {
            Coloring::Scalar(_) => Self::Scalar(layer.rendering),
            Coloring::Labels(_) => Self::Labels { lit: layer.rendering != Rendering::Translucent },
        }
    }

    /// Steps before a sample that taking it may look at. Those of labels are looked at only if the sample itself is none of nothing.
    pub(super) fn looks_back(self) -> u32 {
        u32::from(self == Self::Scalar(Rendering::Iso))
    }

    /// Its definitions and its part of the kernel.
    fn part(self) -> (&'static str, &'static str) {
        match self {
            Self::Scalar(Rendering::Mip) => ("", EXTREME),
            Self::Scalar(Rendering::Minip) => ("#define MINIP\n", EXTREME),
            Self::Scalar(Rendering::AttenuatedMip) => ("", ATTENUATED),
            Self::Scalar(Rendering::Average) => ("", AVERAGE),
            Self::Scalar(Rendering::Additive) => ("", ADDITIVE),
            Self::Scalar(Rendering::Translucent) => ("", TRANSLUCENT),
            Self::Scalar(Rendering::Iso) => ("", ISO),
            Self::Labels { lit: true } => ("#define LIT\n", LABELS),
            Self::Labels { lit: false } => ("", LABELS),
        }
    }
}

/// How a value between samples is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Filter {
    Nearest,
    /// By the texture unit, whose weights have 8 bits.
    Hardware,
    /// In the kernel.
    Exact,
}

/// What distinguishes programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Variant {
    pub(super) mode: Mode,
    pub(super) filter: Filter,
    pub(super) slab: bool,
    pub(super) folded: bool,
    pub(super) skip: bool,
    pub(super) depth: bool,
}

impl Variant {
    fn definitions(self) -> String {
        let filter = match self.filter {
            Filter::Nearest => "#define NEAREST\n",
            Filter::Exact => "#define EXACT\n",
            Filter::Hardware => "",
        };
        let flags = [(self.slab, "SLAB"), (self.folded, "FOLDED"), (self.skip, "SKIP"), (self.depth, "DEPTH")];
        let flags = flags.into_iter().filter(|(set, _)| *set).map(|(_, name)| format!("#define {name}\n"));
        [filter, self.mode.part().0].map(str::to_owned).into_iter().chain(flags).collect()
    }
}

/// Programs that were made so far.
#[derive(Debug, Default)]
pub(super) struct Programs {
    made: HashMap<Variant, glow::Program>,
}

impl Programs {
    pub(super) fn get(&mut self, gl: &glow::Context, variant: Variant) -> Result<glow::Program, DeviceError> {
        if let Some(program) = self.made.get(&variant) {
            return Ok(*program);
        }
        let program = compute_program(gl, &[&variant.definitions(), LAYER, RAY, variant.mode.part().1, MARCH])?;
        self.made.insert(variant, program);
        Ok(program)
    }

    pub(super) fn delete(&mut self, gl: &glow::Context) {
        // SAFETY: the caller has the context bound and forgets the programs.
        self.made.drain().for_each(|(_, program)| unsafe { glow::HasContext::delete_program(gl, program) });
    }
}
