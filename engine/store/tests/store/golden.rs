//! The real images of `golden/data`, read whole, against what zarr-python 3 read from the same files.

use nc_core::data::{DType, ImageId, MAX_AXES, PlaneKey};
use nc_core::scene::AxisKind;
use nc_store::{Image, Loader, LoaderConfig, open};
use std::path::PathBuf;

fn golden(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../golden/data").join(name);
    path.to_string_lossy().into_owned()
}

/// Sum of all elements, and sum of each times its row-major position modulo 65521, plus one: a shift or swap changes the second.
fn sums(image: &Image, level: usize) -> (u64, u64) {
    let loader = Loader::new(LoaderConfig { threads: 1, cache_bytes: 1 << 28 });
    let shape = &image.info.levels[level].shape;
    let n = shape.len();
    let outer: u64 = shape[..n - 2].iter().product();
    let (mut plain, mut weighted, mut position) = (0, 0, 0u64);
    for i in 0..outer {
        let mut index = [0; MAX_AXES];
        let mut rest = i;
        for a in (0..n - 2).rev() {
            index[a] = (rest % shape[a]) as u32;
            rest /= shape[a];
        }
        let plane =
            PlaneKey { image: image.info.id, level: level as u8, row_axis: (n - 2) as u8, col_axis: (n - 1) as u8, index };
        for v in loader.overview(image, plane, u32::MAX).unwrap().samples {
            plain += v as u64;
            weighted += v as u64 * (position % 65521 + 1);
            position += 1;
        }
    }
    (plain, weighted)
}

#[test]
fn every_image_reads_as_zarr_python_reads_it() {
    let expected: [(&str, &[(u64, u64)]); 6] = [
        ("cells3d_labels_v04.ome.zarr", &[(21342435, 601540692234)]),
        ("cells3d_labels_v05.ome.zarr/", &[(21342435, 601540692234)]),
        ("cells3d_labels_v05.ome.zarr/labels/cells", &[(3198014, 90924590963)]),
        ("droplet_tzyx_v05_ngffzarr.ome.zarr", &[(4502535, 142217244588)]),
        (
            "fish4c_u16_v05_sharded_blosc.ome.zarr",
            &[
                (5232562025, 170712446811684),
                (1308056837, 40970849685285),
                (326993081, 11471644198251),
                (81742858, 4280120583837),
                (20434247, 267556001346),
            ],
        ),
        (
            "ihc_rgb_v05_zstd.ome.zarr",
            &[(126084883, 4161581761452), (31448286, 1109925523937), (7843786, 188857889743), (1956321, 11777495778)],
        ),
    ];
    for (name, levels) in expected {
        let image = open(&golden(name), ImageId(3)).unwrap();
        assert_eq!(image.info.levels.len(), levels.len(), "{name}");
        assert_eq!(image.info.warnings, Vec::<String>::new(), "{name}");
        for (level, expected) in levels.iter().enumerate() {
            assert_eq!(sums(&image, level), *expected, "{name} level {level}");
        }
    }
}

#[test]
fn descriptions_are_what_the_files_say() {
    let image = open(&golden("fish4c_u16_v05_sharded_blosc.ome.zarr"), ImageId(9)).unwrap();
    let info = &image.info;
    assert_eq!((info.id, info.dtype, info.ngff_version.as_deref()), (ImageId(9), DType::U16, Some("0.5")));
    assert!(
        std::path::Path::new(&info.location).is_absolute() && info.location.ends_with("fish4c_u16_v05_sharded_blosc.ome.zarr")
    );
    assert_eq!(info.axes.iter().map(|a| a.kind).collect::<Vec<_>>(), [AxisKind::Channel, AxisKind::Space, AxisKind::Space]);
    assert_eq!(info.axes[2].unit.as_deref(), Some("micrometer"));
    assert_eq!(info.levels[1].shape, [4, 512, 512]);
    assert_eq!(info.levels[1].chunk, [1, 256, 256], "the inner chunk, not the shard");
    assert_eq!(info.levels[1].scale, [1.0, 0.155044, 0.155044]);
    assert_eq!(info.levels[1].translate, [0.0, 0.038761, 0.038761]);
    let channel = &info.channels[1];
    assert_eq!((channel.label.as_deref(), channel.color, channel.window), (Some("ch1"), Some([255, 0, 255]), Some((0.0, 348.0))));

    let droplet = open(&golden("droplet_tzyx_v05_ngffzarr.ome.zarr"), ImageId(0)).unwrap();
    assert_eq!(droplet.info.axes[0].kind, AxisKind::Time);
    assert_eq!(droplet.info.axes[0].unit.as_deref(), Some("second"));
    let cells = open(&golden("cells3d_labels_v04.ome.zarr"), ImageId(0)).unwrap();
    assert_eq!((cells.info.default_z, cells.info.levels[0].chunk.clone()), (Some(15), vec![16, 32, 32]));
}
