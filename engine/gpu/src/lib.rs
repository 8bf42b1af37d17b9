//! Pixels: drawing tiles, capturing frames, encoding them. Entered through [`api`].
//!
//! Lives here: the two render devices (`device_cpu`, `device_gl`), colour conversion and capture, the H.264 encoders (`codec`),
//! and what the machine can do (`probe`). May import `nc_core::data`. Must never know: scenes, ledgers, files, clients.
//! The only crate of the product with `unsafe`; each block says whose duty what is.

#![allow(unsafe_code, reason = "SIMD, EGL and GL, encoder libraries; every block is documented")]

pub mod api;
pub mod codec;
mod compositing;
pub mod convert;
pub mod device_cpu;
mod isa;
mod samples;
mod taps;
mod transfer;
