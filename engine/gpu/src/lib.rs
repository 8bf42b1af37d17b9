//! Pixels: drawing tiles, capturing frames, encoding them. Entered through [`api`].
//!
//! Lives here: the two render devices (`device_cpu`, `device_gl`) and the box of a volume of which nothing is there yet (`outline`), colour conversion
//! and capture, the H.264 encoders (`codec`), and what the machine can do (`probe`). May import `nc_core::data`. Must never know:
//! scenes, ledgers, files, clients. The only crate of the product with `unsafe`; each block says whose duty what is.

#![allow(unsafe_code, reason = "SIMD, EGL and GL, encoder libraries; every block is documented")]

pub mod api;
pub mod codec;
mod compositing;
pub mod convert;
pub mod device_cpu;
pub mod device_gl;
mod isa;
mod outline;
pub mod probe;
mod rays;
mod samples;
mod taps;
#[cfg(feature = "testing")]
pub mod testing;
mod transfer;

use api::{DeviceError, RenderDevice};
use nc_core::data::CanvasSize;

/// Which render device to open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// gl on a hardware GPU; without one, cpu.
    #[default]
    Auto,
    /// cpu.
    Cpu,
    /// gl, also on a software driver.
    Gl,
}

/// Opens a device whose picture is black and of size `canvas`. Call it on the thread that will use and drop the device.
pub fn open_device(choice: DeviceChoice, canvas: CanvasSize) -> Result<Box<dyn RenderDevice>, DeviceError> {
    let cpu = || Box::new(device_cpu::CpuDevice::new(canvas, device_cpu::CpuOptions::default()));
    match choice {
        DeviceChoice::Cpu => Ok(cpu()),
        DeviceChoice::Gl => Ok(Box::new(device_gl::GlDevice::open(canvas, true)?)),
        DeviceChoice::Auto => match device_gl::GlDevice::open(canvas, false) {
            Ok(device) => Ok(Box::new(device)),
            Err(reason) => {
                tracing::debug!("drawing on the processor: {reason}");
                Ok(cpu())
            }
        },
    }
}
