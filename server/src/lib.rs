//! nc-server
