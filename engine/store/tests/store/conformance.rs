//! Every place does what `nc_store::place::kit` asks of places.

use crate::archive::{Style, archive};
use crate::servers::{Manners, Server, s3, web};
use nc_store::place::failing::Script;
use nc_store::place::kit::{Extra, conformance};
use nc_store::place::throttled::{Link, RealPace};
use nc_store::place::{
    Blob, Dir, Failing, Key, Location, Memory, Place, PlaceErrorKind, PlaceOptions, Places, Secret, Span, Spot, Stop, Throttled,
    Timeouts, Zip,
};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Writes objects as files.
pub(crate) fn write(folder: &Path, objects: &[(&str, &[u8])]) {
    for (key, bytes) in objects {
        let path = folder.join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

fn zipped(objects: &[(&str, &[u8])], style: Style) -> Arc<dyn Place> {
    let bytes = archive(objects, style);
    let memory = Arc::new(Memory::new([(Key::new("x.zip").unwrap(), bytes.into())]));
    let zip = Zip::open(memory, Key::new("x.zip").unwrap(), "x.zip".to_owned(), &Stop::new());
    Arc::new(zip.unwrap().unwrap())
}

#[test]
fn directory() {
    let folder = tempfile::tempdir().unwrap();
    let make = |objects: &[(&str, &[u8])]| {
        write(folder.path(), objects);
        Arc::new(Dir::new(folder.path())) as Arc<dyn Place>
    };
    conformance(&make, &Extra { largest: 64 << 20, ..Extra::default() });
}

#[test]
fn memory() {
    let make = |objects: &[(&str, &[u8])]| {
        let objects = objects.iter().map(|(key, bytes)| (Key::new(key).unwrap(), bytes.to_vec().into()));
        Arc::new(Memory::new(objects)) as Arc<dyn Place>
    };
    conformance(&make, &Extra { largest: 64 << 20, ..Extra::default() });
}

#[test]
fn zip_stored() {
    for style in [Style::default(), Style { zip64: true, local_extra: 300, before: b"before", ..Style::default() }] {
        conformance(&|objects| zipped(objects, style), &Extra { largest: 64 << 20, ..Extra::default() });
    }
}

#[test]
fn zip_deflated() {
    for method in [8, 93] {
        conformance(
            &|objects| zipped(objects, Style { method, ..Style::default() }),
            &Extra { largest: 4 << 20, ..Extra::default() },
        );
    }
}

/// A link so fast that its tests are none of patience.
#[test]
fn throttled() {
    let pace = Arc::new(RealPace::start().unwrap());
    let link = Link { round_trip: Duration::from_micros(50), bits_per_s: 1e11, requests: 8 };
    let folder = tempfile::tempdir().unwrap();
    let make = |objects: &[(&str, &[u8])]| {
        write(folder.path(), objects);
        Arc::new(Throttled::new(Arc::new(Dir::new(folder.path())), link, pace.clone())) as Arc<dyn Place>
    };
    conformance(&make, &Extra { largest: 4 << 20, ..Extra::default() });
}

#[test]
fn failing_without_rules() {
    let folder = tempfile::tempdir().unwrap();
    let make = |objects: &[(&str, &[u8])]| {
        write(folder.path(), objects);
        Arc::new(Failing::new(Arc::new(Dir::new(folder.path())), Script::default())) as Arc<dyn Place>
    };
    conformance(&make, &Extra::default());
}

/// The place of `text`, rooted where its key points.
struct Rooted(Spot);

impl Place for Rooted {
    fn access(&self) -> nc_store::place::Access {
        self.0.place.access()
    }

    fn read_into(
        &self,
        key: &Key,
        span: &Span,
        stop: &Stop,
        into: &mut Vec<u8>,
    ) -> Result<Option<nc_store::place::Read>, nc_store::place::PlaceError> {
        self.0.place.read_into(&self.0.key.join(key.as_str())?, span, stop, into)
    }

    fn fetch(&self, key: &Key, spans: &[Span], stop: &Stop, done: nc_store::place::Done) {
        self.0.place.fetch(&self.0.key.join(key.as_str()).unwrap(), spans, stop, done);
    }

    fn list(&self, prefix: &Key, most: usize) -> Result<Vec<nc_store::place::Entry>, nc_store::place::PlaceError> {
        self.0.place.list(&self.0.key.join(prefix.as_str())?, most)
    }

    fn redacted(&self) -> &str {
        &self.0.name
    }
}

fn find(places: &Places, text: &str) -> Arc<dyn Place> {
    Arc::new(Rooted(places.find(&Location::parse(text).unwrap()).unwrap()))
}

/// Brief enough for a test that waits for it.
fn hasty() -> PlaceOptions {
    let second = Duration::from_secs(1);
    PlaceOptions { timeouts: Timeouts { connect: second, read: second, retry: second }, ..PlaceOptions::default() }
}

fn read(place: &dyn Place, key: &str, span: &Span) -> Result<Option<Vec<u8>>, PlaceErrorKind> {
    let mut bytes = Vec::new();
    let read = place.read_into(&Key::new(key).unwrap(), span, &Stop::new(), &mut bytes).map_err(|error| error.kind)?;
    Ok(read.map(|_| bytes))
}

fn fetch(place: &dyn Place, key: &str, spans: &[Span]) -> Vec<Blob> {
    let (tell, told) = sync_channel(1);
    place.fetch(&Key::new(key).unwrap(), spans, &Stop::new(), Box::new(move |answer| drop(tell.send(answer))));
    told.recv().unwrap().unwrap().unwrap()
}

#[test]
fn http() {
    let (places, servers) = (Places::new(PlaceOptions::default()), Mutex::new(Vec::<Server>::new()));
    let make = |objects: &[(&str, &[u8])]| {
        let below: Vec<(String, &[u8])> = objects.iter().map(|(key, bytes)| (format!("hidden/img.zarr/{key}"), *bytes)).collect();
        let below: Vec<(&str, &[u8])> = below.iter().map(|(key, bytes)| (key.as_str(), *bytes)).collect();
        let manners = Manners {
            authorization: Some("Basic bWU6aGlkZGVu".to_owned()),
            query: Some("sig=hidden".to_owned()),
            ..Manners::default()
        };
        let server = web(&below, manners);
        let url = format!("http://me:hidden@{}/hidden/img.zarr?sig=hidden", server.address);
        servers.lock().unwrap().push(server);
        find(&places, &url)
    };
    conformance(&make, &Extra { secrets: &["hidden", "127.0.0.1"], largest: 64 << 20 });
}

#[test]
fn zip_on_http() {
    let (places, servers) = (Places::new(PlaceOptions::default()), Mutex::new(Vec::<Server>::new()));
    for method in [0, 8] {
        let make = |objects: &[(&str, &[u8])]| {
            let bytes = archive(objects, Style { method, local_extra: 100, ..Style::default() });
            let server = web(&[("hidden/x.ozx", &bytes)], Manners::default());
            let place = find(&places, &server.url("hidden/x.ozx"));
            servers.lock().unwrap().push(server);
            place
        };
        conformance(&make, &Extra { secrets: &["hidden", "127.0.0.1"], largest: 4 << 20 });
    }
}

#[test]
fn s3_compatible() {
    let folder = tempfile::tempdir().unwrap();
    let server = s3(folder.path().to_path_buf(), "hidden-key", "hidden-secret");
    let settings = [("aws_access_key_id", "hidden-key"), ("aws_secret_access_key", "hidden-secret"), ("aws_region", "us-east-1")];
    let options = PlaceOptions {
        s3: settings.map(|(name, value)| (name.to_owned(), Secret::new(value))).into(),
        endpoint: Some(Secret::new(server.url("").trim_end_matches('/'))),
        ..PlaceOptions::default()
    };
    let places = Places::new(options.clone());
    let make = |objects: &[(&str, &[u8])]| {
        write(&folder.path().join("hidden-bucket/img.zarr"), objects);
        find(&places, "s3://hidden-bucket/img.zarr")
    };
    conformance(&make, &Extra { secrets: &["hidden", "127.0.0.1"], largest: 4 << 20 });
    let anonymous = Places::new(PlaceOptions { anonymous: true, ..options });
    let place = find(&anonymous, "s3://hidden-bucket/img.zarr");
    assert_eq!(read(&*place, "zarr.json", &Span::Whole), Err(PlaceErrorKind::Denied), "nobody signed it");
}

#[test]
fn http_without_ranges_is_read_whole() {
    let server = web(&[("a/b", b"0123456789")], Manners { no_ranges: true, ..Manners::default() });
    let place = find(&Places::new(hasty()), &server.url("a"));
    assert_eq!(read(&*place, "b", &Span::Range(2..5)), Ok(Some(b"234".to_vec())));
    let before = server.seen.requests();
    assert_eq!(read(&*place, "b", &Span::Last(2)), Ok(Some(b"89".to_vec())));
    assert_eq!(read(&*place, "b", &Span::Range(9..11)), Err(PlaceErrorKind::Short));
    assert_eq!(server.seen.requests() - before, 2, "it is known now");
}

#[test]
fn http_retries_503_then_reads() {
    let server = web(&[("a/b", b"0123456789")], Manners { unavailable: 2, ..Manners::default() });
    let place = find(&Places::new(PlaceOptions::default()), &server.url("a"));
    assert_eq!(read(&*place, "b", &Span::Whole), Ok(Some(b"0123456789".to_vec())));
    assert_eq!(server.seen.requests(), 3);
    let server = web(&[("a/b", b"0123456789")], Manners { breaks: 2, ..Manners::default() });
    let place = find(&Places::new(PlaceOptions::default()), &server.url("a"));
    assert_eq!(read(&*place, "b", &Span::Range(3..9)), Ok(Some(b"345678".to_vec())), "answers that break off");
}

#[test]
fn what_servers_answer_is_told_in_our_words() {
    for (status, kind) in [
        (401, PlaceErrorKind::Denied),
        (403, PlaceErrorKind::Denied),
        (400, PlaceErrorKind::Denied),
        (500, PlaceErrorKind::Unreachable),
        (429, PlaceErrorKind::Unreachable),
        (504, PlaceErrorKind::TimedOut),
        (418, PlaceErrorKind::Bad),
    ] {
        let server = web(&[], Manners { status: Some(status), ..Manners::default() });
        let place = find(&Places::new(hasty()), &server.url("hidden/i.zarr"));
        let told = place.read_into(&Key::new("x").unwrap(), &Span::Whole, &Stop::new(), &mut Vec::new()).unwrap_err();
        assert_eq!(told.kind, kind, "{status}");
        let shown = format!("{told} {told:?}");
        assert!(shown.contains(&status.to_string()) && !shown.contains("hidden") && !shown.contains("secret of"), "{shown}");
    }
    let gone = web(&[], Manners::default()).url("i.zarr");
    assert_eq!(read(&*find(&Places::new(hasty()), &gone), "x", &Span::Whole), Err(PlaceErrorKind::Unreachable));
    let missing = Places::new(PlaceOptions { forbidden_is_missing: true, ..hasty() });
    let server = web(&[], Manners { status: Some(403), ..Manners::default() });
    assert_eq!(read(&*find(&missing, &server.url("i.zarr")), "x", &Span::Whole), Ok(None));
}

#[test]
fn connections_are_reused_and_ranges_coalesced() {
    let object: Vec<u8> = (0..2_000_000u32).map(|i| (i % 251) as u8).collect();
    let server = web(&[("a/b", &object), ("c/d", b"x")], Manners::default());
    let places = Places::new(hasty());
    let place = find(&places, &server.url("a"));
    for n in 0..10u64 {
        assert!(read(&*place, "b", &Span::Range(n..n + 9)).is_ok_and(|bytes| bytes.is_some()));
    }
    assert!(read(&*find(&places, &server.url("c")), "d", &Span::Whole).is_ok());
    assert_eq!(server.seen.connections.load(Ordering::SeqCst), 1, "one after the other, also in another folder");
    let before = server.seen.requests();
    let spans: Vec<Span> =
        (0..32).map(|n| Span::Range(n * 2000..n * 2000 + 1000)).chain([Span::Range(1_500_000..1_500_100)]).collect();
    let blobs = fetch(&*place, "b", &spans);
    for (span, blob) in spans.iter().zip(&blobs) {
        let Span::Range(range) = span else { panic!() };
        assert!(blob.bytes == object[range.start as usize..range.end as usize]);
    }
    assert_eq!(server.seen.requests() - before, 2, "33 spans, of which 32 lie side by side");
}

#[test]
fn redirects_do_not_leave_what_a_client_may_see() {
    let other = web(&[("data/x", b"elsewhere")], Manners::default());
    let to = other.url("data");
    let server = web(&[], Manners { redirect: Some(("/pub/img".to_owned(), to.clone())), ..Manners::default() });
    let text = server.url("pub/img");
    let places = Places::new(hasty());
    // Whoever runs the program may follow.
    assert_eq!(read(&*find(&places, &text), "x", &Span::Whole), Ok(Some(b"elsewhere".to_vec())));
    let client = |prefixes: &[Secret]| {
        let location = Location::parse(&text).unwrap().within(prefixes);
        let place = Rooted(places.find(&location).unwrap());
        read(&place, "x", &Span::Whole)
    };
    let before = other.seen.requests();
    assert_eq!(client(&[Secret::new(server.url("pub"))]), Err(PlaceErrorKind::Denied));
    assert_eq!(other.seen.requests(), before, "nothing was asked of the other");
    assert_eq!(client(&[Secret::new(server.url("pub")), Secret::new(to)]), Ok(Some(b"elsewhere".to_vec())));
}
