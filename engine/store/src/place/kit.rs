//! What every place must do, as a test that any place can be put to: `conformance(make)` panics with what it found wrong.
//!
//! Ships with the crate, so that a place made elsewhere can be judged by the same measure.

use super::{Access, Blob, Key, Place, PlaceError, PlaceErrorKind, Span, Stop};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

/// Makes a place that holds these objects, by key.
pub type Make<'a> = dyn Fn(&[(&str, &[u8])]) -> Arc<dyn Place> + 'a;

/// What is asked of a place besides.
#[derive(Debug, Clone, Default)]
pub struct Extra<'a> {
    /// Text that must be in no error and in no name.
    pub secrets: &'a [&'a str],
    /// Bytes of the largest object; 0 leaves large ones out.
    pub largest: usize,
}

/// Longer than any answer takes; only a place that does not answer waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

type Answer = Result<Option<Vec<Blob>>, PlaceError>;

/// Puts the place to the test.
///
/// # Panics
/// With the first thing that is not as the contract of [`Place`] says.
pub fn conformance(make: &Make<'_>, extra: &Extra<'_>) {
    let bytes = |n: usize| (0..n).map(|i| (i * 7 + i / 251) as u8).collect::<Vec<u8>>();
    let (small, middle) = (bytes(1000), bytes(300_000));
    let large = bytes(extra.largest);
    let mut objects: Vec<(&str, &[u8])> = vec![
        ("zarr.json", b"{}"),
        ("empty", b""),
        ("one", b"x"),
        ("0/c/0/0", &small),
        ("0/c/0/1", &middle),
        ("0/zarr.json", b"{\"a\": 1}"),
        ("with space", b"space"),
        ("with+plus", b"plus"),
        ("with%20percent", b"percent"),
        ("ünïcödé/名", b"unicode"),
    ];
    if extra.largest > 0 {
        objects.push(("large", &large));
    }
    let place = make(&objects);
    for (key, object) in &objects {
        spans_of_one(&*place, key, object);
    }
    missing(&*place);
    many_spans(&*place, &middle);
    stops(&*place);
    many_at_once(&place, &objects);
    lists(&*place);
    redacts(&*place, extra.secrets);
}

fn key(name: &str) -> Key {
    Key::new(name).expect("keys of the kit are sound")
}

fn fetch(place: &dyn Place, name: &str, spans: &[Span], stop: &Stop) -> Receiver<Answer> {
    let (tell, told) = sync_channel(1);
    place.fetch(&key(name), spans, stop, Box::new(move |answer| drop(tell.send(answer))));
    told
}

fn fetched(place: &dyn Place, name: &str, spans: &[Span]) -> Answer {
    let told = fetch(place, name, spans, &Stop::new());
    let answer = told.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{name:?}: `done` was never called"));
    // The sender goes with `done`: a second answer would come before the end.
    assert!(told.recv_timeout(PATIENCE).is_err(), "{name:?}: `done` was called twice");
    answer
}

fn read(place: &dyn Place, name: &str, span: &Span) -> Result<Option<Vec<u8>>, PlaceError> {
    let mut into = b"before".to_vec();
    let read = place.read_into(&key(name), span, &Stop::new(), &mut into)?;
    assert!(into.starts_with(b"before"), "{name:?}: what was in the buffer is kept");
    let bytes = into.split_off(6);
    let Some(read) = read else {
        assert!(bytes.is_empty(), "{name:?}: an object that is not there appends nothing");
        return Ok(None);
    };
    if *span == Span::Whole {
        assert!(
            read.object_len.is_none_or(|len| len == bytes.len() as u64),
            "{name:?}: the length it tells is that of the object"
        );
    }
    Ok(Some(bytes))
}

fn spans_of_one(place: &dyn Place, name: &str, object: &[u8]) {
    let len = object.len() as u64;
    let mut cases = vec![(Span::Whole, 0..len), (Span::Last(1), len.saturating_sub(1)..len), (Span::Last(len + 100), 0..len)];
    if len > 0 {
        cases.extend([(Span::Range(0..1), 0..1), (Span::Range(len - 1..len), len - 1..len), (Span::Range(0..len), 0..len)]);
        cases.push((Span::Range(len / 3..len / 2 + 1), len / 3..len / 2 + 1));
        cases.push((Span::Last(len / 2 + 1), len - (len / 2 + 1)..len));
    }
    for (span, range) in cases {
        let expected = &object[range.start as usize..range.end as usize];
        let got = read(place, name, &span).unwrap_or_else(|error| panic!("{name:?} {span:?}: {error}"));
        assert!(got.as_deref() == Some(expected), "{name:?} {span:?}: read gave other bytes ({:?})", got.map(|b| b.len()));
        let got = fetched(place, name, std::slice::from_ref(&span)).unwrap_or_else(|error| panic!("{name:?} {span:?}: {error}"));
        let got = got.unwrap_or_else(|| panic!("{name:?} {span:?}: not there"));
        assert!(got.len() == 1 && got[0].bytes == expected, "{name:?} {span:?}: fetch gave other bytes");
    }
    for span in [Span::Range(0..len + 1), Span::Range(len + 5..len + 6)] {
        let error = read(place, name, &span).err().unwrap_or_else(|| panic!("{name:?} {span:?}: reaches beyond the end"));
        assert_eq!(error.kind, PlaceErrorKind::Short, "{name:?} {span:?}: {error}");
        let error = fetched(place, name, std::slice::from_ref(&span))
            .err()
            .unwrap_or_else(|| panic!("{name:?} {span:?}: beyond the end"));
        assert_eq!(error.kind, PlaceErrorKind::Short, "{name:?} {span:?}: {error}");
    }
}

