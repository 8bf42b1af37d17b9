//! Plates: which field is shown first, what the viewer's grid is made of, and how another field is opened.

use crate::real::{Desk, RealServer};
use nc_engine::Recipe;
use nc_engine::write::{Codec, Format, Ngff, PlateShape, write_plate};
use nc_server::Flags;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const LOAD: &str = "napari.load_zarr";

/// A plate of two rows, three columns and two fields per well, in a directory of its own.
fn plate(folder: &Path) -> PathBuf {
    let place = folder.canonicalize().unwrap().join("data/screen.ome.zarr");
    let recipe = Recipe::new("field", &[2, 2, 96, 96], [2, 96, 96], None).unwrap();
    let shape = PlateShape { rows: 2, columns: 3, fields: 2 };
    let format = Format { ngff: Ngff::V05, codec: Codec::BloscLz4, effort: None, shard: None, sparse: false };
    write_plate(&recipe, shape, &place, &format, 2, &|_, _| {}).unwrap();
    place
}

async fn serving(place: &Path) -> RealServer {
    let root = place.parent().unwrap().to_str().unwrap().to_owned();
    RealServer::with(Flags { data_root: Some(root), ..Flags::default() }, place.to_str()).await
}

/// Status line, head in lower case, and body.
async fn get(at: SocketAddr, path: &str, headers: &str) -> (u16, String, Vec<u8>) {
    let mut stream = TcpStream::connect(at).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap().to_lowercase();
    (head[9..12].parse().unwrap(), head, answer[end + 4..].to_vec())
}

async fn document(server: &RealServer) -> Value {
    let (status, head, body) = get(server.bound.http, "/plate.json", "").await;
    assert_eq!(status, 200, "{head}");
    assert!(head.contains("content-type: application/json") && head.contains("cache-control: no-store"), "{head}");
    serde_json::from_slice(&body).unwrap()
}

fn call(kwargs: Value) -> Value {
    json!({"command": LOAD, "kwargs": kwargs})
}

/// The plate's part of the next scene.
async fn place_shown(desk: &mut Desk) -> Value {
    let scene = desk.until(|frame| frame["type"] == "notify.scene").await;
    scene["payload"]["metadata"]["plate"].clone()
}

#[tokio::test]
async fn a_plate_opens_at_its_first_field_and_a_well_without_a_path_is_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = serving(&plate(folder.path())).await;
    let (mut desk, frames) = Desk::open(server.bound.state).await;
    let scene = frames.iter().find(|frame| frame["type"] == "notify.scene").unwrap();
    let shown = json!({"name": "demo plate", "well": "A/1", "field": 0});
    assert_eq!(scene["payload"]["metadata"]["plate"], shown);

    let told = document(&server).await;
    assert_eq!(told["columns"], json!(["1", "2", "3"]));
    assert_eq!(told["wells"][4], json!({"path": "B/2", "row": 1, "column": 1}));
    assert_eq!([&told["well"], &told["field"], &told["fields"]], [&json!("A/1"), &json!(0), &json!(2)]);

    for (given, field, well) in [("B/2", json!(1), "B/2"), ("b3", json!(0), "B/3"), ("A1", Value::Null, "A/1")] {
        let answer = desk.call(&call(json!({"well": given, "field": field}))).await;
        assert_eq!(answer["payload"]["result"], json!({"ok": true}), "{answer}");
        let number = field.as_u64().unwrap_or(0);
        assert_eq!(place_shown(&mut desk).await, json!({"name": "demo plate", "well": well, "field": number}));
        let now = document(&server).await;
        assert_eq!((&now["well"], &now["field"], &now["id"]), (&json!(well), &json!(number), &told["id"]), "the same plate");
    }

    for (kwargs, code, says) in [
        (json!({"well": "Z9"}), "zarr.invalid", "A/1, A/2, A/3"),
        (json!({"well": "B2", "field": 2}), "zarr.invalid", "0 to 1"),
        (json!({"well": 5}), "command.invalid", "well"),
        (json!({"well": "B2", "field": -1}), "command.invalid", "field"),
        (json!({"field": 1}), "command.invalid", "without a path"),
        (json!({"series": 0}), "command.invalid", "without a path"),
    ] {
        let answer = desk.call(&call(kwargs.clone())).await;
        assert_eq!(answer["payload"]["code"], code, "{kwargs}: {answer}");
        assert!(answer["payload"]["message"].as_str().unwrap().contains(says), "{kwargs}: {answer}");
    }
    assert_eq!(document(&server).await["well"], "A/1", "what failed changed nothing");
    server.stop().await;
}

