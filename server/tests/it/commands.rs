//! Commands over real websockets: every error, a listing, another image for everyone. With the real engine and golden images, and with a
//! scripted engine where one must wait, fail or panic.

use crate::real::{Desk, RealServer, golden};
use crate::support::{FakeEngine, PATIENCE, TestServer, Wire, dataset, hello, view};
use nc_engine::OpenError;
use nc_engine::api::{Applied, Event, Sink};
use nc_protocol::command::Call;
use nc_protocol::{Body, ServerFrame};
use nc_server::engine::{LoadError, Prepared};
use nc_server::{Config, Flags};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock};

const STACK: &str = "cells3d_labels_v05.ome.zarr";
const FISH: &str = "fish4c_u16_v05_sharded_blosc.ome.zarr";
const COLORS: &str = "ihc_rgb_v05_zstd.ome.zarr";

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() { copy(&entry.path(), &target) } else { std::fs::copy(entry.path(), target).map(drop).unwrap() }
    }
}

fn write(path: &Path, content: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

/// A directory of images and of much else; absolute and without links.
fn shelf() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let top = folder.path().canonicalize().unwrap();
    let root = top.join("data");
    copy(&golden().join(STACK), &root.join("study/Stack.ome.zarr"));
    copy(&golden().join(COLORS), &root.join("colors.ome.zarr"));
    write(&root.join("two/a.zarr/.zarray"), "{}");
    write(&root.join("two/deeper/b.zarr/.zarray"), "{}");
    write(&root.join("broken/zarr.json"), "{");
    write(&root.join("complex/.zarray"), r#"{"zarr_format": 2, "shape": [4, 4], "chunks": [4, 4], "dtype": "<c8"}"#);
    write(&root.join("notes.txt"), "notes");
    write(&root.join("Archive.ZARR"), "not a directory");
    write(&root.join(".hidden.zarr"), "");
    std::fs::create_dir_all(root.join("empty")).unwrap();
    write(&top.join("secret"), "secret");
    copy(&golden().join(STACK), &top.join("data-evil/stack.zarr"));
    symlink("..", root.join("out")).unwrap();
    symlink("../data-evil/stack.zarr", root.join("evil.zarr")).unwrap();
    symlink("study/Stack.ome.zarr", root.join("link.zarr")).unwrap();
    (folder, root)
}

fn flags(root: &Path) -> Flags {
    Flags {
        data_root: Some(root.to_str().unwrap().to_owned()),
        allow_url: vec!["https://images.example/public/".to_owned(), "http://127.0.0.1:9/public/".to_owned()],
        ..Flags::default()
    }
}

fn call(command: &str, kwargs: Value) -> Value {
    json!({"command": command, "kwargs": kwargs})
}

#[tokio::test]
async fn every_error_has_its_code_and_changes_nothing() {
    let (_folder, root) = shelf();
    let server = RealServer::with(flags(&root), Some(STACK)).await;
    let (mut desk, _) = Desk::open(server.bound.state).await;
    desk.fence().await;
    let before = server.session.view();
    let at = |name: &str| json!({"path": root.join(name).to_str().unwrap()});
    let given = |path: &str| json!({"path": path});
    let absolute = |name: &str| root.parent().unwrap().join(name).to_str().unwrap().to_owned();
    let (list, load) = ("fs.listdir", "napari.load_zarr");
    // Arguments, then code, details, and what the message tells.
    let rows: Vec<(&str, Value, &str, Value, &str)> = vec![
        (list, json!({"only": ".zarr"}), "command.invalid", Value::Null, "only"),
        (list, json!({"only": [".zarr", 5]}), "command.invalid", Value::Null, "only"),
        (list, json!({"only": {}}), "command.invalid", Value::Null, "only"),
        (list, json!({"path": 5}), "command.invalid", Value::Null, "path"),
        (list, json!({"show_hidden": "yes"}), "command.invalid", Value::Null, "show_hidden"),
        (list, given("nothing"), "fs.not_found", given("nothing"), "nothing"),
        (list, given("notes.txt"), "fs.not_found", given("notes.txt"), "not a directory"),
        (list, given("notes.txt/x"), "fs.not_found", given("notes.txt/x"), "notes.txt"),
        (list, given(".."), "fs.forbidden", given(".."), "outside"),
        (list, given("study/../../secret"), "fs.forbidden", given("study/../../secret"), "outside"),
        (list, given("/etc"), "fs.forbidden", given("/etc"), "outside"),
        (list, given("/no/such/thing"), "fs.forbidden", given("/no/such/thing"), "outside"),
        (list, json!({"path": absolute("data-evil")}), "fs.forbidden", json!({"path": absolute("data-evil")}), "outside"),
        (list, given("out"), "fs.forbidden", given("out"), "outside"),
        (list, given("out/data"), "fs.forbidden", given("out/data"), "outside"),
        (list, given("evil.zarr"), "fs.forbidden", given("evil.zarr"), "outside"),
        (list, given("https://images.example/public/"), "fs.not_found", given("https://images.example/public/"), "URL"),
        (list, given("https://images.example/"), "fs.forbidden", given("https://images.example/"), "outside"),
        (load, json!({}), "command.invalid", Value::Null, "path"),
        (load, json!({"path": null}), "command.invalid", Value::Null, "path"),
        (load, json!({"path": ""}), "command.invalid", Value::Null, "path"),
        (load, json!({"path": ["a"]}), "command.invalid", Value::Null, "path"),
        (load, given("nothing.zarr"), "fs.not_found", given("nothing.zarr"), "nothing.zarr"),
        (load, given("../secret"), "fs.forbidden", given("../secret"), "outside"),
        (
            load,
            json!({"path": absolute("data-evil/stack.zarr")}),
            "fs.forbidden",
            json!({"path": absolute("data-evil/stack.zarr")}),
            "outside",
        ),
        (load, given("evil.zarr"), "fs.forbidden", given("evil.zarr"), "outside"),
        (load, given("out/secret"), "fs.forbidden", given("out/secret"), "outside"),
        (load, given("out/nothing"), "fs.forbidden", given("out/nothing"), "outside"),
        (load, given("file:///etc/passwd"), "fs.forbidden", given("file:///etc/passwd"), "outside"),
        (load, given("https://images.example.evil/x"), "fs.forbidden", given("https://images.example.evil/x"), "outside"),
        (
            load,
            given("https://images.example/public/../x"),
            "fs.forbidden",
            given("https://images.example/public/../x"),
            "outside",
        ),
        (
            load,
            // Nobody listens there.
            given("http://127.0.0.1:9/public/a.zarr?s3cr3t"),
            "command.retryable",
            given("http://127.0.0.1:9/public/a.zarr?s3cr3t"),
            "the server cannot be reached",
        ),
        (load, given("broken"), "zarr.invalid", at("broken"), "not valid JSON"),
        (load, given("complex"), "zarr.invalid", at("complex"), "<c8"),
        (load, given("empty"), "zarr.invalid", at("empty"), "holds no zarr image"),
        (load, given("notes.txt"), "zarr.invalid", at("notes.txt"), "is a file"),
        (
            load,
            given("two"),
            "zarr.disambiguate",
            json!({"path": root.join("two").to_str().unwrap(), "options": ["a.zarr", "deeper/b.zarr"]}),
            "2 images",
        ),
        ("fs.rmdir", json!({}), "command.not_found", Value::Null, "fs.rmdir"),
    ];
    for (command, kwargs, code, details, tells) in rows {
        let payload = desk.call(&call(command, kwargs.clone())).await["payload"].clone();
        let row = format!("{command} {kwargs}: {payload}");
        assert_eq!(payload["status"], "error", "{row}");
        assert_eq!(payload["code"], code, "{row}");
        assert_eq!(payload.get("details").cloned().unwrap_or_default(), details, "{row}");
        let message = payload["message"].as_str().unwrap();
        assert!(message.contains(tells) && !message.contains('\n'), "{row}");
        assert!(!message.contains("data-evil") || kwargs.to_string().contains("data-evil"), "what is outside stays there: {row}");
    }
    assert_eq!(desk.fence().await, [] as [Value; 0], "nobody was told of anything");
    let after = server.session.view();
    assert_eq!((after.epoch, &after.dataset, after.plane), (before.epoch, &before.dataset, before.plane));
    server.stop().await;
}

/// A listing without what differs from machine to machine.
fn shown(answer: &Value, root: &Path) -> String {
    let mut result = answer["payload"]["result"].clone();
    for entry in result["entries"].as_array_mut().unwrap() {
        let mtime = entry["mtime"].as_f64().unwrap();
        assert!(mtime > 1.5e9 && entry["size"].is_u64(), "{entry}");
        entry["mtime"] = json!("…");
        if entry["is_dir"] == true {
            entry["size"] = json!("…");
        }
    }
    let text = result.to_string().replace(root.to_str().unwrap(), "ROOT");
    text.replace("},{", "},\n {").replace("[{", "[\n {").replace("}]", "}\n]")
}

#[tokio::test]
async fn a_listing_is_what_a_file_dialog_needs() {
    let (_folder, root) = shelf();
    let server = RealServer::with(flags(&root), None).await;
    let mut desk = Desk::silent(server.bound.state).await;
    desk.begin(&hello()).await;
    let mut told = String::new();
    for kwargs in [
        json!({}),
        json!({"path": null, "show_hidden": true, "only": null}),
        json!({"path": "study", "only": []}),
        json!({"path": root.join("two/deeper").to_str().unwrap()}),
        json!({"path": "empty"}),
        json!({"path": "link.zarr/s0/..", "only": [".TXT", ".json"]}),
    ] {
        let answer = desk.call(&call("fs.listdir", kwargs.clone())).await;
        let kwargs = kwargs.to_string().replace(root.to_str().unwrap(), "ROOT");
        told += &format!("{kwargs}\n{}\n\n", shown(&answer, &root));
    }
    insta::assert_snapshot!(told);
    server.stop().await;
}

#[tokio::test]
async fn by_default_the_root_is_where_the_served_image_lies() {
    let (_folder, root) = shelf();
    let data = root.join("colors.ome.zarr").to_str().unwrap().to_owned();
    let server = RealServer::with(Flags { data: Some(data), ..Flags::default() }, Some(COLORS)).await;
    let (mut desk, _) = Desk::open(server.bound.state).await;
    let answer = desk.call(&call("fs.listdir", json!({}))).await;
    assert_eq!(answer["payload"]["result"]["path"], json!(root));
    let answer = desk.call(&call("napari.load_zarr", json!({"path": "../secret"}))).await;
    assert_eq!(answer["payload"]["code"], "fs.forbidden");
    server.stop().await;
}

/// Names of frames, by the order in which they came.
fn kinds(frames: &[Value]) -> Vec<&str> {
    frames.iter().map(|frame| frame["type"].as_str().unwrap()).collect()
}

fn epochs(frames: &[Value]) -> BTreeSet<String> {
    frames.iter().filter_map(|frame| Some(frame["delta_token"].as_str()?[..16].to_owned())).collect()
}

#[tokio::test]
async fn everyone_gets_the_baseline_of_the_new_image_under_new_tokens() {
    let server = RealServer::with(flags(&golden().canonicalize().unwrap()), Some(STACK)).await;
    let (mut caller, first) = Desk::open(server.bound.state).await;
    let (mut other, _) = Desk::open(server.bound.state).await;
    let old = epochs(&first);
    let answer = caller.call(&call("napari.load_zarr", json!({"path": FISH}))).await;
    assert_eq!((&answer["type"], &answer["payload"]["result"]), (&json!("reply.command"), &json!({"ok": true})));
    let mut told = Vec::new();
    for desk in [&mut caller, &mut other] {
        let mut frames = vec![desk.until(|frame| frame["type"] == "notify.scene").await];
        while frames.last().is_none_or(|frame| frame["type"] != "notify.stream") {
            frames.push(desk.next().await);
        }
        let expected =
            ["notify.scene", "notify.dims", "notify.layers", "notify.layers", "notify.layers", "notify.layers", "notify.stream"];
        assert_eq!(kinds(&frames), expected);
        assert_eq!(frames[0]["seq"], 0);
        assert_eq!(frames[0]["payload"]["layers"].as_array().unwrap().len(), 4);
        assert_eq!(frames[1]["payload"]["ndisplay"], 2);
        let new = epochs(&frames);
        assert!(!new.is_empty() && new.is_disjoint(&old), "{new:?} after {old:?}");
        desk.fence().await;
        told.push(new);
    }
    assert_eq!(told[0], told[1], "one history for all");

    // Whoever comes back with what was given out before starts anew.
    let mut stale = hello();
    for frame in &first {
        if let Some(token) = frame["delta_token"].as_str() {
            stale["payload"]["resume_tokens"][frame["type"].as_str().unwrap()] = json!(token);
        }
    }
    let mut back = Desk::silent(server.bound.state).await;
    back.send(&stale).await;
    let mut frames = Vec::new();
    while frames.last().is_none_or(|frame: &Value| frame["type"] != "notify.stream") {
        frames.push(back.next().await);
    }
    assert_eq!(kinds(&frames)[..2], ["session.welcome", "notify.scene"]);
    assert_eq!(frames.iter().filter(|frame| frame["type"] == "notify.layers").count(), 4);
    server.stop().await;
}

#[tokio::test]
async fn a_server_of_nothing_shows_what_it_is_told_to_load() {
    let (_folder, root) = shelf();
    let server = RealServer::with(flags(&root), None).await;
    let mut desk = Desk::silent(server.bound.state).await;
    desk.begin(&hello()).await;
    let scene = desk.until(|frame| frame["type"] == "notify.scene").await;
    assert_eq!(scene["payload"]["metadata"]["status"], "idle");
    // The one image below.
    let answer = desk.call(&call("napari.load_zarr", json!({"path": "study"}))).await;
    assert_eq!(answer["payload"]["status"], "ok", "{answer}");
    let scene = desk.until(|frame| frame["type"] == "notify.scene").await;
    assert_eq!(scene["payload"]["layers"].as_array().unwrap().len(), 2, "the image and its labels");
    let stream = desk.until(|frame| frame["type"] == "notify.stream").await;
    assert!(stream["payload"]["avcc"].is_string(), "the first picture was encoded");
    assert!(server.session.view().dataset.as_ref().unwrap().image.location.ends_with("Stack.ome.zarr"));
    server.stop().await;
}

#[tokio::test]
async fn who_pans_meanwhile_loses_no_answer_and_sees_a_sound_scene() {
    let server = RealServer::with(flags(&golden().canonicalize().unwrap()), Some(STACK)).await;
    let (mut driver, _) = Desk::open(server.bound.state).await;
    let (mut loader, _) = Desk::open(server.bound.state).await;
    let images = [FISH, STACK, COLORS, FISH, STACK];
    let load = async {
        for image in images {
            let answer = loader.call(&call("napari.load_zarr", json!({"path": image}))).await;
            assert_eq!(answer["payload"]["status"], "ok", "{answer}");
            loader.until(|frame| frame["type"] == "notify.stream").await;
        }
    };
    let drive = async {
        let (mut asked, mut answered, mut scenes) = (BTreeSet::new(), BTreeSet::new(), 0);
        while scenes < images.len() {
            asked.insert(driver.intend("camera", "main", "pan", &json!({"dx_px": 3.0, "dy_px": -2.0})).await);
            asked.insert(driver.intend("dims", "z", "step", &json!(1)).await);
            // Every frame is judged as it is read.
            while answered.len() + 4 < asked.len() {
                let frame = driver.next().await;
                scenes += usize::from(frame["type"] == "notify.scene");
                if frame["type"] == "ack.state" {
                    assert!(answered.insert(frame["payload"]["intent_id"].as_str().unwrap().to_owned()));
                }
            }
        }
        while answered.len() < asked.len() {
            let frame = driver.next().await;
            if frame["type"] == "ack.state" {
                assert!(answered.insert(frame["payload"]["intent_id"].as_str().unwrap().to_owned()));
            }
        }
        assert_eq!(answered, asked);
    };
    tokio::join!(load, drive);
    server.stop().await;
}

/// A prepared image that does what the test says when it is shown.
struct Show<F>(F);

impl<F: FnOnce() + Send> Prepared for Show<F> {
    fn show(self: Box<Self>) {
        (self.0)();
    }
}

/// Stops everyone who passes until the test lets them.
#[derive(Clone)]
struct Gate {
    come: SyncSender<String>,
    leave: Arc<Mutex<Receiver<()>>>,
}

/// The gate, who came to it, and what lets one of them pass.
fn gate() -> (Gate, Receiver<String>, SyncSender<()>) {
    let ((come, came), (open, leave)) = (sync_channel(16), sync_channel(16));
    (Gate { come, leave: Arc::new(Mutex::new(leave)) }, came, open)
}

impl Gate {
    fn pass(&self, who: &str) {
        self.come.send(who.to_owned()).unwrap();
        self.leave.lock().unwrap().recv_timeout(PATIENCE).unwrap();
    }
}

/// Waits off the runtime for who comes to the gate.
async fn come(came: &Arc<Mutex<Receiver<String>>>) -> String {
    let came = Arc::clone(came);
    tokio::task::spawn_blocking(move || came.lock().unwrap().recv_timeout(PATIENCE).unwrap()).await.unwrap()
}

/// Calls a command; its frame.
async fn send(wire: &mut Wire, command: &str, kwargs: Value) -> String {
    let kwargs = kwargs.as_object().cloned();
    let frame = wire.client.call(1.0, &Call { command: command.to_owned(), kwargs, ..Call::default() }).unwrap();
    wire.flush().await;
    frame
}

/// The answer to a call: its result, or its error code.
async fn answer(wire: &mut Wire, call: &str) -> Result<Option<Value>, String> {
    loop {
        match wire.next().await.body {
            Body::Reply(reply) if reply.in_reply_to == call => return Ok(reply.result),
            Body::CommandError(error) if error.in_reply_to == call => return Err(error.code),
            _ => {}
        }
    }
}

/// A server whose engine opens what `opens` opens; anything within the golden images is named right.
async fn scripted(opens: impl Fn(&str) -> Result<Box<dyn Prepared>, LoadError> + Send + Sync + 'static) -> TestServer {
    let engine = FakeEngine::showing(view(Some(dataset(1)))).opening(opens);
    TestServer::start_with(engine, flags(&golden().canonicalize().unwrap())).await
}

#[tokio::test]
async fn loads_take_turns_and_keep_nobody_from_looking_around() {
    let (gate, came, open) = gate();
    let came = Arc::new(Mutex::new(came));
    let server = scripted(move |location| {
        gate.pass(location.rsplit('/').next().unwrap());
        let gate = gate.clone();
        Ok(Box::new(Show(move || gate.pass("show"))))
    })
    .await;
    let mut wires = Vec::new();
    for _ in 0..5 {
        wires.push(Wire::open(server.bound.state, "/").await.0);
    }
    let first = send(&mut wires[0], "napari.load_zarr", json!({"path": STACK})).await;
    assert_eq!(come(&came).await, STACK);
    let keyframe = send(&mut wires[0], "napari.pixel.request_keyframe", json!({})).await;
    assert_eq!(answer(&mut wires[0], &keyframe).await, Ok(None), "what is done at once is done meanwhile");
    let mut waiting = Vec::new();
    for wire in &mut wires[1..4] {
        waiting.push(send(wire, "napari.load_zarr", json!({"path": FISH})).await);
        // Its answer shows that the call before was taken.
        let keyframe = send(wire, "napari.pixel.request_keyframe", json!({})).await;
        assert_eq!(answer(wire, &keyframe).await, Ok(None));
    }
    // Two clicks in a row, by the one that loads and by one that does not.
    for wire in [0, 4] {
        let clicks =
            [send(&mut wires[wire], "fs.listdir", json!({})).await, send(&mut wires[wire], "fs.listdir", json!({})).await];
        for click in clicks {
            let listing = answer(&mut wires[wire], &click).await.unwrap().unwrap();
            assert!(listing["entries"].as_array().unwrap().len() >= 5);
        }
    }

    // Answered before it is shown; the next begins only when it is.
    open.send(()).unwrap();
    assert_eq!(answer(&mut wires[0], &first).await, Ok(Some(json!({"ok": true}))));
    assert_eq!(come(&came).await, "show");
    assert!(came.lock().unwrap().try_recv().is_err(), "nobody overtakes");
    open.send(()).unwrap();
    for (wire, call) in wires[1..4].iter_mut().zip(&waiting) {
        assert_eq!(come(&came).await, FISH);
        open.send(()).unwrap();
        assert_eq!(answer(wire, call).await, Ok(Some(json!({"ok": true}))));
        assert_eq!(come(&came).await, "show");
        open.send(()).unwrap();
    }
    server.stop().await;
}

#[tokio::test]
async fn a_command_that_panics_is_to_be_tried_again_and_takes_nothing_with_it() {
    let server = scripted(|location| {
        if location.ends_with(STACK) {
            panic!("a bug in the command, made up by a test");
        }
        if location.ends_with(FISH) {
            return Ok(Box::new(Show(|| panic!("a bug while showing, made up by a test"))));
        }
        Err(OpenError::Missing { path: location.into() }.into())
    })
    .await;
    let (mut wire, _) = Wire::open(server.bound.state, "/").await;
    for (image, expected) in [
        (STACK, Err("command.retryable")),
        (STACK, Err("command.retryable")),
        (FISH, Ok(Some(json!({"ok": true})))),
        // The load before ended badly, but it ended.
        (COLORS, Err("fs.not_found")),
    ] {
        // At once after the answer to the one before.
        let call = send(&mut wire, "napari.load_zarr", json!({"path": image})).await;
        assert_eq!(answer(&mut wire, &call).await, expected.map_err(str::to_owned), "{image}");
    }
    let intent = wire.update("view", "main", "ndisplay", json!(2)).await;
    assert_eq!(server.engine.intent().await.intent_id, intent, "the server goes on");
    server.stop().await;
}

#[tokio::test]
async fn the_reply_is_said_before_the_baseline() {
    let told: Arc<OnceLock<Arc<dyn Sink>>> = Arc::default();
    let sink = Arc::clone(&told);
    let server = scripted(move |_| {
        let sink = Arc::clone(sink.get().unwrap());
        Ok(Box::new(Show(move || {
            let view = nc_engine::api::scene::AppliedView { epoch: 2, ..view(Some(dataset(2))) };
            let applied = Applied { dataset: true, dims: true, pose: true, ..Applied::unchanged(Arc::new(view)) };
            sink.event(Event::Applied(applied));
        })))
    })
    .await;
    told.set(Arc::clone(&server.sink)).ok().unwrap();
    let (mut caller, _) = Wire::open(server.bound.state, "/").await;
    let (mut other, _) = Wire::open(server.bound.state, "/").await;
    send(&mut caller, "napari.load_zarr", json!({"path": STACK})).await;
    let first = caller.next().await;
    assert!(matches!(first.body, Body::Reply(_)), "{first:?}");
    for wire in [&mut caller, &mut other] {
        let frames: Vec<ServerFrame> = vec![wire.next().await, wire.next().await, wire.next().await];
        assert!(matches!(frames[0].body, Body::Scene(_)), "{:?}", frames[0]);
        assert!(matches!(frames[1].body, Body::Dims(_)) && matches!(frames[2].body, Body::Layers(_)));
    }
    server.stop().await;
}

#[tokio::test]
async fn who_only_watches_neither_looks_around_nor_loads() {
    let engine = FakeEngine::showing(view(Some(dataset(1))));
    let first_drives = Flags { drive: Some("first".to_owned()), ..flags(&golden().canonicalize().unwrap()) };
    let server = TestServer::start_with(engine, first_drives).await;
    let (mut driver, _) = Wire::open(server.bound.state, "/").await;
    let (mut watcher, _) = Wire::open(server.bound.state, "/").await;
    for command in ["fs.listdir", "napari.load_zarr"] {
        let call = send(&mut watcher, command, json!({"path": STACK})).await;
        assert_eq!(answer(&mut watcher, &call).await, Err("command.forbidden".to_owned()), "{command}");
    }
    let call = send(&mut watcher, "napari.pixel.request_keyframe", json!({})).await;
    assert_eq!(answer(&mut watcher, &call).await, Ok(None), "a picture is for everyone");
    let call = send(&mut driver, "fs.listdir", json!({"path": STACK})).await;
    assert!(answer(&mut driver, &call).await.is_ok());
    server.stop().await;
}

#[tokio::test]
async fn a_root_that_is_none_keeps_the_server_from_starting() {
    let flags = Flags { data_root: Some("/no/such/directory".to_owned()), http_port: Some("0".into()), ..Flags::default() };
    let flags = Flags { state_port: Some("0".into()), pixel_port: Some("0".into()), ..flags };
    let config = Config::resolve(flags, |_| None).unwrap();
    let bound = nc_server::Server::bind(&config, Arc::new(crate::support::TestAmbient::default())).await;
    let error = bound.err().unwrap().to_string();
    assert!(error.starts_with("--data-root: /no/such/directory") && !error.contains('\n'), "{error}");
}
