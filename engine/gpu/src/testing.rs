//! For tests, of this crate and of others: OpenH264's decoder, to look at what the encoder made. Only with the feature `testing`.

use crate::codec::bitstream;
use nc_core::data::CanvasSize;
use openh264_sys2 as sys;
use std::ptr::{self, NonNull};

/// A decoded picture in 4:2:0 planes, rows in the order of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// Picture size.
    pub size: CanvasSize,
    /// `width * height` samples.
    pub y: Vec<u8>,
    /// `width/2 * height/2` samples.
    pub u: Vec<u8>,
    /// `width/2 * height/2` samples.
    pub v: Vec<u8>,
}

/// A decoder that gives each picture at once. Panics on a stream that it cannot decode.
#[derive(Debug)]
pub struct Decoder(NonNull<sys::ISVCDecoder>);

impl Decoder {
    /// A decoder that has seen nothing; its first access unit must be an IDR.
    pub fn open() -> Self {
        let mut raw = ptr::null_mut();
        // SAFETY: `raw` is a valid place for the pointer that the function writes.
        assert_eq!(unsafe { sys::source::APILoader::WelsCreateDecoder(&mut raw) }, 0);
        let decoder = Self(NonNull::new(raw).expect("a decoder"));
        let mut parameters = sys::SDecodingParam { eEcActiveIdc: sys::ERROR_CON_DISABLE, ..Default::default() };
        parameters.sVideoProperty.eVideoBsType = sys::VIDEO_BITSTREAM_AVC;
        // SAFETY: the object is alive; the parameters are read during the call.
        assert_eq!(unsafe { decoder.vtable().Initialize.expect("Initialize")(decoder.0.as_ptr(), &parameters) }, 0);
        decoder
    }

    fn vtable(&self) -> &sys::ISVCDecoderVtbl {
        // SAFETY: the object is alive until drop and starts with a pointer to its table of functions, which is static data.
        unsafe { &**self.0.as_ptr() }
    }

    /// Decodes an access unit that holds one whole picture.
    pub fn decode(&mut self, avcc: &[u8]) -> Decoded {
        let mut annex_b = Vec::new();
        for unit in bitstream::avcc_units(avcc) {
            annex_b.extend_from_slice(&[0, 0, 0, 1]);
            annex_b.extend_from_slice(unit.expect("well-formed AVCC"));
        }
        let mut planes = [ptr::null_mut(); 3];
        let mut info = sys::TagBufferInfo::default();
        let decode = self.vtable().DecodeFrameNoDelay.expect("DecodeFrameNoDelay");
        // SAFETY: the object is alive; the bytes are read during the call; `planes` holds the three pointers that it writes.
        let state = unsafe { decode(self.0.as_ptr(), annex_b.as_ptr(), annex_b.len() as i32, planes.as_mut_ptr(), &mut info) };
        assert_eq!(state, 0, "decoding state");
        assert_eq!(info.iBufferStatus, 1, "a picture is ready");
        // SAFETY: the decoder filled in this variant, the only one there is.
        let layout = unsafe { info.UsrData.sSystemBuffer };
        let plane = |index: usize, stride: i32, width: i32, height: i32| {
            let rows = (0..height as usize).map(|row| {
                // SAFETY: the plane holds `height` rows of `stride` samples and stays until the next call.
                unsafe { std::slice::from_raw_parts(planes[index].add(row * stride as usize), width as usize) }
            });
            rows.flatten().copied().collect()
        };
        let (width, height) = (layout.iWidth, layout.iHeight);
        Decoded {
            size: CanvasSize { width: width as u32, height: height as u32 },
            y: plane(0, layout.iStride[0], width, height),
            u: plane(1, layout.iStride[1], width / 2, height / 2),
            v: plane(2, layout.iStride[1], width / 2, height / 2),
        }
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: created by `WelsCreateDecoder`, uninitialised and destroyed once, not used afterwards.
        unsafe {
            self.vtable().Uninitialize.expect("Uninitialize")(self.0.as_ptr());
            sys::source::APILoader::WelsDestroyDecoder(self.0.as_ptr());
        }
    }
}
