//! EGL without a window: the library, where a context can be had, and the context.
//!
//! EGL is one per process whatever its callers do: a display is the same object however often it is asked for, terminating it ends
//! everyone's contexts, and drivers do not survive being unloaded. So the library is loaded once, on first use, and displays are
//! never terminated; what a device owns and gives back is its context.

use khronos_egl as egl;
use std::ffi::{CStr, c_char, c_void};
use std::sync::OnceLock;

type Egl = egl::DynamicInstance<egl::EGL1_5>;

const PLATFORM_DEVICE: egl::Enum = 0x313F;
const PLATFORM_SURFACELESS: egl::Enum = 0x31DD;

/// Most EGL devices that are looked at.
const MOST_DEVICES: usize = 64;

/// Core versions to ask for, best first. All have compute shaders.
const VERSIONS: [(i32, i32); 3] = [(4, 6), (4, 5), (4, 3)];

/// The library, or why there is none.
fn library() -> Result<&'static Egl, &'static str> {
    static LIBRARY: OnceLock<Result<Egl, String>> = OnceLock::new();
    let loaded = LIBRARY.get_or_init(|| {
        // SAFETY: loading runs the initialisers of the system's libEGL, which is trusted as the C library is.
        unsafe { Egl::load_required() }.map_err(|e| format!("libEGL.so.1 with EGL 1.5 cannot be loaded: {e}"))
    });
    loaded.as_ref().map_err(String::as_str)
}

/// Where a context may be had.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Platform {
    /// An EGL device.
    Device {
        /// Position in the driver's list.
        index: usize,
        /// The handle; valid for the life of the process.
        handle: *mut c_void,
        /// Whether the driver says that it draws in software.
        software: bool,
    },
    /// Mesa's platform without surfaces.
    Surfaceless,
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Device { index, software: false, .. } => write!(f, "EGL device {index}"),
            Self::Device { index, software: true, .. } => write!(f, "EGL device {index} (software)"),
            Self::Surfaceless => f.write_str("EGL surfaceless"),
        }
    }
}

/// All platforms of this machine, in the order in which they should be tried: hardware devices, surfaceless, software devices.
pub(crate) fn platforms() -> Result<Vec<Platform>, String> {
    let egl = library()?;
    let mut platforms = devices(egl);
    platforms.push(Platform::Surfaceless);
    platforms.sort_by_key(|p| match p {
        Platform::Device { software, .. } => 2 * u8::from(*software),
        Platform::Surfaceless => 1,
    });
    Ok(platforms)
}

fn devices(egl: &Egl) -> Vec<Platform> {
    type QueryDevices = unsafe extern "system" fn(egl::Int, *mut *mut c_void, *mut egl::Int) -> egl::Boolean;
    type QueryDeviceString = unsafe extern "system" fn(*mut c_void, egl::Int) -> *const c_char;
    let extensions = egl.query_string(None, egl::EXTENSIONS).map(CStr::to_string_lossy).unwrap_or_default();
    if !["EGL_EXT_device_base", "EGL_EXT_device_enumeration"].iter().any(|e| extensions.contains(e)) {
        return Vec::new();
    }
    let (Some(query_devices), Some(query_string)) =
        (egl.get_proc_address("eglQueryDevicesEXT"), egl.get_proc_address("eglQueryDeviceStringEXT"))
    else {
        return Vec::new();
    };
    // SAFETY: the extension that names the two functions defines these types for them.
    let (query_devices, query_string) = unsafe {
        (
            std::mem::transmute::<extern "system" fn(), QueryDevices>(query_devices),
            std::mem::transmute::<extern "system" fn(), QueryDeviceString>(query_string),
        )
    };
    let mut handles = [std::ptr::null_mut(); MOST_DEVICES];
    let mut count = 0;
    // SAFETY: there is room for as many handles as are asked for.
    if unsafe { query_devices(MOST_DEVICES as egl::Int, handles.as_mut_ptr(), &mut count) } != egl::TRUE {
        return Vec::new();
    }
    let handles = &handles[..usize::try_from(count).unwrap_or(0).min(MOST_DEVICES)];
    let of = |(index, handle): (usize, &*mut c_void)| {
        // SAFETY: the handle is one of the driver's; the string it returns, if any, is static.
        let extensions = unsafe {
            let text = query_string(*handle, egl::EXTENSIONS);
            if text.is_null() { Default::default() } else { CStr::from_ptr(text).to_string_lossy() }
        };
        Platform::Device { index, handle: *handle, software: extensions.contains("EGL_MESA_device_software") }
    };
    handles.iter().enumerate().map(of).collect()
}

