//! nc-runtime
