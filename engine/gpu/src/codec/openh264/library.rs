//! The OpenH264 library behind safe types: the only place that calls it.
//!
//! Who owes what: the caller hands in plane slices of the lengths that [`Library::encode`] checks; everything about pointers,
//! lifetimes and order of calls is settled here. Policy (parameters, what to do on failure) is not.
#![allow(unsafe_code)]

use super::parameters::Rate;
use crate::api::I420;
use nc_core::data::CanvasSize;
use openh264_sys2 as sys;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// What the library answered.
#[derive(Debug, thiserror::Error)]
pub(super) enum LibraryError {
    /// A call that did not return success.
    #[error("{call} returned {status}")]
    Status {
        /// Which call.
        call: &'static str,
        /// `CM_RETURN`.
        status: c_int,
    },
    /// A function that the library should have is missing.
    #[error("{0} is missing from the library")]
    Missing(&'static str),
    /// Output that contradicts itself.
    #[error("the library described its output as {0}")]
    Output(&'static str),
    /// Planes that are too short for the picture.
    #[error("planes of a {width}x{height} picture are too short", width = .0.width, height = .0.height)]
    Planes(CanvasSize),
}

/// What became of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PictureKind {
    /// An IDR.
    Idr,
    /// Predicted from the one before.
    Predicted,
    /// Not encoded at all.
    Skipped,
}

/// `CM_RETURN` as a result.
fn check(call: &'static str, status: c_int) -> Result<(), LibraryError> {
    if status == 0 { Ok(()) } else { Err(LibraryError::Status { call, status }) }
}

/// "2.6.0".
pub(super) fn version() -> String {
    // SAFETY: takes nothing and returns a plain struct by value.
    let version = unsafe { sys::source::APILoader::WelsGetCodecVersion() };
    format!("{}.{}.{}", version.uMajor, version.uMinor, version.uRevision)
}

/// An encoder object, created but not necessarily initialised. Destroyed on drop.
struct Handle(NonNull<sys::ISVCEncoder>);

// SAFETY: the object is used by one thread at a time, since every use takes `&mut self`. It keeps no thread-local state: its
// memory is plain heap memory, its worker threads come from a pool that is guarded by a mutex and take part only while a call
// of ours runs. The callbacks given to it are plain functions; their context (see `assembly_built`) is an atomic that outlives it.
unsafe impl Send for Handle {}

impl Handle {
    fn create() -> Result<Self, LibraryError> {
        let mut raw = ptr::null_mut();
        // SAFETY: `raw` is a valid place for the pointer that the function writes.
        check("WelsCreateSVCEncoder", unsafe { sys::source::APILoader::WelsCreateSVCEncoder(&mut raw) })?;
        NonNull::new(raw).map(Self).ok_or(LibraryError::Output("a null encoder"))
    }

    fn vtable(&self) -> &sys::ISVCEncoderVtbl {
        // SAFETY: the object is alive until drop and starts with a pointer to its table of functions, which is static data.
        unsafe { &**self.0.as_ptr() }
    }

    /// Sets an option.
    ///
    /// # Safety
    /// `T` is the type that the library documents for `option`.
    unsafe fn set_option<T>(
        &mut self,
        call: &'static str,
        option: sys::ENCODER_OPTION,
        mut value: T,
    ) -> Result<(), LibraryError> {
        let set_option = self.vtable().SetOption.ok_or(LibraryError::Missing("SetOption"))?;
        // SAFETY: the object is alive; `value` is of the option's type by the caller's duty and is read during the call only.
        check(call, unsafe { set_option(self.0.as_ptr(), option, (&raw mut value).cast()) })
    }

