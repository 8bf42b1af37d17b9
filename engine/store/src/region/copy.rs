//! Copying what a chunk gives to a box.

use super::share::{Cut, Item, Region};
use crate::codec::Decoded;
use crate::image::Part;
use nc_core::data::MAX_AXES;

/// Samples along one axis: how many, and how many elements lie from one to the next, in the chunk and in the output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Dim {
    len: usize,
    from: usize,
    to: usize,
}

/// Copies the samples of the cut into the pieces of the item.
pub(super) fn place(region: &Region, cut: &Cut, part: &Part<'_>, item: &mut Item<'_>) {
    match region.element {
        1 => place_elements::<1>(region, cut, part, item),
        2 => place_elements::<2>(region, cut, part, item),
        4 => place_elements::<4>(region, cut, part, item),
        _ => place_elements::<8>(region, cut, part, item),
    }
}

fn place_elements<const N: usize>(region: &Region, cut: &Cut, part: &Part<'_>, item: &mut Item<'_>) {
    let outer = Item::outer_axis(region);
    let (from, to) = (cut.strides(part.shape), item.strides(region));
    let mut dims = [Dim::default(); MAX_AXES];
    let mut count: usize = 0;
    let mut target = 0;
    for axis in outer + 1..cut.axes {
        let first = if axis == outer + 1 { cut.to[axis] - item.first_next } else { cut.to[axis] };
        target += first * to[axis];
        let dim = Dim { len: cut.len[axis], from: from[axis], to: to[axis] };
        if dim.len == 1 {
            continue;
        }
        // Two axes that lie behind each other without a gap are one.
        if let Some(before) = count.checked_sub(1).map(|i| &mut dims[i])
            && before.from == dim.len * dim.from
            && before.to == dim.len * dim.to
        {
            *before = Dim { len: before.len * dim.len, ..dim };
            continue;
        }
        dims[count] = dim;
        count += 1;
    }
    let first: usize = (0..cut.axes).map(|axis| cut.from[axis] * from[axis]).sum();
    let pieces = &mut item.pieces[cut.to[outer] - item.first_piece..][..cut.len[outer]];
    for (i, piece) in pieces.iter_mut().enumerate() {
        copy(&part.samples, &dims[..count], first + i * from[outer], &mut piece.as_chunks_mut::<N>().0[target..]);
    }
}

fn copy<const N: usize>(samples: &Decoded<'_>, dims: &[Dim], first: usize, to: &mut [[u8; N]]) {
    match dims {
        [] => samples.copy(first, 1, 1, to, 1),
        [dim] => samples.copy(first, dim.from, dim.len, to, dim.to),
        [rows, Dim { len, from: 1, to: 1 }] => samples.copy_rows((first, rows.from), rows.len, *len, to, rows.to),
        [dim, within @ ..] => {
            for i in 0..dim.len {
                copy(samples, within, first + i * dim.from, &mut to[i * dim.to..]);
            }
        }
    }
}
