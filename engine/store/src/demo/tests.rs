use super::*;
#[test]
#[ignore = "measures"]
fn chunk_time() {
    let image = demo(ImageId(0));
    for level in [0usize, 1, 2, 4] {
        for c in 0..3 {
            let n = (image.info.levels[level].shape[2] / 256).max(1) / 2;
            let start = std::time::Instant::now();
            for i in 0..8 {
                image.source().read(level, &[c, i, n, n]).unwrap();
            }
            println!("level {level} channel {c}: {:?} per chunk", start.elapsed() / 8);
        }
    }
}
