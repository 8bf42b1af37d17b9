//! From an intent to what everybody is told of it: parse, reduce, commit, the commit of what was applied, mirrors. On 32 layers, for
//! every key.
//!
//! Criterion reports means; before it runs, a table says what the slowest of a hundred took, timed one by one. Run with
//! `cargo bench -p nc-bench --bench control`.

use criterion::{Criterion, criterion_group, criterion_main};
use nc_core::control::{Changes, Context, Intent, bootstrap, reduce};
use nc_core::data::{CanvasSize, DType, ImageId};
use nc_core::ledger::{AppliedBatch, Ledger, Origin};
use nc_core::scene::{AppliedView, Axis, AxisKind, Dataset, ImageInfo, LevelInfo, SourceKind};
use serde_json::{Value, json};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

const LAYERS: u64 = 32;
const CANVAS: CanvasSize = CanvasSize { width: 1280, height: 720 };
/// Intents of the table, per key.
const COUNT: usize = 20_000;
/// What the 99th percentile is to stay below.
const LIMIT: Duration = Duration::from_micros(50);

/// Scope, target, key, and two values that follow each other, so that each is news.
type Case = (&'static str, &'static str, &'static str, [Value; 2]);

fn cases() -> Vec<Case> {
    let layer = |key, values| ("layer", "layer-31", key, values);
    vec![
        ("view", "main", "ndisplay", [json!(3), json!(2)]),
        ("dims", "z", "index", [json!(3), json!(4)]),
        ("dims", "z", "step", [json!(1), json!(-1)]),
        ("camera", "main", "zoom", [1.1, 1.0 / 1.1].map(|factor| json!({"factor": factor, "anchor_px": [640.0, 360.0]}))),
        ("camera", "main", "pan", [3.0, -3.0].map(|dx| json!({"dx_px": dx, "dy_px": 1.0}))),
        ("camera", "main", "orbit", [1.0, -1.0].map(|az| json!({"d_az_deg": az, "d_el_deg": 0.5}))),
        ("camera", "main", "set", [1.0, 2.0].map(|x| json!({"rect": [x, 0.0, 100.0, 50.0]}))),
        ("camera", "main", "reset", [json!({"reason": "a"}), json!({"reason": "b"})]),
        layer("visible", [json!(false), json!(true)]),
        layer("opacity", [json!(0.25), json!(0.75)]),
        layer("blending", [json!("additive"), json!("opaque")]),
        layer("interpolation", [json!("nearest"), json!("linear")]),
        layer("gamma", [json!(0.5), json!(2.0)]),
        layer("contrast_limits", [json!([0, 100]), json!([5, 50])]),
        layer("colormap", [json!("viridis"), json!("PiYG")]),
        layer("depiction", [json!("plane"), json!("volume")]),
        layer("rendering", [json!("iso"), json!("mip")]),
        layer("attenuation", [json!(0.1), json!(0.2)]),
        layer("iso_threshold", [json!(10), json!(20)]),
        ("volume", "main", "render_mode", [json!("iso"), json!("mip")]),
        ("volume", "main", "contrast_limits", [json!([0, 100]), json!([5, 50])]),
        ("volume", "main", "colormap", [json!("viridis"), json!("PiYG")]),
        ("volume", "main", "opacity", [json!(0.25), json!(0.75)]),
        ("volume", "main", "sample_step", [json!(0.5), json!(1.0)]),
        ("multiscale", "main", "level", [json!(1), json!(2)]),
        ("multiscale", "main", "policy", [json!("auto"), json!("auto")]),
    ]
}

fn dataset() -> Arc<Dataset> {
    let axis = |name: &str, kind| Axis { name: name.into(), kind, unit: None };
    let level = |n: u32| LevelInfo {
        path: n.to_string(),
        shape: vec![LAYERS, 64, 4096 >> n, 4096 >> n],
        chunk: vec![1, 1, 256, 256],
        scale: vec![1.0, 1.0, f64::from(1u32 << n), f64::from(1u32 << n)],
        translate: vec![0.0; 4],
        ..LevelInfo::default()
    };
    Arc::new(Dataset::new(Arc::new(ImageInfo {
        id: ImageId(0),
        name: "made up".into(),
        location: "made up".into(),
        source: SourceKind::OmeZarr,
        ngff_version: None,
        axes: vec![
            axis("c", AxisKind::Channel),
            axis("z", AxisKind::Space),
            axis("y", AxisKind::Space),
            axis("x", AxisKind::Space),
        ],
        dtype: DType::U16,
        levels: (0..5).map(level).collect(),
        channels: Vec::new(),
        default_z: None,
        default_t: None,
        warnings: Vec::new(),
        ..ImageInfo::default()
    })))
}

/// A scene, and the view that was last told.
struct Scene {
    ledger: Ledger,
    announced: Arc<AppliedView>,
}

impl Scene {
    fn new() -> Self {
        let dataset = dataset();
        let windows = vec![(0.0, 1000.0); dataset.layers.len()];
        let ledger = Ledger::new(bootstrap::seed(dataset, CANVAS, &windows)).expect("a sound seed");
        let announced = ledger.view().clone();
        Self { ledger, announced }
    }

    /// All that is done for one intent apart from drawing; how many layers and whether dims or pose are news.
    fn take(&mut self, (scope, target, key, values): &Case, turn: usize, now: Instant) -> usize {
        let value = &values[turn % 2];
        let intent = Intent::parse(scope, target, key, value).expect("a valid intent");
        let origin = Arc::new(Origin { client: 1, intent_id: "intent-00000001".to_owned() });
        let context = Context { state: self.ledger.state(), announced: &self.announced };
        let reduced = reduce(context, intent, Some(origin)).expect("an accepted intent");
        self.ledger.commit_intent(reduced.batch, now, now).expect("a sound batch");
        let batch = AppliedBatch::new(self.ledger.state().clone()).applied();
        let commit = self.ledger.commit_applied(batch).expect("a sound batch");
        let changes = Changes::between(&self.announced, &commit);
        self.announced = commit.view;
        changes.layers.len() + usize::from(changes.dims) + usize::from(changes.pose)
    }
}

fn table() {
    println!("{:<28}{:>10}{:>10}{:>10}{:>10}", "one intent, 32 layers, us", "p50", "p99", "max", "told");
    for case in cases() {
        let (mut scene, mut told) = (Scene::new(), 0);
        let mut times: Vec<Duration> = (0..COUNT)
            .map(|turn| {
                let start = Instant::now();
                let news = black_box(scene.take(&case, turn, start));
                let took = start.elapsed();
                told += usize::from(news > 0);
                took
            })
            .collect();
        times.sort_unstable();
        let at = |percent: usize| times[(COUNT * percent).div_ceil(100) - 1];
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        let verdict = if at(99) <= LIMIT { "" } else { "  above the limit" };
        let name = format!("{}.{}", case.0, case.2);
        // How many of the intents were news to clients: a pose is the render thread's to tell, so the camera's are not.
        let share = 100 * told / COUNT;
        println!("{name:<28}{:>10.1}{:>10.1}{:>10.1}{share:>8} %{verdict}", micros(at(50)), micros(at(99)), micros(at(100)));
    }
}

fn control(criterion: &mut Criterion) {
    table();
    let mut group = criterion.benchmark_group("control");
    group.sample_size(20).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    for case in cases() {
        let (mut scene, mut turn) = (Scene::new(), 0);
        group.bench_function(format!("{}.{}", case.0, case.2), |bencher| {
            bencher.iter(|| {
                turn += 1;
                scene.take(&case, turn, Instant::now())
            });
        });
    }
    group.finish();
}

criterion_group!(benches, control);
criterion_main!(benches);
