//! How much of an image may be held, and which level and region of it are shown: budgets and policy.

use super::{ConfigError, Origin, Setting, set};
use nc_engine::ViewPolicy;
use nc_engine::api::data::Overrides;
use nc_engine::api::data::lod::LevelPolicy;
use serde_json::Value;
use std::time::Duration;

/// The flags of [`Limits`], as typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)] // one field per flag of the same name; `Limits` says what each means
pub struct LimitFlags {
    pub cache_mb: Option<String>,
    pub max_slice_mb: Option<String>,
    pub max_volume_mb: Option<String>,
    pub max_volume_voxels: Option<String>,
    pub vram_mb: Option<String>,
}

/// Budgets and policy. A budget of `None` is what the hardware gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Bytes for decoded chunks and tiles together.
    pub cache_bytes: Setting<Option<u64>>,
    /// Bytes of one plane of a level; `None` is any.
    pub slice_bytes: Setting<Option<u64>>,
    /// Bytes of volumes.
    pub volume_bytes: Setting<Option<u64>>,
    /// Samples of volumes.
    pub volume_voxels: Setting<Option<u64>>,
    /// Bytes of the device's memory.
    pub video_bytes: Setting<Option<u64>>,
    /// Which level and region of an image are shown.
    pub view: Setting<ViewPolicy>,
}

