//! nc-client
