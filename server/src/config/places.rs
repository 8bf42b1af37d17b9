//! How remote places are reached: settings of our own, and credentials from the usual places (the variables of the cloud services, and
//! the files of their tools).

use super::{ConfigError, Key, Setting, set};
use nc_engine::places::{PlaceOptions, Secret};
use std::path::{Path, PathBuf};

/// Settings of remote places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// Another server that speaks the protocol of `s3://`, `gs://` or `az://`.
    pub endpoint: Setting<Option<Secret>>,
    /// The region of buckets of S3; `None` is what its variables or files say.
    pub region: Setting<Option<String>>,
    /// Whether requests go without credentials, whatever there are.
    pub anonymous: Setting<bool>,
    /// Whether the machine's metadata service is asked for credentials.
    pub instance_credentials: Setting<bool>,
    /// Whether "403 Forbidden" means that there is no such object.
    pub forbidden_is_missing: Setting<bool>,
}

/// The command line, as typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)] // one field per flag of the same name; `Places` says what each means
pub struct PlaceFlags {
    pub store_endpoint: Option<String>,
    pub store_region: Option<String>,
    pub store_anonymous: bool,
    pub store_instance_credentials: bool,
    pub store_403_is_missing: bool,
}

/// Variables of S3's own tools, which are handed on as they are.
const S3: [&str; 12] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_REQUEST_PAYER",
];

/// The same of Google Cloud Storage.
const GCS: [&str; 4] =
    ["GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_KEY", "GOOGLE_BEARER_TOKEN"];

/// The same of Azure.
const AZURE: [&str; 10] = [
    "AZURE_STORAGE_ACCOUNT_NAME",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_ACCESS_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_STORAGE_SAS_KEY",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_TENANT_ID",
    "AZURE_AUTHORITY_HOST",
    "AZURE_FEDERATED_TOKEN_FILE",
];

