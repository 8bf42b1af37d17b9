//! The configuration: defaults, then environment, then flags; each value knows where it came from.
//!
//! Lives here: all of it put together, and what a single value is (this file), the settings that are more than a number or a word
//! (`data`, `drive`, `limits`, `places`), and the words (`choices`).
//!
//! Architecture invariant: this is the only module of the project that knows the names of environment variables, and it reads none
//! itself: the environment is an argument.

mod choices;
mod data;
mod drive;
mod limits;
mod places;

use crate::session::Drive;
pub use choices::{Device, LogLevel};
pub use data::DataSource;
use drive::DRIVE_TOKEN_VARIABLE;
pub use limits::{LimitFlags, Limits};
use nc_engine::api::data::{CanvasSize, ColorRange};
use nc_engine::places::Secret;
pub use places::{PlaceFlags, Places};
use std::fmt;
use std::path::PathBuf;

/// Everything that can be configured.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// What to serve.
    pub data: Setting<DataSource>,
    /// Address that all listeners bind.
    pub host: Setting<String>,
    /// Port of the state channel; 0 lets the system choose.
    pub state_port: Setting<u16>,
    /// Port of the pixel channel; 0 lets the system choose.
    pub pixel_port: Setting<u16>,
    /// Port of the viewer, metrics and health; 0 lets the system choose.
    pub http_port: Setting<u16>,
    /// Columns of the video.
    pub width: Setting<u32>,
    /// Rows of the video.
    pub height: Setting<u32>,
    /// Frames per second at most.
    pub fps: Setting<f32>,
    /// Bits per second of the video.
    pub bitrate_bps: Setting<u32>,
    /// What draws.
    pub device: Setting<Device>,
    /// How much of an image may be held, and which level and region of it are shown.
    pub limits: Limits,
    /// Range of the video's samples.
    pub color_range: Setting<ColorRange>,
    /// The directory that clients may browse and open images in; `None` is the one that the served image lies in, or, without
    /// one, the working directory.
    pub data_root: Setting<Option<PathBuf>>,
    /// Beginnings of URLs that clients may open; none by default.
    pub allow_urls: Setting<Vec<Secret>>,
    /// How remote places are reached.
    pub places: Places,
    /// Whether to look again and again whether the data that are shown have grown.
    pub watch: Setting<bool>,
    /// Whether the 3D camera turns by itself at first.
    pub animate: Setting<bool>,
    /// How fast it does, degrees a second.
    pub animate_dps: Setting<f64>,
    /// Who may change the scene; everybody may watch.
    pub drive: Setting<Drive>,
    /// How much is logged.
    pub log_level: Setting<LogLevel>,
}

impl Config {
    /// Degrees a second that the 3D camera turns by itself at first; 0 if it does not.
    pub fn turning(&self) -> f64 {
        if self.animate.value { self.animate_dps.value } else { 0.0 }
    }

    /// Size of canvas and video.
    pub fn canvas(&self) -> CanvasSize {
        CanvasSize { width: self.width.value, height: self.height.value }
    }
}

/// A value and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// Where it came from.
    pub origin: Origin,
}

/// Where a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Built in.
    Default,
    /// An environment variable.
    Environment(&'static str),
    /// A flag or argument of the command line.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Environment(name) | Self::Flag(name) => f.write_str(name),
        }
    }
}

/// The command line, as typed: what each word means and what is allowed is decided here, in one place for flags and environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)] // one field per flag of the same name; `Config` says what each means
pub struct Flags {
    pub data: Option<String>,
    pub demo: bool,
    pub pattern: Option<String>,
    pub host: Option<String>,
    pub state_port: Option<String>,
    pub pixel_port: Option<String>,
    pub http_port: Option<String>,
    pub width: Option<String>,
    pub height: Option<String>,
    pub fps: Option<String>,
    pub bitrate: Option<String>,
    pub device: Option<String>,
    pub limits: LimitFlags,
    pub color_range: Option<String>,
    pub data_root: Option<String>,
    pub allow_url: Vec<String>,
    pub no_watch: bool,
    pub animate: bool,
    pub animate_dps: Option<String>,
    pub places: PlaceFlags,
    pub drive: Option<String>,
    pub drive_token: Option<String>,
    pub log_level: Option<String>,
}

