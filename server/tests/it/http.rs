//! What the listeners answer to plain HTTP.

use crate::support::{TestAmbient, TestServer, packet};
use nc_server::{Config, Flags, ServeError, Server};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The head (lower case) and body of the answer.
pub(crate) async fn get(at: SocketAddr, path: &str, headers: &str) -> (String, String) {
    let mut stream = TcpStream::connect(at).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_lowercase(), body.to_owned())
}

#[tokio::test]
async fn the_page_is_served_with_its_protections() {
    let server = TestServer::ready().await;
    let (head, body) = get(server.bound.http, "/", "").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(head.contains("content-type: text/html; charset=utf-8"));
    assert!(head.contains("x-content-type-options: nosniff"));
    assert!(head.contains("content-security-policy: default-src 'none'; script-src 'self'"));
    assert!(body.to_lowercase().starts_with("<!doctype html>"));
    let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
    let (head, body) = get(server.bound.http, "/", &format!("If-None-Match: {tag}\r\n")).await;
    assert!(head.starts_with("http/1.1 304") && body.is_empty(), "{head}");
    let (head, _) = get(server.bound.http, "/app.js", "").await;
    assert!(head.contains("content-type: text/javascript"), "{head}");
    let (head, _) = get(server.bound.http, "/../Cargo.toml", "").await;
    assert!(head.starts_with("http/1.1 404"), "{head}");
    server.stop().await;
}

#[tokio::test]
async fn health_and_metrics() {
    let server = TestServer::ready().await;
    assert_eq!(get(server.bound.http, "/healthz", "").await.1, "ok\n");
    server.sink.packet(packet(true, 1000));
    server.sink.packet(packet(false, 10));
    let (head, body) = get(server.bound.http, "/metrics.json", "").await;
    assert!(head.contains("content-type: application/json"), "{head}");
    let metrics: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(metrics["version"], "v1");
    assert_eq!(metrics["counters"]["napari_cuda_frames_total"], 2);
    assert_eq!(metrics["counters"]["napari_cuda_bytes_total"], 1010);
    assert_eq!(metrics["counters"]["napari_cuda_keyframes_total"], 1);
    assert_eq!(metrics["gauges"]["napari_cuda_last_key_seq"], 0.0);
    assert_eq!(metrics["gauges"]["napari_cuda_test"], 1.0, "the engine's own are there");
    assert!(metrics["derived"]["fps"].is_number() && metrics["histograms"].is_object());
    server.stop().await;
}

#[tokio::test]
async fn websockets_are_for_programs_and_for_our_own_page() {
    let server = TestServer::ready().await;
    let upgrade = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (at, path) in [(server.bound.http, "/ws/state"), (server.bound.state, "/"), (server.bound.pixel, "/")] {
        let foreign = format!("{upgrade}Origin: https://example.org\r\n");
        assert!(get(at, path, &foreign).await.0.starts_with("http/1.1 403"));
        assert!(get(at, path, "Origin: null\r\n").await.0.starts_with("http/1.1 403"));
        assert!(get(at, path, "").await.0.starts_with("http/1.1 426"));
    }
    server.stop().await;
}

#[tokio::test]
async fn a_taken_port_is_named_with_its_flag() {
    let server = TestServer::ready().await;
    let taken = server.bound.pixel;
    let any = || Some("0".to_owned());
    let flags = Flags { state_port: any(), http_port: any(), pixel_port: Some(taken.port().to_string()), ..Flags::default() };
    let config = Config::resolve(flags, |_| None).unwrap();
    match Server::bind(&config, Arc::new(TestAmbient::default())).await {
        Err(error @ ServeError::PortTaken { .. }) => assert_eq!(
            error.to_string(),
            format!(
                "{taken} is already in use, perhaps by another napari-cuda; stop it or choose another port with --pixel-port"
            )
        ),
        other => panic!("{:?}", other.map(|server| server.bound())),
    }
    server.stop().await;
}
