//! Writes zip archives, with all that makes them hard to read.

use std::io::Write;

/// How the entries of an archive are written.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Style {
    /// 0 stored, 8 deflate, 93 zstd.
    pub(crate) method: u16,
    /// Sizes and offsets in fields of ZIP64.
    pub(crate) zip64: bool,
    /// Bytes of an extra field that only local headers have.
    pub(crate) local_extra: usize,
    /// Something before the archive.
    pub(crate) before: &'static [u8],
    /// What comes at its very end.
    pub(crate) comment: &'static [u8],
}

/// The archive of these entries; folders end with a slash.
pub(crate) fn archive(entries: &[(&str, &[u8])], style: Style) -> Vec<u8> {
    let mut out = style.before.to_vec();
    let mut directory = Vec::new();
    for (name, object) in entries {
        let packed = pack(object, style.method);
        let offset = out.len() - style.before.len();
        let crc = crc32fast::hash(object);
        let mut sizes = vec![packed.len() as u64, object.len() as u64];
        out.extend(b"PK\x03\x04");
        out.extend(u16s(&[45, 0x0800, style.method, 0, 0]));
        out.extend(crc.to_le_bytes());
        out.extend(sizes.iter().flat_map(|&n| (n as u32).to_le_bytes()));
        let extra = if style.local_extra > 0 { field(0xCAFE, &vec![0; style.local_extra]) } else { Vec::new() };
        out.extend(u16s(&[name.len() as u16, extra.len() as u16]));
        out.extend(name.as_bytes());
        out.extend(extra);
        out.extend(&packed);

        sizes.push(offset as u64);
        let wide: Vec<u8> = [sizes[1], sizes[0], sizes[2]].iter().flat_map(|n| n.to_le_bytes()).collect();
        let extra = if style.zip64 { field(1, &wide) } else { Vec::new() };
        let narrow = |n: u64| if style.zip64 { u32::MAX } else { n as u32 };
        directory.extend(b"PK\x01\x02");
        directory.extend(u16s(&[45, 45, 0x0800, style.method, 0, 0]));
        directory.extend(crc.to_le_bytes());
        directory.extend([narrow(sizes[0]), narrow(sizes[1])].iter().flat_map(|n| n.to_le_bytes()));
        directory.extend(u16s(&[name.len() as u16, extra.len() as u16, 0, 0, 0, 0, 0]));
        directory.extend(narrow(sizes[2]).to_le_bytes());
        directory.extend(name.as_bytes());
        directory.extend(extra);
    }
    let begin = (out.len() - style.before.len()) as u64;
    let (count, size) = (entries.len() as u64, directory.len() as u64);
    out.extend(&directory);
    if style.zip64 {
        let record = (out.len() - style.before.len()) as u64;
        out.extend(b"PK\x06\x06");
        out.extend(44u64.to_le_bytes());
        out.extend(u16s(&[45, 45, 0, 0, 0, 0]));
        out.extend([count, count, size, begin].iter().flat_map(|n| n.to_le_bytes()));
        out.extend(b"PK\x06\x07");
        out.extend(0u32.to_le_bytes());
        out.extend(record.to_le_bytes());
        out.extend(1u32.to_le_bytes());
    }
    let narrow = |n: u64| if style.zip64 { u32::MAX } else { n as u32 };
    out.extend(b"PK\x05\x06");
    out.extend(u16s(&[0, 0, count as u16, count as u16]));
    out.extend([narrow(size), narrow(begin)].iter().flat_map(|n| n.to_le_bytes()));
    out.extend(u16s(&[style.comment.len() as u16]));
    out.extend(style.comment);
    out
}

fn u16s(values: &[u16]) -> Vec<u8> {
    values.iter().flat_map(|n| n.to_le_bytes()).collect()
}

fn field(id: u16, data: &[u8]) -> Vec<u8> {
    [u16s(&[id, data.len() as u16]), data.to_vec()].concat()
}

fn pack(object: &[u8], method: u16) -> Vec<u8> {
    match method {
        0 => object.to_vec(),
        8 => {
            let mut packer = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
            packer.write_all(object).unwrap();
            packer.finish().unwrap()
        }
        93 => zstd::encode_all(object, 1).unwrap(),
        other => panic!("no method {other}"),
    }
}
