use super::*;

fn nothing(_: &str) -> Option<String> {
    None
}

#[test]
fn nothing_given_is_the_defaults_on_loopback() {
    let config = Config::resolve(Flags::default(), nothing).unwrap();
    assert_eq!(config.host, Setting { value: "127.0.0.1".to_owned(), origin: Origin::Default });
    assert_eq!((config.state_port.value, config.pixel_port.value, config.http_port.value), (8081, 8082, 8083));
    assert_eq!(config.canvas(), CanvasSize { width: 1280, height: 720 });
    assert_eq!((config.fps.value, config.bitrate_bps.value), (60.0, 12_000_000));
    assert_eq!(config.data.value, DataSource::None);
    assert_eq!(config.log_level.value, LogLevel::Info);
    assert_eq!(config.data_root, Setting { value: None, origin: Origin::Default });
    assert_eq!(config.allow_urls, Setting { value: vec![], origin: Origin::Default });
    assert_eq!(config.drive, Setting { value: Drive::Everyone, origin: Origin::Default });
    assert_eq!(config.watch, Setting { value: true, origin: Origin::Default });
}

#[test]
fn one_thing_is_served() {
    let of = |data: Option<&str>, demo, pattern: Option<&str>| {
        let flags = Flags { data: data.map(str::to_owned), demo, pattern: pattern.map(str::to_owned), ..Flags::default() };
        Config::resolve(flags, with(&[])).map(|config| config.data.value)
    };
    assert_eq!(of(None, false, Some("counter")), Ok(DataSource::Pattern(nc_engine::Pattern::Counter)));
    assert!(matches!(of(None, false, Some("stripes")), Err(ConfigError::Value { name: "--pattern", .. })));
    for (data, demo, pattern) in [(Some("x"), true, None), (Some("x"), false, Some("bars")), (None, true, Some("bars"))] {
        assert_eq!(of(data, demo, pattern), Err(ConfigError::TwoSources));
    }
}

#[test]
fn growing_data_are_watched_unless_a_flag_or_variable_says_no() {
    let watch = |flag, variables| Config::resolve(Flags { no_watch: flag, ..Flags::default() }, with(variables)).unwrap().watch;
    assert_eq!(watch(true, &[]), Setting { value: false, origin: Origin::Flag("--no-watch") });
    let origin = Origin::Environment("NAPARI_CUDA_WATCH");
    assert_eq!(watch(false, &[("NAPARI_CUDA_WATCH", "off")]), Setting { value: false, origin });
    assert!(!watch(true, &[("NAPARI_CUDA_WATCH", "on")]).value);
}

fn with(variables: &'static [(&'static str, &'static str)]) -> impl Fn(&str) -> Option<String> {
    |name| variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
}

#[test]
fn who_may_drive_and_what_may_be_opened_are_said_by_flag_or_variable() {
    let env = with(&[
        ("NAPARI_CUDA_DATA_ROOT", "/data"),
        ("NAPARI_CUDA_ALLOW_URL", "https://a.org/x/  s3://bucket"),
        ("NAPARI_CUDA_DRIVE_TOKEN", "open-sesame"),
    ]);
    let config = Config::resolve(Flags::default(), &env).unwrap();
    let data_root = Setting { value: Some("/data".into()), origin: Origin::Environment("NAPARI_CUDA_DATA_ROOT") };
    assert_eq!(config.data_root, data_root);
    assert_eq!(config.allow_urls.value, ["https://a.org/x/", "s3://bucket"].map(Secret::new));
    assert_eq!(config.allow_urls.origin, Origin::Environment("NAPARI_CUDA_ALLOW_URL"));
    let origin = Origin::Environment("NAPARI_CUDA_DRIVE_TOKEN");
    assert_eq!(config.drive, Setting { value: Drive::Token("open-sesame".into()), origin }, "a token alone is needed");
    assert!(!format!("{config:?}").contains("sesame"), "a configuration may be logged, a secret may not");

    let flags = Flags {
        data_root: Some("/other".into()),
        allow_url: vec!["https://b.org".into()],
        drive: Some("First".into()),
        ..Flags::default()
    };
    let config = Config::resolve(flags, &env).unwrap();
    assert_eq!(config.data_root, Setting { value: Some("/other".into()), origin: Origin::Flag("--data-root") });
    assert_eq!(config.allow_urls, Setting { value: vec![Secret::new("https://b.org")], origin: Origin::Flag("--allow-url") });
    assert_eq!(config.drive, Setting { value: Drive::First, origin: Origin::Flag("--drive") });

    let flags = Flags { drive: Some("token".into()), drive_token: Some("abc".into()), ..Flags::default() };
    let config = Config::resolve(flags, nothing).unwrap();
    assert_eq!(config.drive, Setting { value: Drive::Token("abc".into()), origin: Origin::Flag("--drive") });
}

