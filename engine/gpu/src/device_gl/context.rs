//! GL on a context: opening it, what it says of itself, programs, and its errors as ours.

use super::egl::{self, EglContext, Platform};
use super::limits::{self, GlLimits, VideoMemory};
use crate::api::DeviceError;
use glow::HasContext;
use std::sync::Arc;

/// GL entry points and the context that they belong to.
pub(crate) struct Gl {
    context: Arc<EglContext>,
    functions: glow::Context,
}

/// What a context says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) vendor: String,
    pub(crate) renderer: String,
    pub(crate) version: String,
    /// Whether it draws on the processor.
    pub(crate) software: bool,
}

/// Parts of the renderer names of software drivers, in lower case.
const SOFTWARE_RENDERERS: [&str; 4] = ["llvmpipe", "softpipe", "swrast", "swiftshader"];

impl Gl {
    /// A context on `platform`, current on this thread.
    pub(crate) fn open(platform: Platform) -> Result<Self, String> {
        let context = EglContext::new(platform)?;
        // SAFETY: the context is current, and the loader returns its entry points.
        let functions = unsafe { glow::Context::from_loader_function(|name| context.proc_address(name)) };
        let gl = Self { context: Arc::new(context), functions };
        let has_buffer_storage =
            gl.functions.version().minor >= 4 || gl.functions.supported_extensions().contains("GL_ARB_buffer_storage");
        if !has_buffer_storage {
            return Err(format!("{platform} lacks GL_ARB_buffer_storage"));
        }
        Ok(gl)
    }

    /// The first platform that gives a context: a hardware one, or with `software` any.
    pub(crate) fn open_best(software: bool) -> Result<(Self, Platform), String> {
        let platforms = egl::platforms()?;
        let is_software = |p: &Platform| matches!(p, Platform::Device { software: true, .. });
        // Where the drivers list devices, the surfaceless platform has no others; a software driver takes long to open.
        if !software
            && platforms.iter().any(is_software)
            && platforms.iter().all(|p| is_software(p) || matches!(p, Platform::Surfaceless))
        {
            return Err("the EGL drivers have software devices only".to_owned());
        }
        let mut reasons = Vec::new();
        for platform in platforms {
            if !software && is_software(&platform) {
                continue;
            }
            match Self::open(platform) {
                Ok(gl) if software || !gl.identity().software => return Ok((gl, platform)),
                Ok(gl) => reasons.push(format!("{platform} is software ({})", gl.identity().renderer)),
                Err(reason) => reasons.push(reason),
            }
        }
        Err(reasons.join("; "))
    }

    pub(crate) fn identity(&self) -> Identity {
        // SAFETY: the context is current on the thread that opened it, and these strings are always there.
        let [vendor, renderer, version] =
            [glow::VENDOR, glow::RENDERER, glow::VERSION].map(|name| unsafe { self.functions.get_parameter_string(name) });
        let name = renderer.to_lowercase();
        let software = SOFTWARE_RENDERERS.iter().any(|s| name.contains(s));
        Identity { vendor, renderer, version, software }
    }

    pub(crate) fn limits(&self) -> GlLimits {
        limits::limits(&self.functions)
    }

    pub(crate) fn video_memory(&self) -> Option<VideoMemory> {
        limits::video_memory(&self.functions)
    }

    /// The entry points, with the context bound to this thread. The caller is on the thread that opened it.
    pub(super) fn bound(&self) -> Result<&glow::Context, DeviceError> {
        self.context.bind().map_err(DeviceError::Lost)?;
        Ok(&self.functions)
    }

    /// Leaves this thread without a context.
    pub(super) fn unbind(&self) {
        self.context.unbind();
    }

    /// A share in the context, which lives as long.
    pub(super) fn keep_alive(&self) -> Arc<EglContext> {
        Arc::clone(&self.context)
    }
}

/// Turns GL's error flag into ours and clears it.
pub(super) fn check(gl: &glow::Context, doing: &str) -> Result<(), DeviceError> {
    // SAFETY: the caller has the context bound.
    match unsafe { gl.get_error() } {
        glow::NO_ERROR => Ok(()),
        glow::OUT_OF_MEMORY => Err(DeviceError::OutOfMemory(doing.to_owned())),
        glow::CONTEXT_LOST => Err(DeviceError::Lost(format!("the context was reset while {doing}"))),
        error => Err(DeviceError::Lost(format!("GL error {error:#06x} while {doing}"))),
    }
}

/// A program of one compute shader, whose source follows the version in these parts.
pub(super) fn compute_program(gl: &glow::Context, parts: &[&str]) -> Result<glow::Program, DeviceError> {
    let unavailable = |reason| DeviceError::Unavailable { device: "gl", reason };
    // SAFETY: the caller has the context bound; what is made here is deleted here or returned.
    unsafe {
        let shader = gl.create_shader(glow::COMPUTE_SHADER).map_err(unavailable)?;
        gl.shader_source(shader, &format!("#version 430 core\n{}", parts.concat()));
        gl.compile_shader(shader);
        if !gl.get_shader_compile_status(shader) {
            let log = gl.get_shader_info_log(shader);
            gl.delete_shader(shader);
            return Err(unavailable(format!("a shader does not compile: {log}")));
        }
        let program = gl.create_program().map_err(unavailable)?;
        gl.attach_shader(program, shader);
        gl.link_program(program);
        gl.delete_shader(shader);
        if !gl.get_program_link_status(program) {
            let log = gl.get_program_info_log(program);
            gl.delete_program(program);
            return Err(unavailable(format!("a program does not link: {log}")));
        }
        Ok(program)
    }
}