fn missing(place: &dyn Place) {
    for name in ["none", "0", "0/c", "0/c/0/0/below", "with", "with percent", "zarr", "ZARR.JSON"] {
        for span in [Span::Whole, Span::Range(0..1), Span::Last(8)] {
            assert_eq!(read(place, name, &span), Ok(None), "{name:?} {span:?}");
            assert_eq!(fetched(place, name, std::slice::from_ref(&span)), Ok(None), "{name:?} {span:?}");
        }
    }
}

fn many_spans(place: &dyn Place, object: &[u8]) {
    let len = object.len() as u64;
    // Out of order, overlapping, equal, near and far, and all kinds.
    let ranges = [5000..9000, 10..20, 8000..12_000, 10..20, 15..4000, len - 10..len, 200_000..200_001];
    let mut spans: Vec<Span> = ranges.iter().cloned().map(Span::Range).collect();
    spans.extend([Span::Last(7), Span::Whole]);
    let blobs = fetched(place, "0/c/0/1", &spans).expect("spans of an object").expect("the object is there");
    assert_eq!(blobs.len(), spans.len(), "one answer per span");
    let expected = ranges.into_iter().chain([len - 7..len, 0..len]);
    for ((span, blob), range) in spans.iter().zip(&blobs).zip(expected) {
        assert!(blob.bytes == object[range.start as usize..range.end as usize], "{span:?}: other bytes");
    }
    let spans = [Span::Range(0..1), Span::Range(len..len + 1)];
    let error = fetched(place, "0/c/0/1", &spans).expect_err("one of the spans is beyond the end");
    assert_eq!(error.kind, PlaceErrorKind::Short, "{error}");
    assert_eq!(fetched(place, "0/c/0/1", &[]), Ok(Some(Vec::new())), "no spans, no bytes");
}

fn stops(place: &dyn Place) {
    let stop = Stop::new();
    stop.stop();
    let stopped = place.read_into(&key("0/c/0/1"), &Span::Whole, &stop, &mut Vec::new());
    assert_eq!(stopped.map_err(|error| error.kind), Err(PlaceErrorKind::Stopped), "a read that was stopped before it began");
    // Of one that is on its way nobody knows how far it is: it answers once, with the bytes or with that it was stopped.
    let stop = Stop::new();
    let told = fetch(place, "0/c/0/1", &[Span::Whole], &stop);
    stop.stop();
    match told.recv_timeout(PATIENCE).expect("a fetch that is stopped answers") {
        Ok(Some(blobs)) => assert_eq!(blobs[0].bytes.len(), 300_000),
        Ok(None) => panic!("a fetch that was stopped claims that the object is not there"),
        Err(error) => assert_eq!(error.kind, PlaceErrorKind::Stopped, "{error}"),
    }
    assert!(told.recv_timeout(PATIENCE).is_err(), "a fetch that was stopped answered twice");
    // It harms no other.
    assert!(read(place, "0/c/0/1", &Span::Last(3)).is_ok_and(|bytes| bytes.is_some()));
}

fn many_at_once(place: &Arc<dyn Place>, objects: &[(&str, &[u8])]) {
    if let Access::Far { requests } = place.access() {
        assert!(requests > 0, "a place that serves no request");
    }
    let (tell, told) = sync_channel(64);
    for n in 0..64 {
        let (name, _) = objects[n % objects.len()];
        let tell = tell.clone();
        let done = move |answer: Answer| drop(tell.send((n, answer)));
        place.fetch(&key(name), &[Span::Whole], &Stop::new(), Box::new(done));
    }
    drop(tell);
    let mut answered = [false; 64];
    for _ in 0..64 {
        let (n, answer) = told.recv_timeout(PATIENCE).expect("64 fetches at once answer");
        let (name, object) = objects[n % objects.len()];
        let blobs = answer.unwrap_or_else(|error| panic!("{name:?}: {error}")).expect("the object is there");
        assert!(blobs[0].bytes == *object && !answered[n], "{name:?}: other bytes, or answered twice");
        answered[n] = true;
    }
}

fn lists(place: &dyn Place) {
    let names = |prefix: &str, most| {
        let entries = place.list(&key(prefix), most)?;
        Ok(entries.into_iter().map(|entry| if entry.folder { entry.name + "/" } else { entry.name }).collect::<Vec<_>>())
    };
    match names("0", 100) {
        Err(PlaceError { kind: PlaceErrorKind::Unlistable, .. }) => return,
        listed => assert_eq!(listed, Ok(vec!["c/".to_owned(), "zarr.json".to_owned()])),
    }
    let expected = ["0/", "empty"].map(str::to_owned).to_vec();
    assert_eq!(names("", 2), Ok(expected), "in order of names, no more than asked for");
    assert_eq!(names("none", 9), Ok(Vec::new()));
    assert_eq!(place.list(&key("0/c/0"), 1).map(|entries| entries[0].len), Ok(Some(1000)));
}

fn redacts(place: &dyn Place, secrets: &[&str]) {
    let mut shown = vec![place.redacted().to_owned()];
    let errors = [
        read(place, "0/c/0/0", &Span::Range(0..9999)).err(),
        fetched(place, "0/c/0/0", &[Span::Range(5000..9999)]).err(),
        place.list(&key("0"), 1).err(),
    ];
    shown.extend(errors.into_iter().flatten().map(|error| format!("{error} {error:?}")));
    for text in shown {
        assert!(!text.contains('\n') && secrets.iter().all(|secret| !text.contains(secret)), "shows what it must not: {text:?}");
    }
}
