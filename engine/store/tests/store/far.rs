//! Metadata from far away: how often one has to ask, what is asked for together, and what consolidated metadata save.

use bytes::Bytes;
use nc_core::data::ImageId;
use nc_store::place::{Access, Done, Entry, Key, Memory, Place, PlaceError, PlaceErrorKind, Read, Span, Spot, Stop};
use nc_store::survey::survey_at;
use nc_store::{OpenError, open_at, open_with_labels};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// A place that answers only when as many questions wait as are asked together: whoever asks one by one waits for ever.
struct Far {
    objects: Memory,
    /// How many questions come together, round by round.
    rounds: Vec<usize>,
    pending: Mutex<Vec<(Key, Done)>>,
    /// The keys of each round, sorted.
    asked: Mutex<Vec<Vec<String>>>,
    /// What may not be read, as stores say it of what is not there.
    denied: Vec<&'static str>,
}

impl Place for Far {
    fn access(&self) -> Access {
        Access::Far { requests: 8 }
    }

    fn read_into(&self, key: &Key, _: &Span, _: &Stop, _: &mut Vec<u8>) -> Result<Option<Read>, PlaceError> {
        panic!("{key:?} was waited for on its own")
    }

    fn fetch(&self, key: &Key, spans: &[Span], _: &Stop, done: Done) {
        assert_eq!(spans, [Span::Whole]);
        let mut pending = self.pending.lock().unwrap();
        pending.push((key.clone(), done));
        let mut asked = self.asked.lock().unwrap();
        if pending.len() < *self.rounds.get(asked.len()).unwrap_or_else(|| panic!("{key:?}: one round too many after {asked:?}"))
        {
            return;
        }
        let mut keys: Vec<String> = pending.iter().map(|(key, _)| key.as_str().to_owned()).collect();
        keys.sort();
        asked.push(keys);
        for (key, done) in pending.drain(..) {
            if self.denied.contains(&key.as_str()) {
                done(Err(PlaceError::new(PlaceErrorKind::Denied, "no")));
            } else {
                self.objects.fetch(&key, &[Span::Whole], &Stop::new(), done);
            }
        }
    }

    fn list(&self, _: &Key, _: usize) -> Result<Vec<Entry>, PlaceError> {
        Err(PlaceError::new(PlaceErrorKind::Unlistable, "cannot be listed"))
    }

    fn redacted(&self) -> &str {
        "s3 …/image.zarr"
    }
}

fn far(files: &[(&str, Value)], rounds: &[usize], denied: &[&'static str]) -> (Spot, Arc<Far>) {
    let objects = files.iter().map(|(name, content)| (Key::new(name).unwrap(), Bytes::from(content.to_string())));
    let place = Arc::new(Far {
        objects: Memory::new(objects),
        rounds: rounds.to_vec(),
        pending: Mutex::default(),
        asked: Mutex::default(),
        denied: denied.to_vec(),
    });
    let spot = Spot { place: place.clone(), key: Key::root(), pick: None, name: "s3 …/image.zarr".into() };
    (spot, place)
}

fn v2(shape: [u64; 2]) -> Value {
    json!({"zarr_format": 2, "shape": shape, "chunks": [8, 8], "dtype": "<u2", "compressor": null, "fill_value": 0, "order": "C", "filters": null})
}

fn v3(shape: [u64; 2]) -> Value {
    json!({"zarr_format": 3, "node_type": "array", "shape": shape, "data_type": "uint16", "fill_value": 0,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [8, 8]}}, "chunk_key_encoding": {"name": "default"},
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}]})
}

fn multiscales(version: &str) -> Value {
    json!({"version": version, "multiscales": [{"version": version, "axes": [{"name": "y", "type": "space"}, {"name": "x", "type": "space"}],
        "datasets": [{"path": "0"}, {"path": "1"}]}]})
}

fn group(ome: Value) -> Value {
    json!({"zarr_format": 3, "node_type": "group", "attributes": {"ome": ome}})
}

const ROOT: [&str; 5] = [".zarray", ".zattrs", ".zgroup", ".zmetadata", "zarr.json"];