#[tokio::test]
async fn fields_have_pictures_and_other_plates_and_sites_have_none() {
    let folder = tempfile::tempdir().unwrap();
    let server = serving(&plate(folder.path())).await;
    let id = document(&server).await["id"].as_u64().unwrap();
    let mut pictures = Vec::new();
    for (row, column, field) in [(0, 0, 0), (1, 2, 1), (0, 0, 0)] {
        let path = format!("/plate/thumb?plate={id}&row={row}&column={column}&field={field}");
        let (status, head, body) = get(server.bound.http, &path, "").await;
        assert_eq!(status, 200, "{head}");
        assert!(head.contains("content-type: image/png") && head.contains("cross-origin-resource-policy: same-origin"), "{head}");
        let mut reader = png::Decoder::new(std::io::Cursor::new(body)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert!(info.width <= 64 && info.height <= 64 && info.width.max(info.height) > 32, "{info:?}");
        assert!(pixels.iter().any(|&v| v > 64), "something is to be seen");
        pictures.push(pixels);
    }
    assert!(pictures[0] == pictures[2] && pictures[0] != pictures[1]);
    for (path, status) in [
        (format!("/plate/thumb?plate={}&row=0&column=0&field=0", id + 1), 404),
        (format!("/plate/thumb?plate={id}&row=2&column=0&field=0"), 404),
        (format!("/plate/thumb?plate={id}&row=0&column=0&field=2"), 404),
        (format!("/plate/thumb?plate={id}&row=0&column=0"), 400),
        (format!("/plate/thumb?plate={id}&row=0&column=0&field=../0"), 400),
    ] {
        assert_eq!(get(server.bound.http, &path, "").await.0, status, "{path}");
    }
    for path in ["/plate.json".to_owned(), format!("/plate/thumb?plate={id}&row=0&column=0&field=0")] {
        assert_eq!(get(server.bound.http, &path, "Origin: https://example.org\r\n").await.0, 403, "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_plate_that_is_loaded_offers_its_wells_and_none_that_leads_out() {
    let folder = tempfile::tempdir().unwrap();
    let place = plate(folder.path());
    let outside = place.parent().unwrap().parent().unwrap().join("outside");
    std::fs::rename(place.join("B/3"), &outside).unwrap();
    symlink(&outside, place.join("B/3")).unwrap();
    let root = place.parent().unwrap().to_str().unwrap().to_owned();
    let server = RealServer::with(Flags { data_root: Some(root), ..Flags::default() }, None).await;
    let (status, ..) = get(server.bound.http, "/plate.json", "").await;
    assert_eq!(status, 404, "nothing is shown");
    let mut desk = Desk::silent(server.bound.state).await;
    desk.begin(&crate::support::hello()).await;

    let answer = desk.call(&call(json!({"path": "screen.ome.zarr"}))).await;
    assert_eq!(answer["payload"]["code"], "zarr.disambiguate", "{answer}");
    assert_eq!(answer["payload"]["details"]["options"], json!(["A/1", "A/2", "A/3", "B/1", "B/2", "B/3"]));

    let answer = desk.call(&call(json!({"path": "screen.ome.zarr/A/2"}))).await;
    assert_eq!(answer["payload"]["result"], json!({"ok": true}), "{answer}");
    assert_eq!(place_shown(&mut desk).await, json!({"name": "demo plate", "well": "A/2", "field": 0}));

    let answer = desk.call(&call(json!({"path": "screen.ome.zarr", "well": "B1", "field": 1}))).await;
    assert_eq!(answer["payload"]["result"], json!({"ok": true}), "{answer}");
    assert_eq!(place_shown(&mut desk).await["well"], "B/1");

    let answer = desk.call(&call(json!({"path": "screen.ome.zarr", "well": "B3"}))).await;
    assert_eq!(answer["payload"]["code"], "fs.forbidden", "{answer}");
    server.stop().await;
}