/// A budget: its flag and variable with what one of each counts, and what both may hold.
struct Amount {
    flag: (&'static str, u64),
    variable: (&'static str, u64),
    allowed: &'static str,
}

const MIB: u64 = 1 << 20;
const CACHE_MIB: std::ops::RangeInclusive<u64> = 16..=4_194_304;
const POLICY: &str = "NAPARI_CUDA_POLICY_CONFIG";
/// Of the existing server's many debug switches those of its worker that say which level and region are loaded.
const DEBUG: &str = "NAPARI_CUDA_DEBUG";

impl Limits {
    /// From flags and environment; an empty variable counts as not set, and a budget of 0 as what the hardware gives.
    ///
    /// # Errors
    /// The first value that is not allowed, with the name of its flag or variable.
    pub fn resolve(flags: LimitFlags, env: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let amount = |flag, variable, allowed| Amount { flag, variable, allowed };
        let mib_or_bytes = "a whole number, MiB with the flag and bytes with the variable; 0 is what the hardware gives";
        let cache = amount(("--cache-mb", MIB), ("NAPARI_CUDA_CACHE_MB", MIB), "MiB from 16 to 4194304");
        let slice = amount(("--max-slice-mb", MIB), ("NAPARI_CUDA_MAX_SLICE_BYTES", 1), mib_or_bytes);
        let volume = amount(("--max-volume-mb", MIB), ("NAPARI_CUDA_MAX_VOLUME_BYTES", 1), mib_or_bytes);
        let voxels = "a whole number; 0 is what the hardware gives";
        let voxels = amount(("--max-volume-voxels", 1), ("NAPARI_CUDA_MAX_VOLUME_VOXELS", 1), voxels);
        let video = amount(("--vram-mb", MIB), ("NAPARI_CUDA_VRAM_MB", MIB), "MiB, whole; 0 is what the hardware gives");
        let in_range = |bytes: &u64| bytes.is_multiple_of(MIB) && CACHE_MIB.contains(&(bytes / MIB));
        Ok(Self {
            cache_bytes: cache.setting(flags.cache_mb, &env, |bytes| Some(bytes).filter(in_range).map(Some))?,
            slice_bytes: slice.setting(flags.max_slice_mb, &env, or_hardware)?,
            volume_bytes: volume.setting(flags.max_volume_mb, &env, or_hardware)?,
            volume_voxels: voxels.setting(flags.max_volume_voxels, &env, or_hardware)?,
            video_bytes: video.setting(flags.vram_mb, &env, or_hardware)?,
            view: view(&env)?,
        })
    }

    /// What a person says of budgets instead of the hardware.
    pub fn overrides(&self) -> Overrides {
        Overrides {
            slice_bytes: self.slice_bytes.value,
            volume_bytes: self.volume_bytes.value,
            volume_voxels: self.volume_voxels.value,
            video_bytes: self.video_bytes.value,
        }
    }
}

/// The outer option is whether the number is allowed.
fn or_hardware(amount: u64) -> Option<Option<u64>> {
    Some(Some(amount).filter(|&amount| amount > 0))
}

impl Amount {
    fn setting(
        &self,
        flag: Option<String>,
        env: impl Fn(&str) -> Option<String>,
        judge: impl Fn(u64) -> Option<Option<u64>>,
    ) -> Result<Setting<Option<u64>>, ConfigError> {
        let (given, origin, (name, unit)) = match (flag, set(env, self.variable.0)) {
            (Some(given), _) => (given, Origin::Flag(self.flag.0), self.flag),
            (None, Some(given)) => (given, Origin::Environment(self.variable.0), self.variable),
            (None, None) => return Ok(Setting { value: None, origin: Origin::Default }),
        };
        let number = given.trim().parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
        match number.and_then(judge) {
            // What is left to the hardware was not said by anybody.
            Some(None) => Ok(Setting { value: None, origin: Origin::Default }),
            Some(value) => Ok(Setting { value, origin }),
            None => Err(ConfigError::Value { name, given, allowed: self.allowed }),
        }
    }
}

/// The defaults, then what `NAPARI_CUDA_DEBUG` says of the worker, then the policy's own variable.
fn view(env: impl Fn(&str) -> Option<String>) -> Result<Setting<ViewPolicy>, ConfigError> {
    let mut setting = Setting { value: ViewPolicy::default(), origin: Origin::Default };
    // Its other forms, a truth value or a list of words, say nothing of this.
    let debug = set(&env, DEBUG).and_then(|text| serde_json::from_str::<Value>(&text).ok());
    if let Some(worker) = debug.as_ref().and_then(|debug| debug.get("worker")).and_then(Value::as_object) {
        for key in ["lock_level", "roi_edge_threshold"] {
            if let Some(value) = worker.get(key).filter(|value| !value.is_null()) {
                apply(&mut setting.value, key, value).map_err(|problem| ConfigError::Within { name: DEBUG, problem })?;
                setting.origin = Origin::Environment(DEBUG);
            }
        }
    }
    if let Some(text) = set(&env, POLICY) {
        setting.value = policy(setting.value, &text).map_err(|problem| ConfigError::Within { name: POLICY, problem })?;
        setting.origin = Origin::Environment(POLICY);
    }
    Ok(setting)
}

/// `text`, the JSON of PROTOCOL §14, over `base`. The problem names the key.
fn policy(base: ViewPolicy, text: &str) -> Result<ViewPolicy, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("is not JSON: {error}"))?;
    let Value::Object(keys) = value else { return Err("must be a JSON object".to_owned()) };
    let mut policy = base;
    for (key, value) in &keys {
        apply(&mut policy, key, value)?;
    }
    if !keys.contains_key("fine_threshold") {
        policy.level.fine_threshold = policy.level.threshold_in.max(LevelPolicy::default().fine_threshold);
    }
    policy.level = policy.level.validated().map_err(|fault| fault.to_string())?;
    Ok(policy)
}

