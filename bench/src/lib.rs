//! nc-bench
