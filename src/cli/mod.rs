//! What can be typed, and how failures are told.

pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod info;
mod limits;
pub(crate) mod places;
pub(crate) mod render;
pub(crate) mod select;
pub(crate) mod serve;

use clap::{Parser, Subcommand};
use std::fmt::Display;
use std::io::{ErrorKind, Write};

/// Look at terabytes of microscopy from anywhere: napari-cuda renders OME-Zarr where the data is and streams the picture to a
/// browser tab or to the napari-cuda desktop client.
#[derive(Debug, Parser)]
#[command(name = "napari-cuda", version, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve an image to browsers and desktop clients
    Serve(serve::Args),
    /// Say what an image holds, without reading pixels
    Info(info::Args),
    /// Draw a scene description to a PNG file
    Render(render::Args),
    /// Make test images
    Demo(demo::Args),
    /// Say what this machine can do and what would be chosen
    Doctor(doctor::Args),
}

/// Why the program ends with an error.
#[derive(Debug)]
pub(crate) struct Failure {
    /// One line: what, where, what to do.
    pub(crate) message: String,
    /// Exit code.
    pub(crate) code: u8,
}

impl Failure {
    /// The input is at fault: exit code 2.
    pub(crate) fn input(error: impl Display) -> Self {
        Self { message: one_line(&error.to_string()), code: 2 }
    }

    /// The machine is at fault: exit code 1.
    pub(crate) fn machine(error: impl Display) -> Self {
        Self { message: one_line(&error.to_string()), code: 1 }
    }
}

/// Prints to standard output. A reader that went away, as `head` does, is no failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    match writeln!(std::io::stdout(), "{}", text.trim_end()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::machine(error)),
        _ => Ok(()),
    }
}

/// The process environment, handed to the configuration, which alone knows what to ask for.
#[expect(clippy::disallowed_methods, reason = "this is where the environment enters the configuration")]
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Messages of libraries may hold line breaks; people and log collectors get one line.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
