//! Opening a remote place: which service, with which credentials and patience. No request is made here.

use super::super::io_thread::IoThread;
use super::super::location::{At, Service};
use super::super::{Key, Location, PlaceOptions, Secret};
use super::connector::Connector;
use super::{BUCKET_GAP, Inner, MOST_REQUESTS, Remote, WEB_GAP, WEB_REQUESTS};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GcpCredential, GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::http::HttpBuilder;
use object_store::list::PaginatedListStore;
use object_store::{BackoffConfig, ObjectStore, RetryConfig, StaticCredentialProvider};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Retries of a request that fails before its answer begins.
const RETRIES: usize = 4;

/// The host or bucket that `location` is in, by what it may be called.
///
/// # Errors
/// One line about what is wrong with the settings; it holds no secret.
pub(in super::super) fn open(location: &Location, options: &PlaceOptions, io: Arc<IoThread>) -> Result<Remote, &'static str> {
    let retry = RetryConfig {
        backoff: BackoffConfig { init_backoff: Duration::from_millis(100), max_backoff: Duration::from_secs(2), base: 2.0 },
        max_retries: RETRIES,
        retry_timeout: options.timeouts.retry,
    };
    let (store, lister): (Arc<dyn ObjectStore>, Option<Arc<dyn PaginatedListStore>>) = match &location.at {
        At::Local { .. } => return Err("is a local path"),
        At::Web { base, .. } => {
            let user =
                (!base.username().is_empty()).then(|| format!("{}:{}", base.username(), base.password().unwrap_or_default()));
            let mut bare = base.clone();
            // A URL with a host takes both.
            let _ = (bare.set_username(""), bare.set_password(None));
            let connector = Connector::new(options, location.prefixes(), user.as_deref())?;
            let store = HttpBuilder::new().with_url(bare).with_http_connector(connector).with_retry(retry).build();
            (Arc::new(store.map_err(|_| "no client can be made for this URL")?), None)
        }
        At::Bucket { service, bucket, account, .. } => {
            let connector = Connector::new(options, location.prefixes(), None)?;
            match service {
                Service::S3 => {
                    let store = Arc::new(s3(bucket, options, connector, retry)?);
                    (store.clone(), Some(store))
                }
                Service::Gcs => {
                    let store = Arc::new(gcs(bucket, options, connector, retry)?);
                    (store.clone(), Some(store))
                }
                Service::Azure => {
                    let store = Arc::new(azure(bucket, account.as_deref(), options, connector, retry)?);
                    (store.clone(), Some(store))
                }
            }
        }
    };
    let web = lister.is_none();
    let requests = if web { WEB_REQUESTS } else { MOST_REQUESTS };
    let host = Inner {
        store,
        lister,
        io,
        permits: Semaphore::new(requests),
        requests,
        gap: if web { WEB_GAP } else { BUCKET_GAP },
        forbidden_is_missing: options.forbidden_is_missing,
        whole_only: AtomicBool::new(false),
    };
    Ok(Remote { host: Arc::new(host), below: Key::root(), name: location.redacted() })
}

/// The settings whose names the service knows.
fn known<K: FromStr>(settings: &[(String, Secret)]) -> impl Iterator<Item = (K, &str)> {
    settings.iter().filter_map(|(name, value)| Some((name.parse().ok()?, value.expose())))
}

fn has(settings: &[(String, Secret)], names: &[&str]) -> bool {
    settings.iter().any(|(name, _)| names.contains(&name.as_str()))
}

fn s3(
    bucket: &str,
    options: &PlaceOptions,
    connector: Connector,
    retry: RetryConfig,
) -> Result<object_store::aws::AmazonS3, &'static str> {
    let mut builder = AmazonS3Builder::new();
    for (key, value) in known::<AmazonS3ConfigKey>(&options.s3) {
        builder = builder.with_config(key, value);
    }
    if let Some(endpoint) = &options.endpoint {
        builder = builder.with_endpoint(endpoint.expose());
    }
    let credentials = ["aws_access_key_id", "aws_web_identity_token_file"];
    let container = ["aws_container_credentials_relative_uri", "aws_container_credentials_full_uri"];
    let signed = has(&options.s3, &credentials) || has(&options.s3, &container) || options.instance_credentials;
    builder
        .with_bucket_name(bucket)
        .with_allow_http(true)
        .with_skip_signature(options.anonymous || !signed)
        .with_http_connector(connector)
        .with_retry(retry)
        .build()
        .map_err(|_| "the settings of S3 contradict each other: check the variables AWS_* and ~/.aws")
}

fn gcs(
    bucket: &str,
    options: &PlaceOptions,
    connector: Connector,
    retry: RetryConfig,
) -> Result<object_store::gcp::GoogleCloudStorage, &'static str> {
    let mut builder = GoogleCloudStorageBuilder::new();
    let credentials =
        ["google_application_credentials", "google_service_account", "google_service_account_key", "google_bearer_token"];
    if !options.anonymous && has(&options.gcs, &credentials) {
        for (key, value) in known::<GoogleConfigKey>(&options.gcs) {
            builder = builder.with_config(key, value);
        }
    } else if options.anonymous || !options.instance_credentials {
        // Credentials that are given are not looked for in the home directory.
        let nobody = GcpCredential { bearer: String::new() };
        builder = builder.with_credentials(Arc::new(StaticCredentialProvider::new(nobody))).with_skip_signature(true);
    }
    if let Some(endpoint) = &options.endpoint {
        builder = builder.with_config(GoogleConfigKey::BaseUrl, endpoint.expose());
    }
    builder
        .with_bucket_name(bucket)
        .with_http_connector(connector)
        .with_retry(retry)
        .build()
        .map_err(|_| "the credentials of Google Cloud cannot be read: check the variables GOOGLE_*")
}

fn azure(
    container: &str,
    account: Option<&str>,
    options: &PlaceOptions,
    connector: Connector,
    retry: RetryConfig,
) -> Result<object_store::azure::MicrosoftAzure, &'static str> {
    let mut builder = MicrosoftAzureBuilder::new();
    for (key, value) in known::<AzureConfigKey>(&options.azure) {
        builder = builder.with_config(key, value);
    }
    if let Some(account) = account {
        builder = builder.with_account(account);
    }
    if let Some(endpoint) = &options.endpoint {
        builder = builder.with_endpoint(endpoint.expose().to_owned());
    }
    let credentials = [
        "azure_storage_account_key",
        "azure_storage_access_key",
        "azure_storage_sas_token",
        "azure_storage_sas_key",
        "azure_client_secret",
        "azure_federated_token_file",
    ];
    let signed = has(&options.azure, &credentials) || options.instance_credentials;
    builder
        .with_container_name(container)
        .with_allow_http(true)
        .with_skip_signature(options.anonymous || !signed)
        .with_http_connector(connector)
        .with_retry(retry)
        .build()
        .map_err(
            |_| "the account is not known: give abfs://CONTAINER@ACCOUNT.dfs.core.windows.net/… or AZURE_STORAGE_ACCOUNT_NAME",
        )
}