fn apply(policy: &mut ViewPolicy, key: &str, value: &Value) -> Result<(), String> {
    let number = || value.as_f64().ok_or_else(|| format!("{key} must be a number"));
    let count = || {
        value.as_u64().and_then(|n| u32::try_from(n).ok()).ok_or_else(|| format!("{key} must be a whole number of at least 0"))
    };
    let truth = || value.as_bool().ok_or_else(|| format!("{key} must be true or false"));
    let only = |is: bool, why: &str| if truth()? == is { Ok(()) } else { Err(format!("{key} cannot be {}: {why}", !is)) };
    let ViewPolicy { level, roi } = policy;
    match key {
        "threshold_in" => level.threshold_in = number()?,
        "threshold_out" => level.threshold_out = number()?,
        "fine_threshold" => level.fine_threshold = number()?,
        "hysteresis" => level.hysteresis = number()?,
        "cooldown_ms" => {
            let ms = number()?;
            let cooldown =
                Duration::try_from_secs_f64(ms / 1e3).map_err(|_| format!("{key} must be milliseconds of at least 0"))?;
            if cooldown > Duration::from_secs(60) {
                return Err(format!("{key} must be at most 60000"));
            }
            level.cooldown = cooldown;
        }
        "lock_level" => level.lock = Some(count()? as usize),
        "sticky_contrast" => only(true, "limits are in units of the data, whichever level is shown")?,
        "roi_edge_threshold" => roi.edge_threshold = count()?,
        "roi_align_chunks" => roi.align_chunks = truth()?,
        "roi_pad_chunks" => roi.pad_chunks = count()?,
        "roi_ensure_contains_viewport" => only(true, "what is loaded always contains the view")?,
        // The existing server reads this block and chooses by the thresholds above all the same.
        "oversampling" => oversampling(value)?,
        _ => {
            return Err(format!(
                "{key} is no key of it; there are threshold_in, threshold_out, fine_threshold, hysteresis, cooldown_ms, \
                 sticky_contrast, lock_level, roi_edge_threshold, roi_align_chunks, roi_pad_chunks, oversampling"
            ));
        }
    }
    Ok(())
}

