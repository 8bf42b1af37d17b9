//! What is typed about remote places, and where their credentials are read from: the environment and the files of the clouds' tools.

use super::environment;
use nc_engine::places::PlaceOptions;
use nc_server::config::{PlaceFlags, Places};
use std::io::Read;
use std::path::Path;

/// Bytes of a file with credentials, at most.
const MOST_BYTES: u64 = 1 << 20;

/// How remote places are reached. Values are checked, with those of the environment, by `nc_server::config`.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Remote places (credentials come from AWS_*, GOOGLE_*, AZURE_* and ~/.aws)")]
pub(crate) struct PlaceArgs {
    /// Server that speaks the protocol of s3://, gs:// or az:// [default: the cloud's own]
    #[arg(long, value_name = "URL")]
    store_endpoint: Option<String>,
    /// Region of S3 buckets [default: as AWS_REGION or ~/.aws/config say]
    #[arg(long, value_name = "REGION")]
    store_region: Option<String>,
    /// Read without credentials, whatever there are
    #[arg(long)]
    store_anonymous: bool,
    /// Ask the metadata service of this machine for credentials
    #[arg(long)]
    store_instance_credentials: bool,
    /// Take "403 Forbidden" for a missing object, as where a bucket may be read but not listed
    #[arg(long)]
    store_403_is_missing: bool,
}

impl From<PlaceArgs> for PlaceFlags {
    fn from(args: PlaceArgs) -> Self {
        Self {
            store_endpoint: args.store_endpoint,
            store_region: args.store_region,
            store_anonymous: args.store_anonymous,
            store_instance_credentials: args.store_instance_credentials,
            store_403_is_missing: args.store_403_is_missing,
        }
    }
}

/// All that remote places need to know.
pub(crate) fn options(places: &Places) -> PlaceOptions {
    places.options(environment, file)
}

/// A small file, if there is one that can be read.
fn file(path: &Path) -> Option<String> {
    let mut text = String::new();
    std::fs::File::open(path).ok()?.take(MOST_BYTES).read_to_string(&mut text).ok()?;
    Some(text)
}
