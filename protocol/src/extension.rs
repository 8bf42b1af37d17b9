//! What we add to the protocol: names in `features` of hello and welcome, and the payloads of the frames behind them.
//!
//! A client is sent an extension's frames, and finds its name in the welcome, only if it asked for it by that name. The Python client
//! asks for none, so it sees none. `README.md` describes each.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A pixel socket bound to the session; the toggle carries its key.
pub const BOUND_PIXEL: &str = "x.bound_pixel";

/// Four times a second, how the server does: [`Telemetry`].
pub const TELEMETRY: &str = "x.telemetry";

/// Every decision about the level: [`LevelReport`].
pub const LEVEL: &str = "x.level";

/// Scenes and layer frames without thumbnails.
pub const COMPACT_SCENE: &str = "x.scene.compact";

/// The client tells how far it has come with the pictures: [`Feedback`].
pub const FEEDBACK: &str = "x.feedback";

/// Whether this session may change anything: [`Role`].
pub const ROLE: &str = "x.role";

/// Which layers are of labels, and their outlines: [`Labels`].
pub const LABELS: &str = "x.labels";

/// Every extension that has a name.
pub const ALL: [&str; 7] = [BOUND_PIXEL, TELEMETRY, LEVEL, COMPACT_SCENE, FEEDBACK, ROLE, LABELS];

/// `x.telemetry`: how the server does, for display. Closed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    /// Latencies of the last second by stage, such as "plan", "render", "encode", "total"; a stage without samples is absent.
    pub stages: BTreeMap<String, Latency>,
    /// Pictures encoded in the last second.
    pub fps: f64,
    /// Bits of H.264 made in the last second.
    pub bitrate_bps: f64,
    /// Level drawn, 0 the finest; absent while there is no dataset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<usize>,
    /// Why that level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level_reason: Option<LevelReason>,
    /// Tiles or bricks that the last picture wanted and lacked.
    pub tiles_missing: u64,
    /// Pixels along each side of one that is drawn, while a 3D view moves and its pictures leave something out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub render_divisor: Option<u64>,
    /// How many times longer than asked for the steps along a ray are, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ray_step: Option<u64>,
    /// The keyframe watchdog.
    pub watchdog: Watchdog,
    /// This client's pixel socket; absent without a bound one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
    /// This client's intents that came to an end since the last report, oldest first, at most [`Telemetry::OPS`].
    pub ops: Vec<OpReport>,
}

impl Telemetry {
    /// Most ops that one report tells of; of more, the newest.
    pub const OPS: usize = 64;

    /// Reports per second.
    pub const RATE_HZ: u32 = 4;
}

/// A stage's latency over the last second. Closed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// Median, milliseconds.
    pub p50_ms: f64,
    /// 99th percentile, milliseconds.
    pub p99_ms: f64,
}

/// What the keyframe watchdog is at. Closed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watchdog {
    /// Where it stands.
    pub state: WatchdogState,
    /// Milliseconds since a viewer waits for a keyframe; absent while none waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_ms: Option<f64>,
    /// Keyframes asked for in vain during this wait.
    pub asked: u32,
    /// Encoders replaced since the session of the engine began.
    pub resets: u64,
}

/// Where the keyframe watchdog stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchdogState {
    /// Nobody waits for a keyframe.
    Quiet,
    /// Somebody does, within the grace period.
    Waiting,
    /// The encoder was asked again.
    Asked,
    /// The encoder was replaced.
    Reset,
}

/// What is on its way to this client's pixel socket. Closed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    /// Bytes that wait in the server.
    pub queued_bytes: u64,
    /// Bytes sent and not known to have arrived.
    pub in_flight_bytes: u64,
    /// Last round trip, milliseconds; absent until measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtt_ms: Option<f64>,
    /// Measured delivery, bits per second; absent until measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_bps: Option<f64>,
}

/// The way of one intent through the server. Closed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpReport {
    /// The intent, as its sender named it.
    pub intent_id: String,
    /// The server's number for it.
    pub op: u64,
    /// What became of it.
    pub outcome: OpOutcome,
    /// The op that took its place; there if and only if it was superseded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<u64>,
    /// `seq` of the first packet on this client's bound pixel socket that shows it; absent if none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pixel_seq: Option<u32>,
    /// From the arrival of the intent to the last stage that it reached, milliseconds.
    pub total_ms: f64,
    /// Milliseconds that each step took since the one passed before it; they add up to the total. "reduced", "planned", "loaded",
    /// "applied", "rendered", "captured", "encoded", "sent", "painted".
    pub stages_ms: BTreeMap<String, f64>,
}