/// A value that is not allowed. One line for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The value does not fit.
    #[error("{name}: {given:?} is not allowed; give {allowed}")]
    Value {
        /// The flag or variable.
        name: &'static str,
        /// What it held.
        given: String,
        /// What it may hold.
        allowed: &'static str,
    },
    /// Something within the value does not fit.
    #[error("{name}: {problem}")]
    Within {
        /// The flag or variable.
        name: &'static str,
        /// What, and what it may be.
        problem: String,
    },
    /// Two things to serve.
    #[error("DATA, --demo and --pattern exclude each other; give one of them")]
    TwoSources,
    /// Driving by token, and no token.
    #[error("--drive token needs a token; give one with {DRIVE_TOKEN_VARIABLE} or --drive-token")]
    NoDriveToken,
}

impl ConfigError {
    /// The same without the value, which may hold a secret even if it is malformed.
    fn without_value(self) -> Self {
        match self {
            Self::Value { name, allowed, .. } => Self::Value { name, given: "(not shown)".to_owned(), allowed },
            other => other,
        }
    }
}

/// Flag, variable, and what both may hold.
struct Key {
    flag: &'static str,
    variable: &'static str,
    allowed: &'static str,
}

/// The flag that sets the port of the state channel.
pub const STATE_PORT_FLAG: &str = "--state-port";
/// The flag that sets the port of the pixel channel.
pub const PIXEL_PORT_FLAG: &str = "--pixel-port";
/// The flag that sets the port of the viewer.
pub const HTTP_PORT_FLAG: &str = "--http-port";

const PORT: &str = "a port from 0 to 65535 (0: any free one)";