/// A GL context without a surface. May be dropped on any thread; bound only on the one that made it.
#[derive(Debug)]
pub(crate) struct EglContext {
    egl: &'static Egl,
    display: egl::Display,
    context: egl::Context,
}

// SAFETY: EGL handles are process-wide names and EGL is thread-safe. What is bound to a thread is the current context, and only the
// thread that made this one binds it; elsewhere it is merely destroyed, which EGL allows.
unsafe impl Send for EglContext {}
// SAFETY: as above.
unsafe impl Sync for EglContext {}

impl EglContext {
    /// Makes a core context and binds it to this thread.
    pub(crate) fn new(platform: Platform) -> Result<Self, String> {
        let egl = library()?;
        let (kind, native) = match platform {
            Platform::Device { handle, .. } => (PLATFORM_DEVICE, handle),
            Platform::Surfaceless => (PLATFORM_SURFACELESS, std::ptr::null_mut()),
        };
        // SAFETY: the native display is what the platform asks for: a device of this library, or nothing.
        let display = unsafe { egl.get_platform_display(kind, native, &[egl::ATTRIB_NONE]) }
            .map_err(|e| format!("{platform} has no display: {e}"))?;
        egl.initialize(display).map_err(|e| format!("{platform} cannot be initialised: {e}"))?;
        let extensions = egl.query_string(Some(display), egl::EXTENSIONS).map(CStr::to_string_lossy).unwrap_or_default();
        for needed in ["EGL_KHR_no_config_context", "EGL_KHR_surfaceless_context"] {
            if !extensions.contains(needed) {
                return Err(format!("{platform} lacks {needed}"));
            }
        }
        egl.bind_api(egl::OPENGL_API).map_err(|e| format!("{platform} has no desktop GL: {e}"))?;
        // SAFETY: the null config is what EGL_KHR_no_config_context asks for.
        let no_config = unsafe { egl::Config::from_ptr(std::ptr::null_mut()) };
        let mut last = None;
        for (major, minor) in VERSIONS {
            let attributes = [
                egl::CONTEXT_MAJOR_VERSION,
                major,
                egl::CONTEXT_MINOR_VERSION,
                minor,
                egl::CONTEXT_OPENGL_PROFILE_MASK,
                egl::CONTEXT_OPENGL_CORE_PROFILE_BIT,
                egl::NONE,
            ];
            match egl.create_context(display, no_config, None, &attributes) {
                Ok(context) => {
                    let context = Self { egl, display, context };
                    context.bind()?;
                    return Ok(context);
                }
                Err(e) => last = Some(e),
            }
        }
        let reason = last.map_or_else(String::new, |e| format!(": {e}"));
        Err(format!("{platform} has no GL 4.3 core context{reason}"))
    }

    /// Makes it current on this thread, if it is not.
    pub(crate) fn bind(&self) -> Result<(), String> {
        if self.is_current() {
            return Ok(());
        }
        let bound = self.egl.bind_api(egl::OPENGL_API);
        bound
            .and_then(|()| self.egl.make_current(self.display, None, None, Some(self.context)))
            .map_err(|e| format!("the context cannot be bound: {e}"))
    }

    /// Leaves this thread without a context, if this one was current.
    pub(crate) fn unbind(&self) {
        if self.is_current()
            && let Err(e) = self.egl.make_current(self.display, None, None, None)
        {
            tracing::warn!("the GL context could not be unbound: {e}");
        }
    }

    /// A GL entry point.
    pub(crate) fn proc_address(&self, name: &str) -> *const c_void {
        self.egl.get_proc_address(name).map_or(std::ptr::null(), |f| f as *const c_void)
    }

    fn is_current(&self) -> bool {
        self.egl.get_current_context() == Some(self.context)
    }
}

impl Drop for EglContext {
    fn drop(&mut self) {
        self.unbind();
        if let Err(e) = self.egl.destroy_context(self.display, self.context) {
            tracing::warn!("the GL context could not be destroyed: {e}");
        }
    }
}