#[test]
fn an_image_opens_in_two_rounds() {
    let v3_files = [
        ("zarr.json", group(multiscales("0.5"))),
        ("0/zarr.json", v3([32, 32])),
        ("1/zarr.json", v3([16, 16])),
        ("labels/zarr.json", group(json!({"labels": ["cells"]}))),
        ("labels/cells/zarr.json", group(json!({"image-label": {"source": {"image": "../../"}}}))),
    ];
    let (spot, place) = far(&v3_files, &[5, 3], &[]);
    let image = open_at(&spot, ImageId(1)).unwrap();
    assert_eq!(*place.asked.lock().unwrap(), [ROOT.to_vec(), vec!["0/zarr.json", "1/zarr.json", "labels/zarr.json"]]);
    assert_eq!(
        (image.info.levels.len(), image.info.labels[0].name.as_str(), image.info.format.consolidated),
        (2, "cells", false)
    );
    assert_eq!(image.info.location, "s3 …/image.zarr");
    // A report takes the time to look at the labels, too.
    let (spot, _) = far(&v3_files, &[5, 3, 1], &[]);
    assert_eq!(survey_at(&spot).unwrap().labels[0].source.as_deref(), Some("../../"));

    // With its label images it opens in two more, however many there are. What does not open is said.
    let labels = || group(json!({"multiscales": [{"axes": ["y", "x"], "datasets": [{"path": "s0"}]}]}));
    let mut with_labels = v3_files.to_vec();
    with_labels[3].1 = group(json!({"labels": ["cells", "gone", "nuclei"]}));
    with_labels[4].1 = labels();
    with_labels.extend([
        ("labels/nuclei/zarr.json", labels()),
        ("labels/cells/s0/zarr.json", v3([32, 32])),
        ("labels/nuclei/s0/zarr.json", v3([16, 16])),
    ]);
    let (spot, _) = far(&with_labels, &[5, 3, 3, 4], &[]);
    let image = open_with_labels(&spot, ImageId(17)).unwrap();
    let told = image.labels().iter().map(|labels| (labels.info.name.as_str(), labels.info.id, labels.info.is_labels));
    assert_eq!(told.collect::<Vec<_>>(), [("cells", ImageId(18), true), ("nuclei", ImageId(20), true)]);
    assert_eq!(image.find(ImageId(20)).unwrap().info.levels[0].shape, [16, 16]);
    assert!(image.info.warnings.iter().any(|w| w.contains("\"gone\" is not drawn")), "{:?}", image.info.warnings);

    let v2_files = [
        (".zattrs", multiscales("0.4")),
        (".zgroup", json!({"zarr_format": 2})),
        ("0/.zarray", v2([32, 32])),
        ("1/.zarray", v2([16, 16])),
    ];
    let (spot, _) = far(&v2_files, &[5, 4], &[]);
    assert_eq!(open_at(&spot, ImageId(1)).unwrap().info.levels.len(), 2);
    // Stores that say "forbidden" of what is not there.
    let (spot, _) =
        far(&v2_files, &[5, 4], &["zarr.json", ".zmetadata", ".zarray", "labels/.zattrs", "labels/.zgroup", "labels/.zarray"]);
    let image = open_at(&spot, ImageId(1)).unwrap();
    assert_eq!(image.info.levels.len(), 2);
    // And of everything.
    let (spot, _) = far(&[], &[5], &ROOT);
    assert!(matches!(open_at(&spot, ImageId(1)), Err(OpenError::Place { error, .. }) if error.kind == PlaceErrorKind::Denied));
}

#[test]
fn consolidated_metadata_cost_nothing_more() {
    let mut root = group(multiscales("0.5"));
    root["consolidated_metadata"] = json!({"kind": "inline", "must_understand": false, "metadata": {
        "0": v3([32, 32]), "1": v3([16, 16]), "labels": group(json!({"labels": ["cells"]})),
        "labels/cells": group(json!({"image-label": {"source": {"image": "../../"}}}))}});
    let (spot, _) = far(&[("zarr.json", root)], &[5], &[]);
    let image = open_at(&spot, ImageId(1)).unwrap();
    assert_eq!((image.info.levels.len(), image.info.labels[0].source.as_deref()), (2, Some("../../")));
    assert!(image.info.format.consolidated);

    let all = json!({"zarr_consolidated_format": 1, "metadata": {
        ".zgroup": {"zarr_format": 2}, ".zattrs": multiscales("0.4"), "0/.zarray": v2([32, 32]), "1/.zarray": v2([16, 16])}});
    let (spot, _) =
        far(&[(".zattrs", multiscales("0.4")), (".zgroup", json!({"zarr_format": 2})), (".zmetadata", all)], &[5], &[]);
    let image = open_at(&spot, ImageId(1)).unwrap();
    assert_eq!((image.info.levels.len(), image.info.format.consolidated), (2, true));
}

#[test]
fn nearby_the_documents_themselves_count() {
    let stale = json!({"kind": "inline", "must_understand": false, "metadata": {"0": v3([8, 8]), "1": v3([4, 4])}});
    let mut root = group(multiscales("0.5"));
    root["consolidated_metadata"] = stale;
    let files = [("zarr.json", root), ("0/zarr.json", v3([64, 32])), ("1/zarr.json", v3([32, 16]))];
    let objects = files.iter().map(|(name, content)| (Key::new(name).unwrap(), Bytes::from(content.to_string())));
    let place = Arc::new(Memory::new(objects));
    let spot = Spot { place, key: Key::root(), pick: None, name: "memory".into() };
    let report = survey_at(&spot).unwrap();
    assert_eq!((report.levels[0].shape.clone(), report.format.consolidated), (vec![64, 32], true));
}
