//! Decoded samples in the formats that devices draw.

use super::DType;
use std::sync::Arc;

/// The formats a device keeps samples in. 8- and 16-bit unsigned data stay as they are; the rest become `f32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SampleFormat {
    /// Unsigned 8 bit (also `bool`).
    U8,
    /// Unsigned 16 bit.
    U16,
    /// 32-bit float: every other element type, rounded where it has more than 24 significant bits.
    F32,
}

impl SampleFormat {
    /// The format that samples of `dtype` are drawn from.
    pub fn of(dtype: DType) -> Self {
        match dtype {
            DType::Bool | DType::U8 => Self::U8,
            DType::U16 => Self::U16,
            _ => Self::F32,
        }
    }

    /// Bytes per sample.
    pub fn size(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::U16 => 2,
            Self::F32 => 4,
        }
    }
}

/// A shared block of samples. Cloning shares, never copies.
#[derive(Debug, Clone, PartialEq)]
pub enum Samples {
    /// Unsigned 8 bit.
    U8(Arc<[u8]>),
    /// Unsigned 16 bit.
    U16(Arc<[u16]>),
    /// 32-bit float.
    F32(Arc<[f32]>),
}

impl Samples {
    /// How many samples.
    pub fn len(&self) -> usize {
        match self {
            Self::U8(s) => s.len(),
            Self::U16(s) => s.len(),
            Self::F32(s) => s.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The format.
    pub fn format(&self) -> SampleFormat {
        match self {
            Self::U8(_) => SampleFormat::U8,
            Self::U16(_) => SampleFormat::U16,
            Self::F32(_) => SampleFormat::F32,
        }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.len() * self.format().size()
    }

    /// Sample `i` as a number. Panics if out of range, as a slice does.
    pub fn get(&self, i: usize) -> f32 {
        match self {
            Self::U8(s) => f32::from(s[i]),
            Self::U16(s) => f32::from(s[i]),
            Self::F32(s) => s[i],
        }
    }
}