#[test]
fn driving_by_token_needs_one_and_no_message_shows_it() {
    let of = |flags| Config::resolve(flags, nothing).unwrap_err().to_string();
    let told = of(Flags { drive: Some("token".into()), ..Flags::default() });
    assert!(told.contains("NAPARI_CUDA_DRIVE_TOKEN") && told.contains("--drive-token"), "{told}");
    assert!(of(Flags { drive: Some("nobody".into()), ..Flags::default() }).ends_with("give everyone, first or token"));
    let told = of(Flags { drive_token: Some("two words".into()), ..Flags::default() });
    assert!(told.starts_with("--drive-token") && !told.contains("words"), "{told}");
    for wrong in ["https://", "example.org", "://x", "https:///path", "ht tp://x", "1s://x"] {
        let told = of(Flags { allow_url: vec!["https://fine.org".into(), wrong.into()], ..Flags::default() });
        // The example that it gives is nobody's secret.
        let told = told.replace("https://example.org/images/", "");
        assert!(told.starts_with("--allow-url") && !told.contains(wrong) && !told.contains("fine"), "{told}");
    }
}

#[test]
fn flags_beat_the_environment_and_both_are_remembered() {
    let env = |name: &str| match name {
        "NAPARI_CUDA_WIDTH" => Some("640".to_owned()),
        "NAPARI_CUDA_HEIGHT" => Some("360".to_owned()),
        "NAPARI_CUDA_HOST" => Some(String::new()),
        "NAPARI_CUDA_ZARR_PATH" => Some("/data/a.zarr".to_owned()),
        _ => None,
    };
    let flags = Flags { width: Some("800".to_owned()), ..Flags::default() };
    let config = Config::resolve(flags, env).unwrap();
    assert_eq!(config.width, Setting { value: 800, origin: Origin::Flag("--width") });
    assert_eq!(config.height, Setting { value: 360, origin: Origin::Environment("NAPARI_CUDA_HEIGHT") });
    assert_eq!(config.host.origin, Origin::Default, "an empty variable is not set");
    assert_eq!(config.data.origin, Origin::Environment("NAPARI_CUDA_ZARR_PATH"));
}

#[test]
fn bad_values_name_what_held_them_and_what_is_allowed() {
    let of = |flags| Config::resolve(flags, nothing).unwrap_err().to_string();
    let flags = || Flags::default();
    assert_eq!(
        of(Flags { width: Some("641".into()), ..flags() }),
        r#"--width: "641" is not allowed; give an even number of pixels from 64 to 3840"#
    );
    assert!(of(Flags { state_port: Some("65536".into()), ..flags() }).starts_with("--state-port: \"65536\""));
    assert!(of(Flags { fps: Some("NaN".into()), ..flags() }).starts_with("--fps"));
    assert!(of(Flags { device: Some("gpu".into()), ..flags() }).ends_with("give auto, cpu or gl"));
    assert!(of(Flags { host: Some(" ".into()), ..flags() }).starts_with("--host"));
    assert_eq!(
        of(Flags { data: Some("a".into()), demo: true, ..flags() }),
        "DATA, --demo and --pattern exclude each other; give one of them"
    );
    let env = |name: &str| (name == "NAPARI_CUDA_CACHE_MB").then(|| "lots".to_owned());
    let error = Config::resolve(Flags::default(), env).unwrap_err().to_string();
    assert!(error.starts_with("NAPARI_CUDA_CACHE_MB: \"lots\""), "{error}");
}

#[test]
fn a_url_to_serve_is_a_secret() {
    let of = |data: &str| Config::resolve(Flags { data: Some(data.into()), ..Flags::default() }, nothing).unwrap();
    let config = of("https://me:s3cr3t@host/x.zarr?sig=s3cr3t");
    assert!(matches!(config.data.value, DataSource::Url(_)) && !format!("{config:?}").contains("s3cr3t"));
    for path in ["a/b.zarr", "c:/x", "a/b://c", "://x"] {
        assert_eq!(of(path).data.value, DataSource::Path(path.into()), "{path}");
    }
}

#[test]
fn only_our_own_crates_are_logged() {
    let filter = LogLevel::Trace.filter();
    assert!(filter.starts_with("off,") && filter.contains("nc_store=trace") && filter.contains("napari_cuda=trace"));
    for library in ["object_store", "reqwest", "hyper", "rustls"] {
        assert!(!filter.contains(library));
    }
}