impl Places {
    /// Puts the settings together; flags come before variables.
    ///
    /// # Errors
    /// The first value that is not allowed. An endpoint is not shown: it may hold a password.
    pub fn resolve(flags: PlaceFlags, env: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let key = |flag, variable, allowed| Key { flag, variable, allowed };
        let endpoint = key("--store-endpoint", "NAPARI_CUDA_STORE_ENDPOINT", "a URL such as https://minio.example.org:9000");
        let endpoint = endpoint.setting(flags.store_endpoint, &env, None, |text| {
            let sound =
                (text.starts_with("http://") || text.starts_with("https://")) && text.bytes().all(|b| b.is_ascii_graphic());
            sound.then(|| Some(Secret::new(text)))
        });
        let region = key("--store-region", "NAPARI_CUDA_STORE_REGION", "a region such as eu-west-1");
        let switch = |flag: &'static str, variable, typed| {
            key(flag, variable, "1 or 0").setting(if typed { Some("1".to_owned()) } else { None }, &env, false, |text| match text
            {
                "1" | "true" | "yes" => Some(true),
                "0" | "false" | "no" => Some(false),
                _ => None,
            })
        };
        Ok(Self {
            endpoint: endpoint.map_err(ConfigError::without_value)?,
            region: region.setting(flags.store_region, &env, None, |text| {
                text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-').then(|| Some(text.to_owned()))
            })?,
            anonymous: switch("--store-anonymous", "NAPARI_CUDA_STORE_ANONYMOUS", flags.store_anonymous)?,
            instance_credentials: switch(
                "--store-instance-credentials",
                "NAPARI_CUDA_STORE_INSTANCE_CREDENTIALS",
                flags.store_instance_credentials,
            )?,
            forbidden_is_missing: switch(
                "--store-403-is-missing",
                "NAPARI_CUDA_STORE_403_IS_MISSING",
                flags.store_403_is_missing,
            )?,
        })
    }

    /// All that remote places need to know, with credentials from where their tools have them: variables, then `~/.aws` and
    /// gcloud's file. `file` reads one, or tells that there is none.
    pub fn options(&self, env: impl Fn(&str) -> Option<String>, file: impl Fn(&Path) -> Option<String>) -> PlaceOptions {
        let given = |names: &[&str]| -> Vec<(String, Secret)> {
            names.iter().filter_map(|name| Some((name.to_ascii_lowercase(), Secret::new(set(&env, name)?)))).collect()
        };
        let home = set(&env, "HOME").map(PathBuf::from);
        let (mut s3, mut gcs, mut azure) = (given(&S3), given(&GCS), given(&AZURE));
        let profile = set(&env, "AWS_PROFILE").or_else(|| set(&env, "AWS_DEFAULT_PROFILE"));
        let profile = profile.unwrap_or_else(|| "default".to_owned());
        let tool = |variable: &str, name: &str| {
            let path = set(&env, variable).map(PathBuf::from).or_else(|| Some(home.as_ref()?.join(".aws").join(name)));
            path.and_then(|path| file(&path)).unwrap_or_default()
        };
        let (credentials, config) = (tool("AWS_SHARED_CREDENTIALS_FILE", "credentials"), tool("AWS_CONFIG_FILE", "config"));
        // Its parts belong together: a key of the environment is not signed with a secret of a file.
        let keys = ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"];
        let has = |settings: &[(String, Secret)], name: &str| settings.iter().any(|(known, _)| known == name);
        let own_keys = !["aws_access_key_id", "aws_web_identity_token_file", "aws_container_credentials_relative_uri"]
            .iter()
            .any(|name| has(&s3, name));
        let of_file = |name: &str| ini(&credentials, &profile, name).or_else(|| ini(&config, &profile, name));
        if own_keys {
            s3.extend(keys.iter().filter_map(|name| Some(((*name).to_owned(), Secret::new(of_file(name)?)))));
        }
        let region = self.region.value.clone().or_else(|| if has(&s3, "aws_region") { None } else { of_file("region") });
        if let Some(region) = region {
            // The last of a name counts.
            s3.push(("aws_region".to_owned(), Secret::new(region)));
        }
        let endpoint = set(&env, "AWS_ENDPOINT_URL_S3").or_else(|| set(&env, "AWS_ENDPOINT_URL"));
        if let Some(endpoint) = endpoint.or_else(|| of_file("endpoint_url")) {
            s3.push(("aws_endpoint".to_owned(), Secret::new(endpoint)));
        }
        if gcs.is_empty()
            && let Some(path) = home.map(|home| home.join(".config/gcloud/application_default_credentials.json"))
            && file(&path).is_some()
        {
            gcs.push(("google_application_credentials".to_owned(), Secret::new(path.to_string_lossy())));
        }
        if let Some(account) = set(&env, "AZURE_STORAGE_ACCOUNT").filter(|_| !has(&azure, "azure_storage_account_name")) {
            azure.push(("azure_storage_account_name".to_owned(), Secret::new(account)));
        }
        let first = |names: &[&str]| names.iter().find_map(|name| set(&env, name));
        PlaceOptions {
            s3,
            gcs,
            azure,
            endpoint: self.endpoint.value.clone(),
            anonymous: self.anonymous.value,
            instance_credentials: self.instance_credentials.value,
            forbidden_is_missing: self.forbidden_is_missing.value,
            proxy: first(&["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]).map(Secret::new),
            no_proxy: first(&["NO_PROXY", "no_proxy"]),
            ..PlaceOptions::default()
        }
    }
}

/// The value of `name` in the section of `profile`, of a file of S3's tools.
fn ini(text: &str, profile: &str, name: &str) -> Option<String> {
    let mut inside = false;
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[').and_then(|line| line.split(']').next()) {
            let section = section.trim();
            // The file of settings writes "profile" before all names but "default".
            inside = section.strip_prefix("profile ").map_or(section, str::trim) == profile;
        } else if inside
            && let Some((key, value)) = line.split_once('=')
            && key.trim().eq_ignore_ascii_case(name)
        {
            return Some(value.trim().to_owned()).filter(|value| !value.is_empty());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(flags: PlaceFlags, env: &[(&str, &str)], files: &[(&str, &str)]) -> PlaceOptions {
        let env = |name: &str| env.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let file = |path: &Path| files.iter().find(|(known, _)| Path::new(known) == path).map(|(_, text)| (*text).to_owned());
        Places::resolve(flags, env).unwrap().options(env, file)
    }

    fn value<'a>(settings: &'a [(String, Secret)], name: &str) -> Option<&'a str> {
        settings.iter().rfind(|(known, _)| known == name).map(|(_, value)| value.expose())
    }

    const CREDENTIALS: &str = "[default]\naws_access_key_id = A\naws_secret_access_key=B\n\n# note\n[lab]\naws_access_key_id=C\n\
                               aws_secret_access_key=D=d\naws_session_token=\n";
    const CONFIG: &str = "[default]\nregion=eu-west-1\n[profile lab]\nregion = us-west-2\nendpoint_url = https://s3.lab.org\n";

    #[test]
    fn credentials_come_from_variables_or_files_and_never_from_both() {
        let files = [("/home/me/.aws/credentials", CREDENTIALS), ("/home/me/.aws/config", CONFIG)];
        let found = options(PlaceFlags::default(), &[("HOME", "/home/me")], &files);
        assert_eq!((value(&found.s3, "aws_access_key_id"), value(&found.s3, "aws_secret_access_key")), (Some("A"), Some("B")));
        assert_eq!((value(&found.s3, "aws_region"), value(&found.s3, "aws_endpoint")), (Some("eu-west-1"), None));

        let found = options(PlaceFlags::default(), &[("HOME", "/home/me"), ("AWS_PROFILE", "lab")], &files);
        assert_eq!((value(&found.s3, "aws_access_key_id"), value(&found.s3, "aws_secret_access_key")), (Some("C"), Some("D=d")));
        assert_eq!(value(&found.s3, "aws_session_token"), None);
        assert_eq!(
            (value(&found.s3, "aws_region"), value(&found.s3, "aws_endpoint")),
            (Some("us-west-2"), Some("https://s3.lab.org"))
        );

        let env = [("HOME", "/home/me"), ("AWS_ACCESS_KEY_ID", "E"), ("AWS_REGION", "r"), ("AZURE_STORAGE_ACCOUNT", "acc")];
        let found = options(PlaceFlags::default(), &env, &files);
        assert_eq!((value(&found.s3, "aws_access_key_id"), value(&found.s3, "aws_secret_access_key")), (Some("E"), None));
        assert_eq!(value(&found.s3, "aws_region"), Some("r"));
        assert_eq!(value(&found.azure, "azure_storage_account_name"), Some("acc"));
        let flags = PlaceFlags { store_region: Some("mine".into()), store_anonymous: true, ..PlaceFlags::default() };
        let found = options(flags, &env, &files);
        assert_eq!((value(&found.s3, "aws_region"), found.anonymous), (Some("mine"), true));
        assert_eq!(options(PlaceFlags::default(), &[], &[]), PlaceOptions::default());
    }

    #[test]
    fn gcloud_is_asked_if_nothing_else_says_who_we_are() {
        let path = "/home/me/.config/gcloud/application_default_credentials.json";
        let found = options(PlaceFlags::default(), &[("HOME", "/home/me")], &[(path, "{}")]);
        assert_eq!(value(&found.gcs, "google_application_credentials"), Some(path));
        let env = [("HOME", "/home/me"), ("GOOGLE_SERVICE_ACCOUNT", "/key.json")];
        let found = options(PlaceFlags::default(), &env, &[(path, "{}")]);
        assert_eq!(value(&found.gcs, "google_application_credentials"), None);
    }

    #[test]
    fn nothing_secret_is_told() {
        let env = [
            ("AWS_SECRET_ACCESS_KEY", "s3cr3t"),
            ("AZURE_STORAGE_SAS_TOKEN", "s3cr3t"),
            ("HTTPS_PROXY", "http://me:s3cr3t@proxy"),
            ("NAPARI_CUDA_STORE_ENDPOINT", "https://me:s3cr3t@host"),
        ];
        let told = format!("{:?}", options(PlaceFlags::default(), &env, &[]));
        assert!(!told.contains("s3cr3t"), "{told}");
        let flags = PlaceFlags { store_endpoint: Some("me:s3cr3t@host".into()), ..PlaceFlags::default() };
        let told = Places::resolve(flags, |_| None).unwrap_err().to_string();
        assert!(told.starts_with("--store-endpoint") && !told.contains("s3cr3t"), "{told}");
        let told = Places::resolve(PlaceFlags::default(), |name| (name == "NAPARI_CUDA_STORE_ANONYMOUS").then(|| "maybe".into()));
        assert!(told.unwrap_err().to_string().ends_with("give 1 or 0"));
    }
}
