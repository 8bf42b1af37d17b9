//! Settings that are one of a few words.

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

    /// What a subscriber may show: our own crates at this level, and nothing of others. Libraries that fetch from remote places write
    /// URLs, with signatures and keys, at every level from "info" on.
    pub fn filter(self) -> String {
        let ours =
            ["napari_cuda", "nc_server", "nc_engine", "nc_runtime", "nc_gpu", "nc_store", "nc_core", "nc_protocol", "level"];
        let ours = ours.map(|target| format!("{target}={}", self.name()));
        format!("off,{}", ours.join(","))
    }
}