/// `{thresholds: {level: number}, hysteresis: number}`.
fn oversampling(value: &Value) -> Result<(), String> {
    let keys = value.as_object().ok_or("oversampling must be an object")?;
    for (key, value) in keys {
        let sound = match key.as_str() {
            "thresholds" => {
                value.as_object().is_some_and(|levels| levels.iter().all(|(l, v)| l.parse::<u32>().is_ok() && v.is_number()))
            }
            "hysteresis" => value.is_number(),
            _ => return Err(format!("oversampling.{key} is no key of it; there are thresholds and hysteresis")),
        };
        if !sound {
            return Err(format!(
                "oversampling.{key} must be {}",
                if key == "thresholds" { "numbers by level" } else { "a number" }
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(flags: LimitFlags, variables: &[(&str, &str)]) -> Result<Limits, String> {
        let env = |name: &str| variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned());
        Limits::resolve(flags, env).map_err(|error| error.to_string())
    }

    fn policy(text: &str) -> Result<ViewPolicy, String> {
        of(LimitFlags::default(), &[(POLICY, text)]).map(|limits| limits.view.value)
    }

    #[test]
    fn nothing_said_is_the_hardware_and_the_specification() {
        let limits = of(LimitFlags::default(), &[]).unwrap();
        assert_eq!((limits.overrides(), limits.cache_bytes.value), (Overrides::default(), None));
        assert_eq!((limits.view.value, limits.view.origin), (ViewPolicy::default(), Origin::Default));
    }

    #[test]
    fn flags_are_mebibytes_and_variables_are_bytes() {
        let variables =
            [("NAPARI_CUDA_MAX_SLICE_BYTES", "1000"), ("NAPARI_CUDA_MAX_VOLUME_BYTES", "0"), ("NAPARI_CUDA_VRAM_MB", "4096")];
        let limits = of(LimitFlags::default(), &variables).unwrap();
        assert_eq!(
            (limits.slice_bytes.value, limits.slice_bytes.origin),
            (Some(1000), Origin::Environment("NAPARI_CUDA_MAX_SLICE_BYTES"))
        );
        assert_eq!((limits.volume_bytes.value, limits.volume_bytes.origin), (None, Origin::Default));
        assert_eq!(limits.video_bytes.value, Some(4 << 30));
        let flags = LimitFlags { max_slice_mb: Some("3".into()), cache_mb: Some("64".into()), ..LimitFlags::default() };
        let limits = of(flags, &variables).unwrap();
        assert_eq!((limits.slice_bytes.value, limits.slice_bytes.origin), (Some(3 << 20), Origin::Flag("--max-slice-mb")));
        assert_eq!(limits.cache_bytes.value, Some(64 << 20));
        for (flags, told) in [
            (LimitFlags { cache_mb: Some("8".into()), ..LimitFlags::default() }, "--cache-mb: \"8\""),
            (LimitFlags { max_volume_mb: Some("-1".into()), ..LimitFlags::default() }, "--max-volume-mb: \"-1\""),
            (LimitFlags { vram_mb: Some("99999999999999999".into()), ..LimitFlags::default() }, "--vram-mb"),
        ] {
            assert!(of(flags, &[]).unwrap_err().starts_with(told), "{told}");
        }
    }

    #[test]
    fn the_policy_is_read_and_what_is_odd_is_named() {
        let said = r#"{"threshold_in": 1.2, "threshold_out": 1.5, "hysteresis": 0.05, "cooldown_ms": 80, "sticky_contrast": true,
                       "roi_align_chunks": true, "roi_pad_chunks": 2, "oversampling": {"thresholds": {"1": 1.4}, "hysteresis": 0.1}}"#;
        let view = policy(said).unwrap();
        assert_eq!((view.level.threshold_in, view.level.fine_threshold, view.level.threshold_out), (1.2, 1.2, 1.5));
        assert_eq!((view.level.cooldown, view.roi.align_chunks, view.roi.pad_chunks), (Duration::from_millis(80), true, 2));
        assert_eq!(policy(r#"{"threshold_in": 0.9}"#).unwrap().level.fine_threshold, 1.05, "at least the default");
        for (text, named) in [
            ("{", "is not JSON"),
            ("[]", "must be a JSON object"),
            (r#"{"treshold_in": 1}"#, "treshold_in"),
            (r#"{"threshold_in": 2, "threshold_out": 1.5}"#, "threshold_in must not exceed threshold_out"),
            (r#"{"threshold_out": -1}"#, "threshold_out"),
            (r#"{"cooldown_ms": -5}"#, "cooldown_ms"),
            (r#"{"cooldown_ms": 1e300}"#, "cooldown_ms"),
            (r#"{"sticky_contrast": false}"#, "units of the data"),
            (r#"{"roi_pad_chunks": 1.5}"#, "roi_pad_chunks"),
            (r#"{"oversampling": {"level": 1}}"#, "oversampling.level"),
            (r#"{"oversampling": {"thresholds": {"fine": 1}}}"#, "oversampling.thresholds"),
        ] {
            let told = policy(text).unwrap_err();
            assert!(told.starts_with(POLICY) && told.contains(named), "{text}: {told}");
        }
    }

    #[test]
    fn the_debug_variable_s_worker_is_heard_and_the_policy_wins() {
        let debug = (
            DEBUG,
            r#"{"enabled": true, "flags": ["roi"], "worker": {"lock_level": 1, "roi_edge_threshold": 9, "orbit_el_min": -80}}"#,
        );
        let limits = of(LimitFlags::default(), &[debug]).unwrap();
        assert_eq!((limits.view.value.level.lock, limits.view.value.roi.edge_threshold), (Some(1), 9));
        assert_eq!(limits.view.origin, Origin::Environment(DEBUG));
        let limits = of(LimitFlags::default(), &[debug, (POLICY, r#"{"roi_edge_threshold": 2}"#)]).unwrap();
        assert_eq!((limits.view.value.level.lock, limits.view.value.roi.edge_threshold), (Some(1), 2));
        for other in ["1", "camera,roi", "{broken"] {
            assert_eq!(of(LimitFlags::default(), &[(DEBUG, other)]).unwrap().view.origin, Origin::Default, "{other}");
        }
        assert!(of(LimitFlags::default(), &[(DEBUG, r#"{"worker": {"lock_level": "x"}}"#)]).unwrap_err().starts_with(DEBUG));
    }
}