impl Config {
    /// Puts the configuration together. An empty variable counts as not set.
    ///
    /// # Errors
    /// The first value that is not allowed, with the name of its flag or variable.
    pub fn resolve(flags: Flags, env: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let data = data::data_source(flags.data, flags.demo, flags.pattern, &env)?;
        let drive = drive::drive(flags.drive, flags.drive_token, &env)?;
        let allow_urls = data::allowed_urls(flags.allow_url, &env)?;
        let key = |flag, variable, allowed| Key { flag, variable, allowed };
        Ok(Self {
            data,
            host: key("--host", "NAPARI_CUDA_HOST", "an address such as 127.0.0.1 or 0.0.0.0").setting(
                flags.host,
                &env,
                "127.0.0.1".to_owned(),
                |text| (!text.contains(char::is_whitespace)).then(|| text.to_owned()),
            )?,
            state_port: key(STATE_PORT_FLAG, "NAPARI_CUDA_STATE_PORT", PORT).setting(flags.state_port, &env, 8081, number)?,
            pixel_port: key(PIXEL_PORT_FLAG, "NAPARI_CUDA_PIXEL_PORT", PORT).setting(flags.pixel_port, &env, 8082, number)?,
            http_port: key(HTTP_PORT_FLAG, "NAPARI_CUDA_METRICS_PORT", PORT).setting(flags.http_port, &env, 8083, number)?,
            width: key("--width", "NAPARI_CUDA_WIDTH", "an even number of pixels from 64 to 3840").setting(
                flags.width,
                &env,
                1280,
                |text| edge(text, 3840),
            )?,
            height: key("--height", "NAPARI_CUDA_HEIGHT", "an even number of pixels from 64 to 2160").setting(
                flags.height,
                &env,
                720,
                |text| edge(text, 2160),
            )?,
            fps: key("--fps", "NAPARI_CUDA_ENCODE_FPS", "frames per second from 1 to 60").setting(
                flags.fps,
                &env,
                60.0,
                |text| number(text).filter(|fps| (1.0..=60.0).contains(fps)),
            )?,
            bitrate_bps: key("--bitrate", "NAPARI_CUDA_ENCODE_BITRATE", "bits per second from 100000 to 200000000").setting(
                flags.bitrate,
                &env,
                12_000_000,
                |text| number(text).filter(|bps| (100_000..=200_000_000).contains(bps)),
            )?,
            device: key("--device", "NAPARI_CUDA_DEVICE", "auto, cpu or gl").setting(
                flags.device,
                &env,
                Device::Auto,
                |text| one_of(text, &[("auto", Device::Auto), ("cpu", Device::Cpu), ("gl", Device::Gl)]),
            )?,
            limits: Limits::resolve(flags.limits, &env)?,
            color_range: key("--color-range", "NAPARI_CUDA_COLOR_RANGE", "full or limited").setting(
                flags.color_range,
                &env,
                ColorRange::Full,
                |text| one_of(text, &[("full", ColorRange::Full), ("limited", ColorRange::Limited)]),
            )?,
            data_root: key("--data-root", "NAPARI_CUDA_DATA_ROOT", "a directory").setting(
                flags.data_root,
                &env,
                None,
                |text| Some(Some(PathBuf::from(text))),
            )?,
            allow_urls,
            watch: key("--no-watch", "NAPARI_CUDA_WATCH", "on or off").setting(
                flags.no_watch.then(|| "off".to_owned()),
                &env,
                true,
                |text| one_of(text, &[("on", true), ("off", false)]),
            )?,
            animate: key("--animate", "NAPARI_CUDA_ANIMATE", "on or off").setting(
                flags.animate.then(|| "on".to_owned()),
                &env,
                false,
                |text| one_of(text, &[("on", true), ("off", false), ("1", true), ("0", false), ("true", true), ("false", false)]),
            )?,
            animate_dps: key("--animate-dps", "NAPARI_CUDA_TURNTABLE_DPS", "degrees a second from -360 to 360").setting(
                flags.animate_dps,
                &env,
                30.0,
                |text| number(text).filter(|dps| (-360.0..=360.0).contains(dps)),
            )?,
            places: Places::resolve(flags.places, &env)?,
            drive,
            log_level: key("--log-level", "NAPARI_CUDA_LOG_LEVEL", "error, warn, info, debug or trace").setting(
                flags.log_level,
                &env,
                LogLevel::Info,
                |text| {
                    let levels = [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace];
                    one_of(text, &levels.map(|level| (level.name(), level)))
                },
            )?,
        })
    }
}

impl Key {
    fn setting<T>(
        &self,
        flag: Option<String>,
        env: impl Fn(&str) -> Option<String>,
        default: T,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Setting<T>, ConfigError> {
        let (given, origin, name) = match (flag, set(&env, self.variable)) {
            (Some(given), _) => (given, Origin::Flag(self.flag), self.flag),
            (None, Some(given)) => (given, Origin::Environment(self.variable), self.variable),
            (None, None) => return Ok(Setting { value: default, origin: Origin::Default }),
        };
        match parse(given.trim()).filter(|_| !given.trim().is_empty()) {
            Some(value) => Ok(Setting { value, origin }),
            None => Err(ConfigError::Value { name, given, allowed: self.allowed }),
        }
    }
}

fn set(env: impl Fn(&str) -> Option<String>, variable: &str) -> Option<String> {
    env(variable).filter(|value| !value.is_empty())
}

fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

/// An even edge of the video from 64 to `most`.
fn edge(text: &str, most: u32) -> Option<u32> {
    number(text).filter(|edge| (64..=most).contains(edge) && edge % 2 == 0)
}

fn one_of<T: Copy>(text: &str, choices: &[(&str, T)]) -> Option<T> {
    choices.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, value)| *value)
}

#[cfg(test)]
mod tests;
