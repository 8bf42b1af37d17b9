//! The configuration: defaults, then environment, then flags; each value knows where it came from.
//!
//! Architecture invariant: this is the only module of the project that knows the names of environment variables, and it reads none
//! itself: the environment is an argument.

use nc_engine::api::data::{CanvasSize, ColorRange};
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
    /// Budget of the decoded-chunk cache in MiB.
    pub cache_mib: Setting<u32>,
    /// Range of the video's samples.
    pub color_range: Setting<ColorRange>,
    /// How much is logged.
    pub log_level: Setting<LogLevel>,
}

impl Config {
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

/// What to serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DataSource {
    /// Nothing: the idle scene.
    None,
    /// The procedural demo.
    Demo,
    /// An image at a path.
    Path(PathBuf),
}

/// What draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// The best that works.
    Auto,
    /// The processor.
    Cpu,
    /// OpenGL.
    Gl,
}

/// How much is logged; each level includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Bugs.
    Error,
    /// What the operator should know.
    Warn,
    /// What happens.
    Info,
    /// What is decided.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// The level's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// The command line, as typed: what each word means and what is allowed is decided here, in one place for flags and environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)] // one field per flag of the same name; `Config` says what each means
pub struct Flags {
    pub data: Option<String>,
    pub demo: bool,
    pub host: Option<String>,
    pub state_port: Option<String>,
    pub pixel_port: Option<String>,
    pub http_port: Option<String>,
    pub width: Option<String>,
    pub height: Option<String>,
    pub fps: Option<String>,
    pub bitrate: Option<String>,
    pub device: Option<String>,
    pub cache_mb: Option<String>,
    pub color_range: Option<String>,
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
    /// Two things to serve.
    #[error("DATA and --demo exclude each other; give one of them")]
    DataAndDemo,
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
        let data = data_source(flags.data, flags.demo, &env)?;
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
            cache_mib: key("--cache-mb", "NAPARI_CUDA_CACHE_MB", "MiB from 16 to 4194304").setting(
                flags.cache_mb,
                &env,
                1024,
                |text| number(text).filter(|mib| (16..=4_194_304).contains(mib)),
            )?,
            color_range: key("--color-range", "NAPARI_CUDA_COLOR_RANGE", "full or limited").setting(
                flags.color_range,
                &env,
                ColorRange::Full,
                |text| one_of(text, &[("full", ColorRange::Full), ("limited", ColorRange::Limited)]),
            )?,
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

fn data_source(
    path: Option<String>,
    demo: bool,
    env: impl Fn(&str) -> Option<String>,
) -> Result<Setting<DataSource>, ConfigError> {
    const VARIABLE: &str = "NAPARI_CUDA_ZARR_PATH";
    Ok(match (path, demo) {
        (Some(_), true) => return Err(ConfigError::DataAndDemo),
        (Some(path), false) => Setting { value: DataSource::Path(path.into()), origin: Origin::Flag("DATA") },
        (None, true) => Setting { value: DataSource::Demo, origin: Origin::Flag("--demo") },
        (None, false) => match set(env, VARIABLE) {
            Some(path) => Setting { value: DataSource::Path(path.into()), origin: Origin::Environment(VARIABLE) },
            None => Setting { value: DataSource::None, origin: Origin::Default },
        },
    })
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
mod tests {
    use super::*;

    fn nothing(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn nothing_given_is_the_defaults_on_loopback() {
        let config = Config::resolve(Flags::default(), nothing).unwrap();
        assert_eq!(config.host, Setting { value: "127.0.0.1".to_owned(), origin: Origin::Default });
        assert_eq!((config.state_port.value, config.pixel_port.value, config.http_port.value), (8081, 8082, 8083));
        assert_eq!(config.canvas(), CanvasSize { width: 1280, height: 720 });
        assert_eq!((config.fps.value, config.bitrate_bps.value), (60.0, 12_000_000));
        assert_eq!(config.data.value, DataSource::None);
        assert_eq!(config.log_level.value, LogLevel::Info);
    }

    #[test]
    fn flags_beat_the_environment_and_both_are_remembered() {
        let env = |name: &str| match name {
            "NAPARI_CUDA_WIDTH" => Some("640".to_owned()),
            "NAPARI_CUDA_HEIGHT" => Some("360".to_owned()),
            "NAPARI_CUDA_HOST" => Some(String::new()),
            "NAPARI_CUDA_ZARR_PATH" => Some("/data/a.zarr".to_owned()),
            _ => None,
        };
        let flags = Flags { width: Some("800".to_owned()), ..Flags::default() };
        let config = Config::resolve(flags, env).unwrap();
        assert_eq!(config.width, Setting { value: 800, origin: Origin::Flag("--width") });
        assert_eq!(config.height, Setting { value: 360, origin: Origin::Environment("NAPARI_CUDA_HEIGHT") });
        assert_eq!(config.host.origin, Origin::Default, "an empty variable is not set");
        assert_eq!(config.data.origin, Origin::Environment("NAPARI_CUDA_ZARR_PATH"));
    }

    #[test]
    fn bad_values_name_what_held_them_and_what_is_allowed() {
        let of = |flags| Config::resolve(flags, nothing).unwrap_err().to_string();
        let flags = || Flags::default();
        assert_eq!(
            of(Flags { width: Some("641".into()), ..flags() }),
            r#"--width: "641" is not allowed; give an even number of pixels from 64 to 3840"#
        );
        assert!(of(Flags { state_port: Some("65536".into()), ..flags() }).starts_with("--state-port: \"65536\""));
        assert!(of(Flags { fps: Some("NaN".into()), ..flags() }).starts_with("--fps"));
        assert!(of(Flags { device: Some("gpu".into()), ..flags() }).ends_with("give auto, cpu or gl"));
        assert!(of(Flags { host: Some(" ".into()), ..flags() }).starts_with("--host"));
        assert_eq!(
            of(Flags { data: Some("a".into()), demo: true, ..flags() }),
            "DATA and --demo exclude each other; give one of them"
        );
        let env = |name: &str| (name == "NAPARI_CUDA_CACHE_MB").then(|| "lots".to_owned());
        let error = Config::resolve(Flags::default(), env).unwrap_err().to_string();
        assert!(error.starts_with("NAPARI_CUDA_CACHE_MB: \"lots\""), "{error}");
    }
}
