//! The wire: examples of the specification, snapshots of every kind of frame, what parsers do with rubbish, and the validator.

#![allow(clippy::unwrap_used)] // clippy.toml allows it in test functions; these are what they call, too

mod corpus;
mod examples;
mod frames;
mod properties;
mod validator;
