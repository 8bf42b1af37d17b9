//! How remote places are reached: credentials, endpoints, patience. All of it comes from the caller; nothing here reads the environment.

use super::Secret;
use std::time::Duration;

/// Settings of all remote places.
///
/// Those of a service are pairs of a name, as `object_store` knows it ("aws_access_key_id", "google_application_credentials",
/// "azure_storage_account_name"), and a value. Names that it does not know are left alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlaceOptions {
    /// Settings of S3.
    pub s3: Vec<(String, Secret)>,
    /// Settings of Google Cloud Storage.
    pub gcs: Vec<(String, Secret)>,
    /// Settings of Azure Blob Storage.
    pub azure: Vec<(String, Secret)>,
    /// Another server that speaks the protocol of `s3://`, `gs://` or `az://`, as a URL; for S3, with the bucket in the path.
    pub endpoint: Option<Secret>,
    /// Sign no request, whatever credentials there are.
    pub anonymous: bool,
    /// Ask the machine's metadata service for credentials if there are no others. Elsewhere than in a cloud that costs seconds, so it
    /// is to be asked for; otherwise requests without credentials are not signed.
    pub instance_credentials: bool,
    /// Take "403 Forbidden" for "there is no such object", as S3 means it for those who may read a bucket and not list it.
    pub forbidden_is_missing: bool,
    /// A proxy for all requests, as a URL.
    pub proxy: Option<Secret>,
    /// Hosts that are reached without the proxy, between commas.
    pub no_proxy: Option<String>,
    /// When a server is given up.
    pub timeouts: Timeouts,
}

/// When a server is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// To be connected to.
    pub connect: Duration,
    /// Between two pieces of an answer.
    pub read: Duration,
    /// For one question with all its retries; after that no other is begun.
    pub retry: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), read: Duration::from_secs(10), retry: Duration::from_secs(15) }
    }
}
