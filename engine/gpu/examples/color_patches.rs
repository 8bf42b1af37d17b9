//! Encodes colour patches in both ranges for `scripts/measure-color`: writes one JSON object per range to standard output.

#[path = "../tests/codec/patches.rs"]
mod patches;
#[path = "../tests/codec/planes.rs"]
mod planes;

use nc_core::data::ColorRange;
use nc_gpu::api::{EncodeError, EncoderConfig};
use nc_gpu::codec::{bitstream, open_encoder};
use patches::{PATCH, PATCH_COLUMNS, patch_colors, to_rgb};

/// Pictures a stream: enough repeats for the encoder to settle.
const PICTURES: usize = 6;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One range's stream, and what it holds by exact arithmetic.
fn stream(range: ColorRange) -> Result<String, Box<dyn std::error::Error>> {
    let colors = patch_colors();
    let picture = patches::patches(&colors, range);
    let size = picture.size;
    let mut encoder = open_encoder(EncoderConfig { size, fps: 30.0, bitrate: 8_000_000, range, slices: 1, threads: 1 })?;
    let frame = picture.frame(range);
    let units = (0..PICTURES).map(|_| encoder.encode(&frame, false)).collect::<Result<Vec<_>, EncodeError>>()?;
    let sets = units.first().and_then(|unit| unit.parameter_sets.as_ref()).ok_or("no parameter sets")?;

    let mut decoder = nc_gpu::testing::Decoder::open();
    let shown = units.iter().map(|unit| decoder.decode(&unit.avcc)).last().ok_or("no picture")?;
    let exact: Vec<[u8; 3]> = (0..colors.len() as u32)
        .map(|index| {
            let (x, y) = (index % PATCH_COLUMNS * PATCH + PATCH / 2, index / PATCH_COLUMNS * PATCH + PATCH / 2);
            let chroma = (y / 2 * (size.width / 2) + x / 2) as usize;
            to_rgb([shown.y[(y * size.width + x) as usize], shown.u[chroma], shown.v[chroma]], range)
        })
        .collect();

    Ok(format!(
        r#"{{"range": "{range:?}", "codec": "{}", "record": "{}", "units": [{}], "patch": {PATCH}, "columns": {PATCH_COLUMNS}, "colors": {colors:?}, "exact": {exact:?}}}"#,
        bitstream::codec_string(sets)?,
        hex(&bitstream::avcc_record(sets)?),
        units.iter().map(|unit| format!(r#""{}""#, hex(&unit.avcc))).collect::<Vec<_>>().join(", "),
    ))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("[{},\n{}]", stream(ColorRange::Full)?, stream(ColorRange::Limited)?);
    Ok(())
}
