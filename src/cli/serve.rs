//! `napari-cuda serve`: bind, open, start, serve until told to stop.

use super::limits::LimitArgs;
use super::select::SelectArgs;
use super::{Failure, environment, places, print};
use nc_engine::api::data::CanvasSize;
use nc_engine::api::data::budget::default_cache_bytes;
use nc_engine::places::Location;
use nc_engine::{DeviceChoice, Engine, EngineConfig, Image, Selection, SessionConfig, machine};
use nc_server::ambient::SystemAmbient;
use nc_server::config::{Config, DataSource, Device, Flags};
use nc_server::{Bound, Server};
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

/// How long commands at work may take to end when all else has.
const LAST_COMMANDS: Duration = Duration::from_secs(2);

/// What can be typed. Values are checked, with those of the environment, by `nc_server::config`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// OME-Zarr image, plate or collection, or zarr array to serve: a path or a URL, of a folder or of a zip archive; without it, or --demo, an idle scene
    data: Option<String>,
    #[command(flatten)]
    select: SelectArgs,
    /// Serve a procedural image that needs no files
    #[arg(long)]
    demo: bool,
    /// Serve a test pattern: bars, gradient, checker, or counter, which counts the frames along t
    #[arg(long, value_name = "PATTERN")]
    pattern: Option<String>,
    /// Address to listen on; beyond loopback anyone who reaches it sees the data [default: 127.0.0.1]
    #[arg(long, value_name = "ADDRESS")]
    host: Option<String>,
    /// Port of the state channel, for the desktop client [default: 8081]
    #[arg(long, value_name = "PORT")]
    state_port: Option<String>,
    /// Port of the pixel channel, for the desktop client [default: 8082]
    #[arg(long, value_name = "PORT")]
    pixel_port: Option<String>,
    /// Port of the browser viewer, health and metrics [default: 8083]
    #[arg(long, visible_alias = "metrics-port", value_name = "PORT")]
    http_port: Option<String>,
    /// Columns of the video, even [default: 1280]
    #[arg(long, value_name = "PIXELS")]
    width: Option<String>,
    /// Rows of the video, even [default: 720]
    #[arg(long, value_name = "PIXELS")]
    height: Option<String>,
    /// Frames per second at most [default: 60]
    #[arg(long)]
    fps: Option<String>,
    /// Bits per second of the video [default: 12000000]
    #[arg(long, value_name = "BPS")]
    bitrate: Option<String>,
    /// What draws: auto, cpu or gl [default: auto]
    #[arg(long)]
    device: Option<String>,
    #[command(flatten)]
    limits: LimitArgs,
    /// Range of the video's samples: full or limited [default: full]
    #[arg(long, value_name = "RANGE")]
    color_range: Option<String>,
    /// Directory that clients may browse and open images in [default: where DATA lies, or the working directory]
    #[arg(long, value_name = "DIRECTORY")]
    data_root: Option<String>,
    /// Lets clients open URLs that begin like this; may be given several times [default: none]
    #[arg(long, value_name = "PREFIX")]
    allow_url: Vec<String>,
    /// Does not look again and again whether the data have grown
    #[arg(long)]
    no_watch: bool,
    /// In 3D, turn by itself until somebody does anything
    #[arg(long)]
    animate: bool,
    /// How fast, degrees a second [default: 30]
    #[arg(long, value_name = "DEGREES", allow_hyphen_values = true)]
    animate_dps: Option<String>,
    /// Who may change the scene: everyone, first (the client that came first) or token [default: everyone]
    #[arg(long, value_name = "WHO")]
    drive: Option<String>,
    /// Token that clients must show to drive; others see flags, so prefer the variable NAPARI_CUDA_DRIVE_TOKEN
    #[arg(long, value_name = "TOKEN")]
    drive_token: Option<String>,
    /// How much is logged: error, warn, info, debug or trace [default: info]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    #[command(flatten)]
    places: places::PlaceArgs,
}

