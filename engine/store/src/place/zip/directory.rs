//! The central directory of a zip archive: which entry lies where. Pure: bytes in, table out.
//!
//! Reads ZIP64 (archives and entries beyond 4 GiB, more than 65,535 entries) and archives with something before them. Not read:
//! archives in several parts, and directories that are encrypted.

use super::super::{PlaceError, PlaceErrorKind};
use std::ops::Range;

/// Bytes at the end of an archive that hold the record which ends it, whatever the comment.
pub(super) const TAIL: u64 = 22 + 20 + 65_535;

/// Bytes that the directory may have.
const MOST_BYTES: u64 = 1 << 30;

const END: [u8; 4] = *b"PK\x05\x06";
const END_64: [u8; 4] = *b"PK\x06\x06";
const LOCATOR_64: [u8; 4] = *b"PK\x06\x07";
const ENTRY: [u8; 4] = *b"PK\x01\x02";
const LOCAL: [u8; 4] = *b"PK\x03\x04";

/// Bytes of a local header before the name.
pub(super) const LOCAL_HEADER: u64 = 30;

/// How an entry is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// Not at all.
    Stored,
    Deflate,
    Zstd,
    /// In a way that is not read; with its number.
    Other(u16),
    Encrypted,
}

/// An entry of the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    name: Range<u32>,
    pub(super) method: Method,
    pub(super) crc: u32,
    /// Bytes in the archive.
    pub(super) packed: u64,
    /// Bytes of the object.
    pub(super) len: u64,
    /// Where its local header begins.
    pub(super) header: u64,
    /// Bytes of name and extra field, as the directory has them; the local header may have others.
    pub(super) after_header: u32,
}

/// All entries that are objects, by name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Directory {
    names: Box<str>,
    records: Box<[Record]>,
    /// Where the directory begins, and so where the data of the last entry ends at the latest.
    pub(super) begin: u64,
}

/// Where the directory lies.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// Bytes of the archive.
    pub(super) bytes: Range<u64>,
    /// What is to be added to offsets that the archive names: something may have been put before it.
    shift: u64,
}

/// What the last bytes of an archive tell.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Where the directory is.
    Directory(Extent),
    /// A record of ZIP64 at these bytes tells where it is.
    Zip64(Range<u64>),
}

fn bad(what: &str) -> PlaceError {
    PlaceError::new(PlaceErrorKind::Bad, format!("the zip archive is damaged ({what}): copy or download it again"))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?)))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?)))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// Finds the end of an archive of `len` bytes in its `tail`, the last [`TAIL`] bytes or all of it.
///
/// # Errors
/// [`PlaceErrorKind::Bad`] if it is no archive, or one in parts.
pub(super) fn ending(tail: &[u8], len: u64) -> Result<Ending, PlaceError> {
    let start = len.checked_sub(tail.len() as u64).ok_or_else(|| bad("it changes while it is read"))?;
    // A comment may hold what looks like the record: only the true one's comment ends where the archive ends.
    let at = (0..tail.len().saturating_sub(21))
        .rev()
        .find(|&at| tail[at..].starts_with(&END) && u16_at(tail, at + 20).is_some_and(|n| at + 22 + n as usize == tail.len()));
    let at = at.ok_or_else(|| {
        PlaceError::new(PlaceErrorKind::Bad, "is no zip archive, or its end is cut off: copy or download it again")
    })?;
    let field = |offset| u16_at(tail, at + offset).unwrap_or_default();
    let in_parts = (field(4) != 0 && field(4) != 0xFFFF) || (field(6) != 0 && field(6) != 0xFFFF);
    if in_parts {
        return Err(PlaceError::new(PlaceErrorKind::Bad, "is one part of a zip archive in parts: join them"));
    }
    if let Some(locator) = at.checked_sub(20).filter(|&locator| tail[locator..].starts_with(&LOCATOR_64)) {
        // It lies right before the locator, whatever offset that tells: something may have been put before the archive.
        let end = start + locator as u64;
        let record = end.checked_sub(56).ok_or_else(|| bad("the end record"))?;
        return Ok(Ending::Zip64(record..end));
    }
    let size = u32_at(tail, at + 12).unwrap_or_default();
    let told = u32_at(tail, at + 16).unwrap_or_default();
    extent(size, told, start + at as u64).map(Ending::Directory)
}

/// Reads the record of ZIP64, which lies at `begin`.
pub(super) fn ending_64(record: &[u8], begin: u64) -> Result<Extent, PlaceError> {
    let (Some(size), Some(told), true) = (u64_at(record, 40), u64_at(record, 48), record.starts_with(&END_64)) else {
        return Err(bad("the end record of ZIP64"));
    };
    extent(size, told, begin)
}

/// The directory ends where the record begins, whatever offset is told.
fn extent(size: u64, told: u64, record: u64) -> Result<Extent, PlaceError> {
    let begin = record.checked_sub(size).ok_or_else(|| bad("the size of its directory"))?;
    let shift = begin.checked_sub(told).ok_or_else(|| bad("the place of its directory"))?;
    if size > MOST_BYTES {
        return Err(PlaceError::new(PlaceErrorKind::Bad, "has a directory of more than 1 GiB: unpack it"));
    }
    Ok(Extent { bytes: begin..record, shift })
}

