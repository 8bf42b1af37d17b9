//! What this machine can draw with, for people and for choosing.

use crate::device_gl::context::Gl;
use crate::device_gl::egl;
pub use crate::device_gl::limits::{GlLimits, VideoMemory};
use crate::isa::Isa;
use nc_core::data::DeviceMemory;

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Contexts that the gl device could use, in the order in which they are tried.
    pub gl: Vec<GlDevice>,
    /// Why there are not more: no library, a platform that refused, one line each.
    pub gl_problems: Vec<String>,
    /// The processor.
    pub cpu: Cpu,
}

/// A context that the gl device could use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlDevice {
    /// Who made the driver.
    pub vendor: String,
    /// The device.
    pub renderer: String,
    /// GL version and driver.
    pub version: String,
    /// Whether it draws on the processor: then the cpu device is faster.
    pub software: bool,
    /// Where the context comes from.
    pub platform: String,
    /// What it can hold.
    pub limits: GlLimits,
    /// Its memory, where the driver tells.
    pub video_memory: Option<VideoMemory>,
}

impl GlDevice {
    /// Where a device on it keeps what it draws from.
    pub fn memory(&self) -> DeviceMemory {
        device_memory(self.software, self.video_memory)
    }
}

/// Where a device keeps what it draws from, by what its driver tells.
pub(crate) fn device_memory(software: bool, video: Option<VideoMemory>) -> DeviceMemory {
    match (software, video) {
        (true, _) => DeviceMemory::Host,
        (false, Some(video)) => DeviceMemory::Video(video.bytes()),
        (false, None) => DeviceMemory::Unknown,
    }
}

/// The processor, as the cpu device sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cpu {
    /// The instructions that kernels use: "AVX2", or "portable".
    pub features: Vec<&'static str>,
    /// Threads that this process may run at once.
    pub threads: usize,
}

/// Looks at the machine. Makes and drops a context on each EGL platform; call it where no context is current. Never panics, and
/// needs neither driver nor library.
pub fn probe() -> Probe {
    let (mut gl, mut gl_problems) = (Vec::new(), Vec::new());
    match egl::platforms() {
        Ok(platforms) => {
            for platform in platforms {
                match Gl::open(platform) {
                    Ok(context) => {
                        let identity = context.identity();
                        gl.push(GlDevice {
                            vendor: identity.vendor,
                            renderer: identity.renderer,
                            version: identity.version,
                            software: identity.software,
                            platform: platform.to_string(),
                            limits: context.limits(),
                            video_memory: context.video_memory(),
                        });
                    }
                    Err(problem) => gl_problems.push(problem),
                }
            }
        }
        Err(problem) => gl_problems.push(problem),
    }
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    Probe { gl, gl_problems, cpu: Cpu { features: vec![Isa::detect().name()], threads } }
}