    /// Sends log lines up to `level` to `callback`.
    ///
    /// # Safety
    /// `context` is null, or stays valid for shared use by any thread until the handle is dropped.
    unsafe fn set_trace(
        &mut self,
        level: sys::_bindgen_ty_3,
        callback: unsafe extern "C" fn(*mut c_void, c_int, *const c_char),
        context: *mut c_void,
    ) -> Result<(), LibraryError> {
        let callback: sys::WelsTraceCallback = Some(callback);
        // SAFETY: the library documents int, WelsTraceCallback and void* for these options.
        unsafe {
            self.set_option("setting the trace level", sys::ENCODER_OPTION_TRACE_LEVEL, level as c_int)?;
            self.set_option("setting the trace context", sys::ENCODER_OPTION_TRACE_CALLBACK_CONTEXT, context)?;
            self.set_option("setting the trace callback", sys::ENCODER_OPTION_TRACE_CALLBACK, callback)
        }
    }

    fn initialize(&mut self, fill: impl FnOnce(&mut sys::SEncParamExt)) -> Result<(), LibraryError> {
        let get_defaults = self.vtable().GetDefaultParams.ok_or(LibraryError::Missing("GetDefaultParams"))?;
        let initialize = self.vtable().InitializeExt.ok_or(LibraryError::Missing("InitializeExt"))?;
        let mut parameters = sys::SEncParamExt::default();
        // SAFETY: the object is alive and `parameters` is a valid place to write to.
        check("GetDefaultParams", unsafe { get_defaults(self.0.as_ptr(), &mut parameters) })?;
        fill(&mut parameters);
        // SAFETY: the object is alive; the parameters are copied during the call.
        check("InitializeExt", unsafe { initialize(self.0.as_ptr(), &parameters) })
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Some(uninitialize) = self.vtable().Uninitialize {
            // SAFETY: the object is alive; uninitialising one that was not initialised does nothing.
            unsafe { uninitialize(self.0.as_ptr()) };
        }
        // SAFETY: created by `WelsCreateSVCEncoder`, destroyed once, not used afterwards.
        unsafe { sys::source::APILoader::WelsDestroySVCEncoder(self.0.as_ptr()) };
    }
}

/// `ISVCEncoder::ForceIntraFrame` as it is declared in C++. The C declaration, and with it the binding, lacks the last parameter:
/// called through that, the layer would be whatever the register holds, and the IDR would come only by luck.
type ForceIntraFrame = unsafe extern "C" fn(*mut sys::ISVCEncoder, idr: bool, layer: c_int) -> c_int;

/// `layer` of [`ForceIntraFrame`] that means all.
const EVERY_LAYER: c_int = -1;

/// An initialised encoder.
pub(super) struct Library {
    handle: Handle,
}

impl Library {
    /// Creates an encoder and initialises it with the default parameters as changed by `fill`.
    pub(super) fn open(fill: impl FnOnce(&mut sys::SEncParamExt)) -> Result<Self, LibraryError> {
        let mut handle = Handle::create()?;
        // SAFETY: no context.
        unsafe { handle.set_trace(sys::WELS_LOG_ERROR, log_error, ptr::null_mut())? };
        handle.initialize(fill)?;
        Ok(Self { handle })
    }

    /// Makes the next picture an IDR.
    pub(super) fn force_idr(&mut self) -> Result<(), LibraryError> {
        let force = self.handle.vtable().ForceIntraFrame.ok_or(LibraryError::Missing("ForceIntraFrame"))?;
        // SAFETY: both are function pointers; the target is the type of the function behind it (see `ForceIntraFrame`).
        let force =
            unsafe { std::mem::transmute::<unsafe extern "C" fn(*mut sys::ISVCEncoder, bool) -> c_int, ForceIntraFrame>(force) };
        // SAFETY: the object is alive and initialised.
        check("ForceIntraFrame", unsafe { force(self.handle.0.as_ptr(), true, EVERY_LAYER) })
    }