/// What became of an intent that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpOutcome {
    /// A picture shows it.
    Applied,
    /// A later one took its place.
    Superseded,
    /// It could not be applied and was taken back.
    Failed,
}

/// `x.level`: a decision about the level, and what it was made from. Closed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LevelReport {
    /// When, in seconds since the Unix epoch.
    pub at: f64,
    /// Level before, 0 the finest.
    pub from: usize,
    /// Level drawn from now on.
    pub to: usize,
    /// Level that the canvas calls for.
    pub desired: usize,
    /// Why.
    pub reason: LevelReason,
    /// Whether a budget made it coarser than desired.
    pub downgraded: bool,
    /// Whether it was restored with the plane's pose and not decided anew.
    pub restored: bool,
    /// Samples per canvas pixel, per level; empty while a volume is shown.
    pub oversampling: Vec<f64>,
    /// Whether each level fits its budget.
    pub fits: Vec<bool>,
    /// Factor of the zoom that it follows, above 1 outwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zoom_hint: Option<f64>,
    /// Level that a person asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<usize>,
    /// Milliseconds since the last switch; absent if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_switch_ms: Option<f64>,
    /// 2 or 3 displayed dims.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ndisplay: Option<u8>,
    /// Level that is to be drawn once it is there; finer than `to` at most while a volume is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<usize>,
    /// Voxels per canvas pixel where the volume is nearest, per level; empty in 2D.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sampling: Vec<f64>,
    /// Whether the 3D camera moves, so that nothing finer is begun.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub moving: bool,
    /// What may be held at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budgets: Option<LevelBudgets>,
    /// What the policy goes by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thresholds: Option<LevelThresholds>,
    /// Columns and rows of the canvas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canvas: Option<[u32; 2]>,
    /// What 2D shows: left, bottom, width, height in world units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rect: Option<[f64; 4]>,
    /// What of the level is loaded for it: first column, one past the last, first row, one past the last. Absent in 3D and beside the
    /// data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roi: Option<[u32; 4]>,
    /// First and last chunk of that region: rows, then columns. There if and only if `roi` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<[u32; 4]>,
}

/// What may be held of an image at once. Closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LevelBudgets {
    /// Bytes of a plane of a level; absent if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slice_bytes: Option<u64>,
    /// Bytes of tiles on the device.
    pub tile_bytes: u64,
    /// Bytes of volumes.
    pub volume_bytes: u64,
    /// Samples of volumes.
    pub volume_voxels: u64,
    /// Longest side of a volume, samples; absent if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub texture_edge: Option<u32>,
}

/// What the level policy goes by. Oversampling is samples per canvas pixel. Closed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LevelThresholds {
    /// A finer level is wanted when its oversampling is at most this.
    pub fine: f64,
    /// A finer level is taken when its oversampling is at most this.
    #[serde(rename = "in")]
    pub inwards: f64,
    /// A coarser level is taken when the present one's oversampling exceeds this.
    #[serde(rename = "out")]
    pub outwards: f64,
    /// Margin by which a step of one level must clear its threshold.
    pub hysteresis: f64,
    /// Shortest time between two switches, milliseconds.
    pub cooldown_ms: f64,
}

/// Why a level was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LevelReason {
    /// A zoom in, or a finer level that fits the canvas.
    Finer,
    /// A zoom out, or the level before is denser than the canvas.
    Coarser,
    /// Nothing to change.
    Keep,
    /// A person asked for it.
    Locked,
    /// A change is due but the last one is too recent.
    Cooldown,
    /// No level fits its budget; the coarsest is drawn all the same.
    OverBudget,
    /// A volume is drawn at the coarsest level, until a finer one is there.
    Volume,
    /// The plane's level came back after a volume.
    Restored,
    /// A volume is drawn at the level that its voxels on the screen call for.
    VolumeSampling,
    /// A finer level of a volume is due, once the camera rests.
    Rest,
}

/// `x.role`: whether this session may change anything. Sent after the welcome and whenever it changes. Closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// Driver or observer.
    pub role: RoleName,
}

/// `x.labels`: a layer is of labels. Sent for each of them after every scene, and when its outline changes. Closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Labels {
    /// The layer.
    pub layer_id: String,
    /// Only samples within so many of another label are drawn in 2D; 0 draws all.
    pub contour: u32,
}

/// What a session may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoleName {
    /// Its intents are taken.
    Driver,
    /// It watches; its intents are answered with `state.forbidden`.
    Observer,
}

/// `x.feedback`, from a client: how far it has come with the pictures of its bound pixel socket. Closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feedback {
    /// `seq` of the packet whose picture was last shown; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub painted_seq: Option<u32>,
    /// Packets that wait for the decoder.
    pub decode_queue: u32,
}
