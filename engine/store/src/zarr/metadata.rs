//! Metadata documents out of a place: which there are for a node, many at once, and those that came consolidated in one.
//!
//! A far place costs a round trip per question, so all documents that may be needed are asked for together: those of the root first,
//! then those of all levels and of the labels.

use super::OpenError;
use super::array::{self, ArrayDocument};
use crate::place::{Access, Key, Place, PlaceError, PlaceErrorKind, Span, Stop};
use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

/// A document beyond this is not one.
const LARGEST_DOCUMENT_BYTES: u64 = 256 << 20;
/// Documents that are asked for at once.
const MOST_AT_ONCE: usize = 64;

/// The documents that tell what a node is. v3 has one, v2 up to three.
const V3: &str = "zarr.json";
const ARRAY_V2: &str = ".zarray";
const ATTRIBUTES_V2: &str = ".zattrs";
const GROUP_V2: &str = ".zgroup";
const CONSOLIDATED_V2: &str = ".zmetadata";

/// What metadata elsewhere says that there is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    Any,
    Array,
    Group,
}

/// A zarr node.
#[derive(Debug)]
pub(super) enum Node {
    Array(ArrayDocument),
    Group(Group),
    Nothing,
}

/// A group that is there.
#[derive(Debug)]
pub(super) struct Group {
    /// The file that holds the attributes, as people may see it.
    pub(super) file: String,
    pub(super) attributes: Value,
    /// 2 or 3.
    pub(super) zarr: u8,
}

