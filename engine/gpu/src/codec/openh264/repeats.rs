//! Recognises a picture that repeats the one before. Pure.

use crate::api::I420;

/// The last picture, and how often it came in a row.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    planes: [Vec<u8>; 3],
    count: u32,
}

impl Repeats {
    /// Takes the next picture. Returns how many pictures just before it were the same.
    pub(super) fn count(&mut self, next: I420<'_>) -> u32 {
        let planes = [next.y, next.u, next.v];
        if self.planes.iter().zip(planes).all(|(last, next)| last == next) {
            self.count = self.count.saturating_add(1);
            return self.count;
        }
        for (last, next) in self.planes.iter_mut().zip(planes) {
            last.clear();
            last.extend_from_slice(next);
        }
        self.count = 0;
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_equal_pictures_in_a_row() {
        let mut repeats = Repeats::default();
        let (grey, dark) = ([128u8; 16], [9u8; 16]);
        let picture = |y, v| I420 { y, u: &[1; 4], v };
        let seen = [
            repeats.count(picture(&grey, &[2; 4])),
            repeats.count(picture(&grey, &[2; 4])),
            repeats.count(picture(&grey, &[2; 4])),
            repeats.count(picture(&grey, &[3; 4])),
            repeats.count(picture(&dark, &[3; 4])),
            repeats.count(picture(&dark, &[3; 4])),
        ];
        assert_eq!(seen, [0, 1, 2, 0, 0, 1]);
    }
}
