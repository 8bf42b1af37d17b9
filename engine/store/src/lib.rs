//! nc-store
