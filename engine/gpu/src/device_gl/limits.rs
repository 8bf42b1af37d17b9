//! What a context can hold: sizes of textures and buffers, and video memory where the driver says.

use glow::HasContext;

/// Largest sizes that a context takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GlLimits {
    /// Side of a 2D texture, samples.
    pub texture_2d: u32,
    /// Side of a 3D texture, samples.
    pub texture_3d: u32,
    /// Layers of a texture array.
    pub array_layers: u32,
    /// Bytes of a shader storage block.
    pub storage_bytes: u64,
    /// Invocations of a compute work group.
    pub work_group: u32,
}

/// Video memory, as the driver tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VideoMemory {
    /// Bytes in all; `None` where only what is free is told.
    pub total: Option<u64>,
    /// Bytes that were free when it was asked.
    pub free: u64,
}

impl VideoMemory {
    /// The best guess at its size.
    pub fn bytes(&self) -> u64 {
        self.total.unwrap_or(self.free)
    }
}

// `GL_NVX_gpu_memory_info` and `GL_ATI_meminfo`, which glow does not name. All are KiB.
const TOTAL_AVAILABLE_NVX: u32 = 0x9048;
const CURRENT_AVAILABLE_NVX: u32 = 0x9049;
const TEXTURE_FREE_ATI: u32 = 0x87FC;

/// The caller has the context bound.
pub(super) fn limits(gl: &glow::Context) -> GlLimits {
    // SAFETY: the context is bound, as the caller promises, and these are parameters of GL 4.3 with one value each.
    let one = |name| unsafe { gl.get_parameter_i32(name) };
    let natural = |name| u32::try_from(one(name)).unwrap_or(0);
    GlLimits {
        texture_2d: natural(glow::MAX_TEXTURE_SIZE),
        texture_3d: natural(glow::MAX_3D_TEXTURE_SIZE),
        array_layers: natural(glow::MAX_ARRAY_TEXTURE_LAYERS),
        // SAFETY: as above; this one may be beyond 32 bits.
        storage_bytes: u64::try_from(unsafe { gl.get_parameter_i64(glow::MAX_SHADER_STORAGE_BLOCK_SIZE) }).unwrap_or(0),
        work_group: natural(glow::MAX_COMPUTE_WORK_GROUP_INVOCATIONS),
    }
}

/// The caller has the context bound. `None` where the driver has no extension for it, or tells nothing of use.
pub(super) fn video_memory(gl: &glow::Context) -> Option<VideoMemory> {
    let bytes = |kib: i32| u64::try_from(kib).ok().filter(|&kib| kib > 0).map(|kib| kib << 10);
    let has = |extension: &str| gl.supported_extensions().contains(extension);
    if has("GL_NVX_gpu_memory_info") {
        // SAFETY: the context is bound, and the extension that has these parameters, of one value each, is there.
        let [total, free] = [TOTAL_AVAILABLE_NVX, CURRENT_AVAILABLE_NVX].map(|name| bytes(unsafe { gl.get_parameter_i32(name) }));
        return total.map(|total| VideoMemory { total: Some(total), free: free.unwrap_or(0) });
    }
    if has("GL_ATI_meminfo") {
        let mut kib = [0i32; 4];
        // SAFETY: the context is bound, the extension is there, and the parameter has four values: total free first.
        unsafe { gl.get_parameter_i32_slice(TEXTURE_FREE_ATI, &mut kib) };
        return bytes(kib[0]).map(|free| VideoMemory { total: None, free });
    }
    None
}
