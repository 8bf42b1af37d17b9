//! Tiles on the device: the byte budget and the memory that evicted tiles leave.

use nc_core::data::{CanvasSize, ImageId, MAX_AXES, PlaneKey, Samples, Tile, TileKey};
use nc_gpu::device_cpu::{CpuDevice, CpuOptions};
use nc_runtime::residency::{ROOM, Residency};

#[test]
fn what_is_spare_stays_within_the_budget_and_goes_with_its_image() {
    let mut device = CpuDevice::new(CanvasSize { width: 64, height: 64 }, CpuOptions::default());
    let mut residency = Residency::new(40 * 100);
    let plane = PlaneKey { image: ImageId(1), level: 0, row_axis: 0, col_axis: 1, index: [0; MAX_AXES] };
    let mut spare = 0;
    for tx in 0..200 {
        residency.begin_frame();
        let tile = Tile { width: 10, height: 10, samples: Samples::U8(vec![0; 100].into()) };
        residency.insert(&mut device, TileKey { plane, ty: 0, tx }, &tile).unwrap();
        spare = spare.max(residency.spare().bytes());
        assert!(residency.bytes() + residency.spare().bytes() <= residency.budget());
    }
    assert!(spare > 0 && spare <= residency.budget() / ROOM, "{spare}");
    residency.retain_images(&mut device, &[ImageId(2)]);
    assert_eq!((residency.bytes(), residency.spare().bytes()), (0, 0));
}
