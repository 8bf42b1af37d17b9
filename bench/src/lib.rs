//! What the measuring programs share: a server as a child process, a client of it, figures of processes, the made-up image that they
//! run on, how fast the store reads beside other libraries (`reading`), the render loop without the rest of the server (`scrub`), and a
//! link to a far web server (`far`).
//!
//! May import the client's side of the wire, and the store. Except for `scrub`, must never reach further into the engine: what is
//! measured is the program that people run, through its sockets.

pub mod client;
pub mod distribution;
pub mod far;
pub mod load;
pub mod machine;
pub mod peer;
pub mod pyramid;
pub mod reading;
pub mod report;
pub mod scenario;
pub mod scrub;
pub mod server;
pub mod specimen;
