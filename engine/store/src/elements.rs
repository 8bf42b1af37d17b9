//! Elements as they were read, in the format that devices draw.

use nc_core::data::{DType, SampleFormat, Samples};

/// Samples from elements of `dtype` in native byte order, as [`crate::RegionReader`] gives them; bytes beyond the last whole element are
/// ignored.
pub fn samples(dtype: DType, elements: &[u8]) -> Samples {
    match SampleFormat::of(dtype) {
        SampleFormat::U8 => Samples::U8(elements.into()),
        SampleFormat::U16 => Samples::U16(elements.as_chunks().0.iter().map(|element| u16::from_ne_bytes(*element)).collect()),
        SampleFormat::F32 => Samples::F32(crate::gather::as_f32(dtype, elements).into()),
    }
}

/// The keys of labels ([`nc_core::data::labels`]) from such elements; `None` if they are no integers.
pub fn label_keys(dtype: DType, elements: &[u8]) -> Option<Samples> {
    Some(match dtype {
        DType::Bool | DType::U8 | DType::U16 => samples(dtype, elements),
        DType::F16 | DType::F32 | DType::F64 => return None,
        _ => Samples::U16(crate::gather::as_keys(dtype, elements).into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use nc_core::data::labels::key_of;

    #[test]
    fn elements_keep_their_value() {
        let bytes: Vec<u8> = [-2i16, 300].iter().flat_map(|v| v.to_ne_bytes()).collect();
        assert_eq!(samples(DType::I16, &bytes), Samples::F32([-2.0, 300.0].into()));
        assert_eq!(samples(DType::U16, &bytes), Samples::U16([65534, 300].into()));
        assert_eq!(samples(DType::F16, &half::f16::from_f32(1.5).to_ne_bytes()), Samples::F32([1.5].into()));
        assert_eq!(label_keys(DType::U16, &bytes), Some(Samples::U16([65534, 300].into())));
        assert_eq!(label_keys(DType::I16, &bytes), Some(Samples::U16([key_of(-2), 300].into())));
        assert_eq!(label_keys(DType::F32, &bytes), None);
        assert_eq!(label_keys(DType::I64, &70_000i64.to_ne_bytes()), Some(Samples::U16([key_of(70_000)].into())));
    }
}