impl Directory {
    /// Reads the bytes of the directory.
    ///
    /// # Errors
    /// [`PlaceErrorKind::Bad`] if they are damaged. Entries whose names can be no keys are left out.
    pub(super) fn parse(bytes: &[u8], extent: &Extent) -> Result<Self, PlaceError> {
        let damaged = || bad("its directory");
        let (mut names, mut records) = (String::new(), Vec::new());
        let mut at = 0;
        while bytes.len() - at >= 46 && bytes[at..].starts_with(&ENTRY) {
            let (u16, u32) = (|offset| u16_at(bytes, at + offset), |offset| u32_at(bytes, at + offset));
            let (Some(flags), Some(method), Some(crc)) = (u16(8), u16(10), u32(16)) else { return Err(damaged()) };
            let (Some(packed), Some(len), Some(header)) = (u32(20), u32(24), u32(42)) else { return Err(damaged()) };
            let (Some(name), Some(extra), Some(comment)) = (u16(28), u16(30), u16(32)) else { return Err(damaged()) };
            let name_end = at + 46 + name as usize;
            let extra_end = name_end + extra as usize;
            let (Some(name), Some(extra)) = (bytes.get(at + 46..name_end), bytes.get(name_end..extra_end)) else {
                return Err(damaged());
            };
            let [len, packed, header] = wide([len, packed, header], extra).ok_or_else(damaged)?;
            let after_header = (name.len() + extra.len()) as u32;
            at = extra_end.checked_add(comment as usize).filter(|&next| next <= bytes.len()).ok_or_else(damaged)?;
            let Some(name) = sound_name(name) else { continue };
            let method = match (flags & 1, method) {
                (1, _) => Method::Encrypted,
                (_, 0) => Method::Stored,
                (_, 8) => Method::Deflate,
                (_, 93 | 20) => Method::Zstd,
                (_, other) => Method::Other(other as u16),
            };
            let header = header.checked_add(extent.shift).ok_or_else(damaged)?;
            let inside =
                header.checked_add(LOCAL_HEADER).and_then(|n| n.checked_add(packed)).is_some_and(|end| end <= extent.bytes.start);
            if !inside || (method == Method::Stored && packed != len) {
                return Err(damaged());
            }
            let begin = u32::try_from(names.len()).map_err(|_| damaged())?;
            names.push_str(&name);
            let end = u32::try_from(names.len()).map_err(|_| damaged())?;
            records.push(Record { name: begin..end, method, crc: crc as u32, packed, len, header, after_header });
        }
        let name_of = |record: &Record| &names[record.name.start as usize..record.name.end as usize];
        // Of two entries of one name the later counts, as archives are written by appending.
        records.reverse();
        records.sort_by(|a, b| name_of(a).cmp(name_of(b)));
        records.dedup_by(|later, kept| name_of(later) == name_of(kept));
        Ok(Self { records: records.into(), names: names.into(), begin: extent.bytes.start })
    }

    /// The entry called `name`, with its number.
    pub(super) fn find(&self, name: &str) -> Option<(usize, &Record)> {
        let index = self.records.binary_search_by(|record| self.name(record).cmp(name)).ok()?;
        Some((index, &self.records[index]))
    }

    pub(super) fn name(&self, record: &Record) -> &str {
        &self.names[record.name.start as usize..record.name.end as usize]
    }

    /// All entries in order of their names.
    pub(super) fn records(&self) -> &[Record] {
        &self.records
    }

    /// The entries whose names begin with `prefix`.
    pub(super) fn below(&self, prefix: &str) -> &[Record] {
        let begin = self.records.partition_point(|record| self.name(record) < prefix);
        let count = self.records[begin..].partition_point(|record| self.name(record).starts_with(prefix));
        &self.records[begin..begin + count]
    }
}

/// Sizes and offset, of which those that 32 bits cannot hold are in the extra field.
fn wide(mut values: [u64; 3], mut extra: &[u8]) -> Option<[u64; 3]> {
    while let (Some(id), Some(size)) = (u16_at(extra, 0), u16_at(extra, 2)) {
        let field = extra.get(4..4 + size as usize)?;
        if id == 1 {
            let mut at = 0;
            for value in values.iter_mut().filter(|value| **value == u64::from(u32::MAX)) {
                *value = u64_at(field, at)?;
                at += 8;
            }
        }
        extra = &extra[4 + size as usize..];
    }
    Some(values)
}

/// The name as a key; `None` for folders, and for what no key can name.
fn sound_name(name: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(name).ok()?.replace('\\', "/");
    let name = name.strip_prefix("./").unwrap_or(&name).trim_start_matches('/');
    let sound = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\0');
    name.split('/').all(sound).then(|| name.to_owned())
}

/// Where the data of an entry begins, from the bytes at its local header (at least [`LOCAL_HEADER`]).
///
/// # Errors
/// [`PlaceErrorKind::Bad`] if there is no header.
pub(super) fn data_begin(header: &[u8], record: &Record) -> Result<u64, PlaceError> {
    match (header.starts_with(&LOCAL), u16_at(header, 26), u16_at(header, 28)) {
        (true, Some(name), Some(extra)) => Ok(record.header + LOCAL_HEADER + name + extra),
        _ => Err(bad("an entry is not where its directory says")),
    }
}
