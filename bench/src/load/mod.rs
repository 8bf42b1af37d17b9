//! Load on a server, and what must hold under it: each module is a mode of the program `load`.

pub mod ack;
pub mod churn;
pub mod crowd;
pub mod mix;
pub mod trace;