    /// Plans with another rate from the next picture on.
    pub(super) fn set_rate(&mut self, rate: Rate) -> Result<(), LibraryError> {
        let bitrate = sys::SBitrateInfo { iLayer: sys::SPATIAL_LAYER_ALL, iBitrate: rate.bitrate_i32() };
        // SAFETY: the library documents float and SBitrateInfo for these options.
        unsafe {
            self.handle.set_option("setting the frame rate", sys::ENCODER_OPTION_FRAME_RATE, rate.fps)?;
            self.handle.set_option("setting the bit rate", sys::ENCODER_OPTION_BITRATE, bitrate)
        }
    }

    /// Turns the rate control on, or off for the fixed quantiser, from the next picture on.
    pub(super) fn set_rate_control(&mut self, on: bool) -> Result<(), LibraryError> {
        let mode = if on { sys::RC_BITRATE_MODE } else { sys::RC_OFF_MODE };
        // SAFETY: the library documents int for this option, which is what `RC_MODES` is.
        unsafe { self.handle.set_option("setting the rate control mode", sys::ENCODER_OPTION_RC_MODE, mode) }
    }

    /// Encodes a picture; what comes back borrows the library's buffers until the next call.
    pub(super) fn encode(
        &mut self,
        planes: I420<'_>,
        size: CanvasSize,
        time_ms: i64,
    ) -> Result<EncodedPicture<'_>, LibraryError> {
        let encode = self.handle.vtable().EncodeFrame.ok_or(LibraryError::Missing("EncodeFrame"))?;
        let luma = size.width as usize * size.height as usize;
        if planes.y.len() < luma || planes.u.len() < luma / 4 || planes.v.len() < luma / 4 {
            return Err(LibraryError::Planes(size));
        }
        let (width, height) = (size.width as c_int, size.height as c_int);
        let plane = |samples: &[u8]| samples.as_ptr().cast_mut();
        let source = sys::SSourcePicture {
            iColorFormat: sys::videoFormatI420,
            iStride: [width, width / 2, width / 2, 0],
            pData: [plane(planes.y), plane(planes.u), plane(planes.v), ptr::null_mut()],
            iPicWidth: width,
            iPicHeight: height,
            uiTimeStamp: time_ms,
            ..Default::default()
        };
        let mut info = sys::SFrameBSInfo::default();
        // SAFETY: the object is alive and initialised; each plane holds stride * rows samples (checked above) and is only read,
        // and only during the call, although the binding has no const; `info` is a valid place to write to.
        check("EncodeFrame", unsafe { encode(self.handle.0.as_ptr(), &source, &mut info) })?;
        EncodedPicture::new(info)
    }
}

/// A picture in the library's buffers.
pub(super) struct EncodedPicture<'a> {
    info: sys::SFrameBSInfo,
    /// The buffers belong to the encoder and are overwritten by its next call.
    encoder: PhantomData<&'a mut Library>,
}

impl EncodedPicture<'_> {
    /// Checks what the safe methods rely on: layers in range, no negative lengths, no null pointers.
    fn new(info: sys::SFrameBSInfo) -> Result<Self, LibraryError> {
        let layers = usize::try_from(info.iLayerNum).ok().and_then(|layers| info.sLayerInfo.get(..layers));
        for layer in layers.ok_or(LibraryError::Output("an impossible number of layers"))? {
            if layer.iNalCount < 0 || layer.pNalLengthInByte.is_null() || layer.pBsBuf.is_null() {
                return Err(LibraryError::Output("a layer without bytes"));
            }
            if nal_lengths(layer).iter().any(|&length| length < 0) {
                return Err(LibraryError::Output("a NAL unit of negative length"));
            }
        }
        Ok(Self { info, encoder: PhantomData })
    }

    fn layer_infos(&self) -> &[sys::SLayerBSInfo] {
        usize::try_from(self.info.iLayerNum).ok().and_then(|layers| self.info.sLayerInfo.get(..layers)).unwrap_or_default()
    }

    /// Annex B bytes, layer by layer: parameter sets in one, slices in another.
    pub(super) fn layers(&self) -> impl Iterator<Item = &[u8]> {
        self.layer_infos().iter().map(|layer| {
            // SAFETY: the library lays the NAL units of a layer behind each other from `pBsBuf` on, so that this many bytes are
            // initialised; they stay until its next call, which the lifetime of `self` rules out.
            unsafe { std::slice::from_raw_parts(layer.pBsBuf, layer_bytes(layer)) }
        })
    }

    /// Length of all layers together.
    pub(super) fn bytes(&self) -> usize {
        self.layer_infos().iter().map(layer_bytes).sum()
    }

    /// What became of the picture.
    pub(super) fn kind(&self) -> PictureKind {
        match self.info.eFrameType {
            sys::videoFrameTypeIDR => PictureKind::Idr,
            sys::videoFrameTypeSkip | sys::videoFrameTypeInvalid => PictureKind::Skipped,
            _ => PictureKind::Predicted,
        }
    }
}

