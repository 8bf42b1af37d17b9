//! The samples of a layer, as the scene displays them: axes in its order, in the format that devices draw.

use super::description::Layer;
use nc_core::data::{Coloring, ImageId, Samples};
use nc_store::place::{Location, PlaceOptions, Places, Stop};
use nc_store::{Image, OpenError, RegionReader, label_keys, samples};
use std::ops::Range;
use std::path::Path;

/// An opened array of a layer.
pub(super) struct Source<'a> {
    layer: &'a Layer,
    /// Array axes of the displayed dims.
    shown: Vec<usize>,
    /// Index per array axis; 0 of displayed ones.
    pub(super) index: Vec<u32>,
    image: Image,
    reader: RegionReader,
}

/// What keeps a layer from being read.
#[derive(Debug, thiserror::Error)]
pub(super) enum SourceError {
    #[error("{0}")]
    Open(#[from] OpenError),
    #[error("{0}")]
    Read(#[from] nc_store::ReadError),
    #[error("{0}")]
    Misfit(String),
}

impl<'a> Source<'a> {
    pub(super) fn open(layer: &'a Layer, displayed: &[usize], root: &Path, id: ImageId) -> Result<Self, SourceError> {
        let location = Location::local(&root.join(&layer.file).to_string_lossy());
        let location = if layer.path.is_empty() { location } else { location.join(&layer.path)? };
        let image = nc_store::open_at(&Places::new(PlaceOptions::default()).find(&location)?, id)?;
        let shape = &image.info.finest().shape;
        let place = &image.info.location;
        if shape.len() != layer.array_axes.len() {
            let (has, says) = (shape.len(), layer.array_axes.len());
            return Err(SourceError::Misfit(format!("{place} has {has} axes, \"array_axes\" names {says}")));
        }
        let mut index = Vec::new();
        for (axis, dim) in layer.array_axes.iter().enumerate() {
            let at = dim.map_or(layer.channel as f64, |dim| layer.index[dim]);
            if !(0.0..shape[axis] as f64).contains(&at) || shape[axis] > u64::from(u32::MAX) {
                let what = dim.map_or("channel".to_owned(), |dim| format!("index of axis {dim}"));
                return Err(SourceError::Misfit(format!("{place} has no {what} {at}: there are {}", shape[axis])));
            }
            index.push(at as u32);
        }
        let axis = |dim: &usize| layer.array_axes.iter().position(|axis| *axis == Some(*dim)).unwrap_or(*dim);
        let shown = displayed.iter().map(axis).collect();
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
        Ok(Self { layer, shown, index, image, reader: RegionReader::new(threads) })
    }

    /// Samples along each displayed dim.
    pub(super) fn len(&self) -> Vec<u32> {
        self.shown.iter().map(|axis| self.image.info.finest().shape[*axis] as u32).collect()
    }

    /// Array axes of the displayed dims.
    pub(super) fn axes(&self) -> Vec<u8> {
        self.shown.iter().map(|axis| *axis as u8).collect()
    }

    /// Reads a box, ranges along the displayed dims: the last one is the fastest in what comes back.
    pub(super) fn read(&self, ranges: &[Range<u32>]) -> Result<Samples, SourceError> {
        let mut start: Vec<u64> = self.index.iter().copied().map(u64::from).collect();
        let mut shape = vec![1u64; start.len()];
        for (range, axis) in ranges.iter().zip(&self.shown) {
            (start[*axis], shape[*axis]) = (range.start.into(), range.len() as u64);
        }
        let dtype = self.image.info.dtype;
        let count = shape.iter().product::<u64>() as usize;
        let mut elements = vec![0; count * dtype.size()];
        self.reader.read(&self.image, 0, &start, &shape, &mut elements, &Stop::new())?;
        let read = match self.layer.coloring {
            Coloring::Scalar(_) => samples(dtype, &elements),
            Coloring::Labels(_) => label_keys(dtype, &elements).ok_or_else(|| {
                SourceError::Misfit(format!("{} holds {}: labels are integers", self.image.info.location, dtype.numpy_name()))
            })?,
        };
        if self.shown.is_sorted() {
            return Ok(read);
        }
        // Elements from one to the next along each displayed dim.
        let strides = self.shown.iter().map(|axis| shape[axis + 1..].iter().product::<u64>() as usize);
        let size = ranges.iter().map(ExactSizeIterator::len);
        Ok(strided(&read, &size.zip(strides).collect::<Vec<_>>(), 0))
    }
}

/// The samples at `first` and on, `dims` being how many there are along each dim and how far apart.
pub(super) fn strided(from: &Samples, dims: &[(usize, usize)], first: usize) -> Samples {
    fn pick<T: Copy>(from: &[T], dims: &[(usize, usize)], first: usize, out: &mut Vec<T>) {
        match dims {
            [] => out.push(from[first]),
            [(count, 1)] => out.extend_from_slice(&from[first..][..*count]),
            [(count, stride), inner @ ..] => (0..*count).for_each(|i| pick(from, inner, first + i * stride, out)),
        }
    }
    fn picked<T: Copy>(from: &[T], dims: &[(usize, usize)], first: usize) -> Vec<T> {
        let mut out = Vec::with_capacity(dims.iter().map(|(count, _)| count).product());
        pick(from, dims, first, &mut out);
        out
    }
    match from {
        Samples::U8(from) => Samples::U8(picked(from, dims, first).into()),
        Samples::U16(from) => Samples::U16(picked(from, dims, first).into()),
        Samples::F32(from) => Samples::F32(picked(from, dims, first).into()),
    }
}
