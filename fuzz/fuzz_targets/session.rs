//! Clients of one server who say anything and come back with any tokens: nobody is sent what breaks the protocol, and who is there at
//! the end knows what is shown.
#![no_main]

#[path = "../programs/session.rs"]
mod program;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    program::run(text);
});