fn nal_lengths(layer: &sys::SLayerBSInfo) -> &[c_int] {
    // SAFETY: the library keeps `iNalCount` lengths behind the pointer until its next call; `EncodedPicture::new` checks that the
    // count is not negative and the pointer not null before it asks.
    unsafe { std::slice::from_raw_parts(layer.pNalLengthInByte, usize::try_from(layer.iNalCount).unwrap_or(0)) }
}

fn layer_bytes(layer: &sys::SLayerBSInfo) -> usize {
    nal_lengths(layer).iter().map(|&length| usize::try_from(length).unwrap_or(0)).sum()
}

/// Trace callback: passes errors on to our own log.
unsafe extern "C" fn log_error(_context: *mut c_void, _level: c_int, line: *const c_char) {
    if !line.is_null() {
        // SAFETY: the library passes a terminated string that lives through the call.
        let line = unsafe { CStr::from_ptr(line) };
        tracing::warn!(target: "openh264", "{}", line.to_string_lossy());
    }
}

/// Trace callback: looks for the line that only a build with x86 assembly writes; the context is an [`AtomicBool`].
unsafe extern "C" fn watch_for_assembly(context: *mut c_void, _level: c_int, line: *const c_char) {
    if line.is_null() {
        return;
    }
    // SAFETY: the library passes a terminated string that lives through the call.
    let line = unsafe { CStr::from_ptr(line) };
    // SAFETY: `assembly_built` passes a pointer to an `AtomicBool` that outlives the encoder.
    let Some(seen) = (unsafe { context.cast::<AtomicBool>().as_ref() }) else { return };
    let report = b"WELS CPU features";
    if line.to_bytes().windows(report.len()).any(|window| window == report) {
        seen.store(true, Ordering::Relaxed);
    }
}

/// Whether the library was built with its assembly.
///
/// On ARM it always is (the C compiler assembles it). On x86 the build leaves it out without a word when nasm is missing; then
/// the library also leaves out the report of CPU features that it logs while initialising, which is what this looks for.
pub(in crate::codec) fn assembly_built() -> bool {
    static BUILT: OnceLock<bool> = OnceLock::new();
    cfg!(any(target_arch = "aarch64", target_arch = "arm")) || *BUILT.get_or_init(|| reports_cpu_features().unwrap_or(false))
}

fn reports_cpu_features() -> Result<bool, LibraryError> {
    let seen = AtomicBool::new(false);
    let mut handle = Handle::create()?;
    // SAFETY: `seen` is declared before `handle` and so dropped after it; it is atomic, so any thread may use it.
    unsafe { handle.set_trace(sys::WELS_LOG_INFO, watch_for_assembly, ptr::from_ref(&seen).cast_mut().cast())? };
    handle.initialize(|parameters| {
        parameters.iPicWidth = 16;
        parameters.iPicHeight = 16;
        parameters.iTargetBitrate = 64_000;
    })?;
    drop(handle);
    Ok(seen.load(Ordering::Relaxed))
}