/// Documents by the path of their node and their file's name.
type Documents = HashMap<(String, &'static str), Result<Option<Value>, OpenError>>;

/// The metadata of a place, below a key.
pub(super) struct Metadata {
    place: Arc<dyn Place>,
    base: Key,
    /// The documents that came in one. Used only where a question is dear: they may be out of date.
    consolidated: Option<Consolidated>,
    /// Whether there are such, used or not.
    pub(super) is_consolidated: bool,
    /// What the root is written in, once it was read: 2 or 3.
    zarr: Option<u8>,
}

struct Consolidated {
    /// v3 names nodes ("0"), v2 documents ("0/.zarray").
    entries: Map<String, Value>,
    zarr: u8,
}

impl Consolidated {
    fn document(&self, path: &str, file: &str) -> Option<&Value> {
        match (self.zarr, path.is_empty()) {
            (3, _) => (file == V3).then(|| self.entries.get(path)).flatten(),
            (_, true) => self.entries.get(file),
            (_, false) => self.entries.get(&format!("{path}/{file}")),
        }
    }
}

impl Metadata {
    pub(super) fn new(place: Arc<dyn Place>, base: Key) -> Self {
        Self { place, base, consolidated: None, is_consolidated: false, zarr: None }
    }

    pub(super) fn place(&self) -> &Arc<dyn Place> {
        &self.place
    }

    /// Whether a question costs a round trip, so that one does without what is only nice to know.
    pub(super) fn is_dear(&self) -> bool {
        self.is_far() && self.consolidated.is_none()
    }

    /// Whether the place is far away.
    pub(super) fn is_far(&self) -> bool {
        matches!(self.place.access(), Access::Far { .. })
    }

    /// The key of a path below the base.
    pub(super) fn key(&self, path: &str) -> Result<Key, OpenError> {
        self.base.join(path).map_err(|error| OpenError::Place { place: self.name(path), error })
    }

    /// The metadata `levels` folders above the base, and the path from there to here; `None` if the place begins below.
    pub(super) fn above(&self, levels: usize) -> Option<(Self, String)> {
        let names: Vec<&str> = self.base.as_str().split('/').filter(|name| !name.is_empty()).collect();
        let (above, below) = names.split_at(names.len().checked_sub(levels)?);
        let base = Key::new(&above.join("/")).ok()?;
        Some((Self::new(self.place.clone(), base), below.join("/")))
    }

    /// A path below the base, as people may see it.
    pub(super) fn name(&self, path: &str) -> String {
        let parts = [self.place.redacted().trim_end_matches('/'), self.base.as_str(), path.trim_matches('/')];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
    }

    /// Paths of what lies directly below `path`, in order; none where the place cannot tell.
    pub(super) fn below(&self, path: &str, most: usize) -> Vec<String> {
        if let Some(Consolidated { entries, .. }) = &self.consolidated {
            let names = entries.keys().filter_map(|key| {
                let rest = if path.is_empty() { key.as_str() } else { key.strip_prefix(path)?.strip_prefix('/')? };
                rest.split('/').next().filter(|name| !name.is_empty() && !name.starts_with('.'))
            });
            let names: BTreeSet<String> = names.map(|name| joined(path, name)).collect();
            return names.into_iter().take(most).collect();
        }
        let entries = self.key(path).ok().and_then(|key| self.place.list(&key, most).ok()).unwrap_or_default();
        entries.into_iter().filter(|e| e.folder && !e.name.starts_with('.')).map(|e| joined(path, &e.name)).collect()
    }

    /// The node at the base. A near place is asked for one document after the other, and what is consolidated is left alone: the
    /// documents themselves cost nothing there, and cannot be out of date.
    pub(super) fn root(&mut self) -> Result<Node, OpenError> {
        let far = self.is_far();
        let mut documents = Documents::new();
        if far {
            let files = [V3, CONSOLIDATED_V2, ARRAY_V2, ATTRIBUTES_V2, GROUP_V2];
            documents = self.read(&files.map(|file| (String::new(), file)));
        }
        let mut inline = None;
        let node = self.assemble("", &mut documents, Some(&mut inline))?;
        self.zarr = match &node {
            Node::Array(array) => Some(array.zarr),
            Node::Group(group) => Some(group.zarr),
            Node::Nothing => None,
        };
        let is_v2 = self.zarr == Some(2);
        if far {
            // Beside a v3 root it is a leftover of the same image in v2.
            let document = documents.remove(&(String::new(), CONSOLIDATED_V2)).filter(|_| is_v2);
            if let Some(Ok(Some(Value::Object(mut document)))) = document
                && let Some(Value::Object(entries)) = document.remove("metadata")
            {
                self.consolidated = Some(Consolidated { entries, zarr: 2 });
            } else {
                self.consolidated = inline.map(|entries| Consolidated { entries, zarr: 3 });
            }
            self.is_consolidated = self.consolidated.is_some();
        } else {
            let lies_there = || self.bytes(&self.key(CONSOLIDATED_V2).ok()?, &Span::Last(1)).ok().flatten();
            self.is_consolidated = inline.is_some() || (is_v2 && lies_there().is_some());
        }
        Ok(node)
    }

    /// The nodes at paths below the base, asked for together.
    pub(super) fn nodes(&self, paths: &[String]) -> Vec<Result<Node, OpenError>> {
        let paths: Vec<_> = paths.iter().map(|path| (path.clone(), Expected::Any)).collect();
        self.nodes_expected(&paths)
    }

    /// As [`Self::nodes`], where it is known what is to be there; anything else may be taken for nothing.
    pub(super) fn nodes_expected(&self, paths: &[(String, Expected)]) -> Vec<Result<Node, OpenError>> {
        let mut documents = Documents::new();
        if self.is_dear() {
            // Whoever knows the root's version knows which files there are.
            let files = |expected: Expected| -> &[&'static str] {
                match (self.zarr, expected) {
                    (Some(3), _) => &[V3],
                    (Some(_), Expected::Array) => &[ARRAY_V2],
                    (Some(_), Expected::Group) => &[ATTRIBUTES_V2, GROUP_V2],
                    (Some(_), Expected::Any) => &[ARRAY_V2, ATTRIBUTES_V2, GROUP_V2],
                    (None, _) => &[V3, ARRAY_V2, ATTRIBUTES_V2, GROUP_V2],
                }
            };
            let of = |(path, expected): &(String, Expected)| files(*expected).iter().map(|file| (path.clone(), *file)).collect();
            documents = self.read(&paths.iter().flat_map(|path| -> Vec<_> { of(path) }).collect::<Vec<_>>());
        }
        paths.iter().map(|(path, _)| self.assemble(path, &mut documents, None)).collect()
    }

    /// The node at a path below the base.
    pub(super) fn node(&self, path: &str) -> Result<Node, OpenError> {
        self.nodes(&[path.to_owned()]).pop().unwrap_or(Ok(Node::Nothing))
    }

    /// A document: of those that were read, else out of what is consolidated, else (at a near place) read now.
    fn document(&self, path: &str, file: &'static str, read: &mut Documents) -> Result<Option<Value>, OpenError> {
        if let Some(document) = read.remove(&(path.to_owned(), file)) {
            return document;
        }
        if let Some(consolidated) = &self.consolidated {
            return Ok(consolidated.document(path, file).cloned());
        }
        if self.is_far() {
            return Ok(None);
        }
        self.read(&[(path.to_owned(), file)]).remove(&(path.to_owned(), file)).unwrap_or(Ok(None))
    }

    /// Makes a node of its documents: v3 before v2. What somebody may not read is taken as absent where something else says enough, for
    /// that is how some stores say that it is. `inline` gets the consolidated metadata of a v3 group.
    fn assemble(
        &self,
        path: &str,
        read: &mut Documents,
        inline: Option<&mut Option<Map<String, Value>>>,
    ) -> Result<Node, OpenError> {
        let mut denied = None;
        let mut document = |file: &'static str| match self.document(path, file, read) {
            Err(OpenError::Place { place, error }) if error.kind == PlaceErrorKind::Denied => {
                denied.get_or_insert(OpenError::Place { place, error });
                Ok(None)
            }
            other => other,
        };
        let file = |file: &str| self.name(&joined(path, file));
        if let Some(mut json) = document(V3)? {
            if json.get("node_type").and_then(Value::as_str) == Some("array") {
                return array::parse(file(V3), json).map(Node::Array);
            }
            if let (Some(inline), Some(Value::Object(entries))) = (inline, json.pointer_mut("/consolidated_metadata/metadata")) {
                *inline = Some(std::mem::take(entries));
            }
            let attributes = json.get_mut("attributes").map(Value::take).unwrap_or_default();
            return Ok(Node::Group(Group { file: file(V3), attributes, zarr: 3 }));
        }
        if let Some(json) = document(ARRAY_V2)? {
            return array::parse(file(ARRAY_V2), json).map(Node::Array);
        }
        let group = |attributes| Ok(Node::Group(Group { file: file(ATTRIBUTES_V2), attributes, zarr: 2 }));
        if let Some(attributes) = document(ATTRIBUTES_V2)? {
            return group(attributes);
        }
        if document(GROUP_V2)?.is_some() {
            return group(Value::Object(Map::new()));
        }
        denied.map_or(Ok(Node::Nothing), Err)
    }

    /// Reads documents together.
    fn read(&self, asked: &[(String, &'static str)]) -> Documents {
        let keyed: Vec<_> = asked.iter().map(|(path, file)| self.key(&joined(path, file))).collect();
        let keys: Vec<Key> = keyed.iter().filter_map(|key| key.as_ref().ok().cloned()).collect();
        let mut bytes = self.fetch(&keys).into_iter();
        let mut documents = Documents::new();
        for ((path, file), key) in asked.iter().zip(keyed) {
            let name = || self.name(&joined(path, file));
            let document = key.and_then(|_| match bytes.next() {
                None | Some(Ok(None)) => Ok(None),
                Some(Ok(Some(bytes))) => parse(&bytes).map(Some).map_err(|error| OpenError::BrokenJson { path: name(), error }),
                Some(Err(error)) => Err(OpenError::Place { place: name(), error }),
            });
            documents.insert((path.clone(), file), document);
        }
        documents
    }

    /// The bytes of objects, in the order of their keys; all at once if they are far away.
    fn fetch(&self, keys: &[Key]) -> Vec<Result<Option<Vec<u8>>, PlaceError>> {
        if !self.is_far() {
            return keys.iter().map(|key| self.bytes(key, &Span::Last(LARGEST_DOCUMENT_BYTES))).collect();
        }
        let lost = || Err(PlaceError::new(PlaceErrorKind::Hung, "the read was given up"));
        let mut answers = Vec::with_capacity(keys.len());
        for keys in keys.chunks(MOST_AT_ONCE) {
            let (tell, told) = sync_channel(keys.len());
            let stop = Stop::new();
            for (i, key) in keys.iter().enumerate() {
                let tell = tell.clone();
                // The channel has room for every answer, so this never blocks; nobody listens any more only if this thread panicked.
                let done = move |answer| tell.send((i, answer)).unwrap_or_default();
                self.place.fetch(key, &[Span::Whole], &stop, Box::new(done));
            }
            drop(tell);
            let mut batch: Vec<_> = keys.iter().map(|_| lost()).collect();
            for (i, answer) in told {
                batch[i] = answer.map(|blobs| blobs.and_then(|b| b.into_iter().next()).map(|blob| blob.bytes.to_vec()));
            }
            answers.extend(batch);
        }
        answers
    }

    /// The bytes of one object.
    fn bytes(&self, key: &Key, span: &Span) -> Result<Option<Vec<u8>>, PlaceError> {
        let mut bytes = Vec::new();
        let Some(read) = self.place.read_into(key, span, &Stop::new(), &mut bytes)? else { return Ok(None) };
        if read.object_len.is_some_and(|len| len > LARGEST_DOCUMENT_BYTES) {
            return Err(PlaceError::new(PlaceErrorKind::Bad, "it is too large for metadata"));
        }
        Ok(Some(bytes))
    }
}

/// A path and a name below it.
pub(super) fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") }
}

/// The JSON of a document. Some writers put `NaN` and `Infinity` where JSON knows no such numbers: they become `null`.
pub(super) fn parse(text: &[u8]) -> Result<Value, serde_json::Error> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    serde_json::from_slice(text).or_else(|error| match without_nan(text) {
        Some(text) => serde_json::from_slice(&text).map_err(|_| error),
        None => Err(error),
    })
}