impl From<Args> for Flags {
    fn from(args: Args) -> Self {
        Self {
            data: args.data,
            demo: args.demo,
            pattern: args.pattern,
            host: args.host,
            state_port: args.state_port,
            pixel_port: args.pixel_port,
            http_port: args.http_port,
            width: args.width,
            height: args.height,
            fps: args.fps,
            bitrate: args.bitrate,
            device: args.device,
            limits: args.limits.into(),
            color_range: args.color_range,
            data_root: args.data_root,
            allow_url: args.allow_url,
            no_watch: args.no_watch,
            animate: args.animate,
            animate_dps: args.animate_dps,
            drive: args.drive,
            drive_token: args.drive_token,
            log_level: args.log_level,
            places: args.places.into(),
        }
    }
}

pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let selection = args.select.selection();
    let config = Config::resolve(args.into(), environment).map_err(Failure::input)?;
    log_to_stderr(&config);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(Failure::machine)?;
    let served = runtime.block_on(serve(&config, &selection));
    // A command that hangs on a dead disk does not keep the process alive.
    runtime.shutdown_timeout(LAST_COMMANDS);
    served
}

fn log_to_stderr(config: &Config) {
    let filter = tracing_subscriber::EnvFilter::new(config.log_level.value.filter());
    let colors = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colors).with_target(false).init();
}

async fn serve(config: &Config, selection: &Selection) -> Result<(), Failure> {
    let server = Server::bind(config, Arc::new(SystemAmbient)).await.map_err(Failure::input)?;
    let cores = std::thread::available_parallelism().map_or(2, |n| n.get());
    let device = match config.device.value {
        Device::Auto => DeviceChoice::Auto,
        Device::Cpu => DeviceChoice::Cpu,
        Device::Gl => DeviceChoice::Gl,
    };
    let (limits, memory) = (&config.limits, machine::memory());
    let engine = EngineConfig {
        device,
        cache_bytes: limits.cache_bytes.value.unwrap_or_else(|| default_cache_bytes(memory.at_hand())),
        // One core stays free for render and encode.
        loader_threads: cores.saturating_sub(1).max(1),
        memory: memory.limit(),
        overrides: limits.overrides(),
    };
    let engine = Engine::with_places(engine, places::options(&config.places));
    let image = match &config.data.value {
        DataSource::None => None,
        DataSource::Demo => Some(engine.demo()),
        DataSource::Pattern(pattern) => Some(engine.pattern(*pattern)),
        DataSource::Path(path) => Some(open(&engine, path.to_string_lossy().into_owned(), selection).await?),
        DataSource::Url(url) => Some(open(&engine, url.expose().to_owned(), selection).await?),
    };
    let session = SessionConfig {
        canvas: CanvasSize { width: config.width.value, height: config.height.value },
        fps: config.fps.value,
        bitrate: config.bitrate_bps.value,
        range: config.color_range.value,
        encode_threads: u32::try_from(cores).unwrap_or(4).clamp(1, 4),
        view: limits.view.value,
        watch: config.watch.value,
        turning: config.turning(),
    };
    let session = engine.start(image, session, server.sink()).map_err(Failure::machine)?;
    announce(&server.bound())?;
    server.run(Arc::new(session), shutdown()).await;
    Ok(())
}

/// Opens what is to be served, on a thread that may wait for disk and network.
async fn open(engine: &Engine, location: String, selection: &Selection) -> Result<Image, Failure> {
    let (engine, selection) = (engine.clone(), selection.clone());
    let open = move || engine.open_selected(&Location::parse(&location)?, &selection);
    let opened = tokio::task::spawn_blocking(open).await.map_err(Failure::machine)?;
    opened.map_err(Failure::input)
}

/// The link goes to standard output, where a script finds it; the log goes to standard error.
fn announce(bound: &Bound) -> Result<(), Failure> {
    let Bound { http, state, pixel } = bound;
    print(&format!("viewer   http://{http}/\nclients  state ws://{state}  pixels ws://{pixel}"))
}

/// Resolves on Ctrl+C or SIGTERM.
async fn shutdown() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        }
        Err(error) => {
            tracing::warn!(%error, "SIGTERM is not handled");
            // Without a handler the default action ends the process; waiting for Ctrl+C is all that is left.
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}
