//! What a URL and credentials hold stays with whoever gave them: it is in no log line at any level, no frame to anybody else, no
//! metric, no error and no description of an image.

use crate::http::get;
use crate::real::{Desk, RealServer, golden};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Response, StatusCode, Uri, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nc_engine::{Engine, EngineConfig};
use nc_server::Flags;
use nc_server::config::LogLevel;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use std::io;
use std::sync::{Mutex, OnceLock, PoisonError};

const STACK: &str = "cells3d_labels_v05.ome.zarr";
const FISH: &str = "fish4c_u16_v05_sharded_blosc.ome.zarr";

/// Everything that was logged in this process.
static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Log;

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Logs as the program does at its most talkative.
fn log_everything() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        let filter = tracing_subscriber::EnvFilter::new(LogLevel::Trace.filter());
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| Log).with_ansi(false).init();
    });
}

/// One who serves the golden images below a secret folder to those who know user, password and query; in several bad ways, too.
async fn images(folder: String, user: String, query: String) -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let expected = format!("Basic {}", STANDARD.encode(user));
    let answer = move |uri: Uri, headers: HeaderMap| {
        let allowed = headers.get(header::AUTHORIZATION).is_some_and(|value| *value == expected.as_str())
            && uri.query() == Some(query.as_str());
        let below = uri.path().strip_prefix(&format!("/{folder}/")).map(str::to_owned);
        async move {
            let (mode, path) = below.as_deref().and_then(|path| path.split_once('/')).unwrap_or(("", ""));
            let echo = uri.to_string();
            let (status, body) = match (mode, allowed) {
                (_, false) => (StatusCode::FORBIDDEN, echo.into_bytes()),
                ("down", _) => (StatusCode::SERVICE_UNAVAILABLE, echo.into_bytes()),
                ("denied", _) => (StatusCode::UNAUTHORIZED, echo.into_bytes()),
                ("broken", _) => (StatusCode::OK, echo.into_bytes()),
                _ => match std::fs::read(golden().join(path)) {
                    Ok(bytes) => (StatusCode::OK, bytes),
                    Err(_) => (StatusCode::NOT_FOUND, echo.into_bytes()),
                },
            };
            let mut response = Response::new(Body::from(body));
            *response.status_mut() = status;
            response
        }
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    port
}

/// As it must be written in a URL.
fn encoded(text: &str) -> String {
    text.bytes().map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

struct Secrets {
    forms: Vec<String>,
}

impl Secrets {
    fn check(&self, what: &str, text: &str) {
        for secret in &self.forms {
            assert!(!text.contains(secret.as_str()), "{what} shows {secret:?}: {}", around(text, secret));
        }
    }
}

fn around(text: &str, secret: &str) -> String {
    let line = text.lines().find(|line| line.contains(secret)).unwrap_or_default();
    line.chars().take(400).collect()
}

#[tokio::test]
async fn nothing_secret_is_told_to_anybody() {
    log_everything();
    let mut runner = TestRunner::deterministic();
    for round in 0..4 {
        let mut secret = |prefix: &str| {
            let made = "[A-Za-z0-9+/=~ é-]{12,20}".new_tree(&mut runner).unwrap().current();
            format!("{prefix}s3{made}x")
        };
        let (password, signature, folder) =
            (secret("pw"), secret("sig"), secret("dir").replace(['/', '~', ' ', 'é', '=', '+'], "-"));
        let query = format!("X-Amz-Signature={}", encoded(&signature));
        let port = images(folder.clone(), format!("me:{}", encoded(&password)), query.clone()).await;
        let host = format!("127.0.0.1:{port}");
        let prefix = format!("http://me:{}@{host}/{folder}/", encoded(&password));
        let mut forms = vec![folder.clone(), host.clone(), format!("me:{password}")];
        for text in [&password, &signature] {
            forms.extend([text.clone(), encoded(text), encoded(text).to_lowercase(), STANDARD.encode(text)]);
        }
        let secrets = Secrets { forms };

        let flags =
            Flags { data_root: Some(golden().to_str().unwrap().to_owned()), allow_url: vec![prefix.clone()], ..Flags::default() };
        let server = RealServer::with(flags, Some(STACK)).await;
        let (mut asker, _) = Desk::open(server.bound.state).await;
        let (mut other, _) = Desk::open(server.bound.state).await;
        let mut frames: Vec<Value> = Vec::new();
        for (mode, code) in [
            ("down", Some("command.retryable")),
            ("denied", Some("fs.forbidden")),
            ("broken", Some("zarr.invalid")),
            ("ok/none", Some("zarr.invalid")),
            ("ok", None),
        ] {
            let url = format!("{prefix}{mode}/{FISH}?{query}");
            let answer = asker.call(&json!({"command": "napari.load_zarr", "kwargs": {"path": url}})).await;
            let payload = &answer["payload"];
            assert_eq!(payload["code"].as_str(), code, "{mode}: {payload}");
            // Whoever gave a URL may get it back in the details, where programs look.
            secrets.check(mode, &payload["message"].to_string());
            if code.is_none() {
                frames.push(asker.until(|frame| frame["type"] == "notify.scene").await);
                frames.push(other.until(|frame| frame["type"] == "notify.scene").await);
            }
            frames.extend(asker.fence().await);
            frames.extend(other.fence().await);
        }
        // One that comes later is told of the scene, too.
        let (_, first) = Desk::open(server.bound.state).await;
        frames.extend(first);
        let told = serde_json::to_string(&frames).unwrap();
        assert!(told.contains("http …/fish4c") || told.contains("fish4c"), "the image is known by its name");
        secrets.check("a frame", &told);
        let (head, body) = get(server.bound.http, "/metrics", "").await;
        secrets.check("the metrics", &format!("{head}{body}"));
        server.stop().await;

        // What `info` and the errors of `serve` are made of.
        let told = tokio::task::spawn_blocking(move || {
            let engine = Engine::new(EngineConfig { cache_bytes: 0, loader_threads: 1, ..EngineConfig::default() });
            let open = |mode: &str| match engine.open(&format!("{prefix}{mode}/{FISH}?{query}")) {
                Ok(image) => format!("{} {:?}", serde_json::to_string(&*image.info).unwrap(), image.info),
                Err(error) => format!("{error} {error:?}"),
            };
            ["ok", "denied", "broken", "down"].map(open).join("\n")
        });
        secrets.check("an image or an error", &told.await.unwrap());
        let log = String::from_utf8_lossy(&LOG.lock().unwrap_or_else(PoisonError::into_inner)).into_owned();
        assert!(log.contains("command failed") && log.contains("serving"), "round {round}: the log is heard");
        secrets.check("the log", &log);
    }
}