/// The text with `null` for `NaN`, `Infinity` and `-Infinity` outside of strings; `None` if there are none.
fn without_nan(text: &[u8]) -> Option<Vec<u8>> {
    let mut clean = Vec::with_capacity(text.len());
    let (mut at, mut quoted, mut found) = (0, false, false);
    while at < text.len() {
        let word = (!quoted).then(|| [&b"NaN"[..], b"-Infinity", b"Infinity"].into_iter().find(|w| text[at..].starts_with(w)));
        if let Some(word) = word.flatten() {
            clean.extend_from_slice(b"null");
            at += word.len();
            found = true;
            continue;
        }
        if quoted && text[at] == b'\\' {
            clean.push(text[at]);
            at += 1;
        } else if text[at] == b'"' {
            quoted = !quoted;
        }
        clean.extend(text.get(at));
        at += 1;
    }
    found.then_some(clean)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_that_json_does_not_know_become_null() {
        let text = br#"{"a": NaN, "b": [-Infinity, Infinity, 1], "NaN": "NaN \" Infinity", "c": "\\"}"#;
        let expected = json!({"a": null, "b": [null, null, 1], "NaN": "NaN \" Infinity", "c": "\\"});
        assert_eq!(parse(text).unwrap(), expected);
        assert_eq!(parse(b"\xef\xbb\xbf[1]").unwrap(), json!([1]));
        for broken in [&b"{\"a\": NaN"[..], b"NaNa", b"", b"{\"a\\", b"\"\\"] {
            assert!(parse(broken).is_err(), "{broken:?}");
        }
    }
}
