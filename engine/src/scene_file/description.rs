//! What a scene says, understood: `golden/reference/README.md` "Scene json". Keys that mean nothing here are left alone.

use super::SceneError;
use super::field::Field;
use nc_core::data::{
    Blending, CanvasSize, ColorTable, Coloring, Interpolation, LabelColors, MAX_AXES, Rect, Rendering, TABLE_LEN, Transfer,
    VolumePose, colormap, turntable::FARTHEST,
};
use nc_gpu::api::Slab;
use std::path::Path;
use std::sync::Arc;

/// Longest side of a picture.
const LONGEST_SIDE: u64 = 16384;
/// Most layers of a scene.
const MOST_LAYERS: usize = 256;
/// Devices draw with `f32`, with room to calculate.
const MOST: f64 = f32::MAX as f64 / 4.0;

/// A scene that can be drawn if its files can be read.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// What errors call it.
    pub(super) name: String,
    /// Size of the picture.
    pub canvas: CanvasSize,
    pub(super) camera: Camera,
    /// Dims that are displayed, the last one along world x.
    pub(super) displayed: Vec<usize>,
    /// Bottom first.
    pub(super) layers: Vec<Layer>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Camera {
    /// What the canvas shows at least.
    Plane(Rect),
    /// `extent`: world units along the canvas's shorter side, in a parallel projection.
    Volume { pose: VolumePose, extent: f64 },
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layer {
    pub(super) visible: bool,
    pub(super) file: String,
    /// Of the array, within the file.
    pub(super) path: String,
    /// Dim of each axis of the array; `None` of the channel axis.
    pub(super) array_axes: Vec<Option<usize>>,
    pub(super) channel: u64,
    /// World units a sample, and the world position of sample 0, of each dim.
    pub(super) dims: Vec<(f64, f64)>,
    /// Of each dim; 0 of displayed ones.
    pub(super) index: Vec<f64>,
    pub(super) coloring: Coloring,
    pub(super) contour: u32,
    pub(super) interpolation: Interpolation,
    pub(super) opacity: f32,
    pub(super) blending: Blending,
    pub(super) rendering: Rendering,
    pub(super) slab: Option<Slab>,
    pub(super) attenuation: f32,
    pub(super) iso_threshold: f32,
    pub(super) sample_step: f32,
}

/// What the layers of a scene share.
struct Dims {
    axes: Vec<String>,
    displayed: Vec<usize>,
    /// World position on each.
    position: Vec<f64>,
}

impl Scene {
    /// Reads a scene from a file.
    ///
    /// # Errors
    /// [`SceneError::Unreadable`], and as [`Self::parse`].
    pub fn read(path: &Path) -> Result<Self, SceneError> {
        let scene = path.display().to_string();
        match std::fs::read(path) {
            Ok(json) => Self::parse(&scene, &json),
            Err(source) => Err(SceneError::Unreadable { scene, source }),
        }
    }

    /// Understands a scene, which errors call `name`.
    ///
    /// # Errors
    /// [`SceneError::Json`] and [`SceneError::Value`].
    pub fn parse(name: &str, json: &[u8]) -> Result<Self, SceneError> {
        let scene = || name.to_owned();
        let json = serde_json::from_slice(json).map_err(|source| SceneError::Json { scene: scene(), source })?;
        let root = Field::root(name, &json);
        let canvas = root.need("canvas")?.list(2)?;
        let side = |i: usize| canvas[i].whole(1..=LONGEST_SIDE).map(|n| n as u32);
        let canvas = CanvasSize { width: side(0)?, height: side(1)? };
        if let Some(background) = root.get("background")
            && background.numbers(3)?.iter().any(|c| *c != 0.0)
        {
            return Err(background.wrong("must be [0, 0, 0]: layers are drawn over black"));
        }
        let count = root.need("ndisplay")?.whole(2..=3)? as usize;
        let camera = camera(&root.need("camera")?, count)?;
        let layers = root.need("layers")?;
        let fields = layers.items()?;
        if fields.is_empty() || fields.len() > MOST_LAYERS {
            return Err(layers.wrong(format!("must have 1 to {MOST_LAYERS} items")));
        }
        let dims = Dims::read(&root, count, &fields[0])?;
        let layers = fields.iter().map(|layer| self::layer(layer, &dims, count)).collect::<Result<_, _>>()?;
        Ok(Self { name: scene(), canvas, camera, displayed: dims.displayed, layers })
    }
}

fn camera(camera: &Field<'_>, ndisplay: usize) -> Result<Camera, SceneError> {
    if ndisplay == 2 {
        let field = camera.need("rect")?;
        let rect = field.numbers(4)?;
        let rect = Rect { left: rect[0], bottom: rect[1], width: rect[2], height: rect[3] };
        let sound = rect.width > 0.0 && rect.height > 0.0;
        return if sound { Ok(Camera::Plane(rect)) } else { Err(field.wrong("must have a positive width and height")) };
    }
    let angle = |key| camera.get(key).map_or(Ok(0.0), |angle| angle.number());
    let fov = camera.need("fov")?.number_in(0.0..=179.0)?;
    let positive = |key, needed: bool| match camera.get(key) {
        Some(field) if needed => field.number_in(f64::MIN_POSITIVE..=FARTHEST),
        Some(field) => field.number(),
        None if needed => camera.need(key).and_then(|field| field.number()),
        None => Ok(0.0),
    };
    let (distance, extent) = (positive("distance", fov > 0.0)?, positive("scale_factor", fov == 0.0)?);
    let angles = [angle("azimuth")?, angle("elevation")?, angle("roll")?];
    Ok(Camera::Volume { pose: VolumePose { center: camera.need("center")?.triple()?, angles, distance, fov }, extent })
}

impl Dims {
    fn read(root: &Field<'_>, ndisplay: usize, first: &Field<'_>) -> Result<Self, SceneError> {
        let field = root.need("axes")?;
        let axes = field.items()?.iter().map(|axis| axis.text().map(str::to_owned)).collect::<Result<Vec<_>, _>>()?;
        if !(ndisplay..=MAX_AXES).contains(&axes.len()) {
            return Err(field.wrong(format!("must name {ndisplay} to {MAX_AXES} axes")));
        }
        let field = match root.get("displayed") {
            Some(displayed) => displayed,
            None => root.need("order")?,
        };
        let last = axes.len() as u64 - 1;
        let order = field.items()?.iter().map(|dim| dim.whole(0..=last).map(|n| n as usize)).collect::<Result<Vec<_>, _>>()?;
        let displayed = order[order.len().saturating_sub(ndisplay)..].to_vec();
        let mut distinct = displayed.clone();
        distinct.sort_unstable();
        distinct.dedup();
        if distinct.len() != ndisplay {
            return Err(field.wrong(format!("must end in {ndisplay} different axes")));
        }
        let step = root.get("current_step").map_or(Ok(vec![0.0; axes.len()]), |step| step.numbers(axes.len()))?;
        let placed = placed(first, axes.len())?;
        let position = step.iter().zip(placed).map(|(step, (scale, translate))| step * scale + translate).collect();
        Ok(Self { axes, displayed, position })
    }

    /// Dim of each axis of a layer's array.
    fn array_axes(&self, layer: &Field<'_>) -> Result<Vec<Option<usize>>, SceneError> {
        let Some(field) = layer.get("array_axes") else { return Ok((0..self.axes.len()).map(Some).collect()) };
        let mut out = Vec::new();
        for axis in field.items()? {
            let name = axis.text()?;
            out.push(self.axes.iter().position(|own| own == name).filter(|_| name != "c"));
            if out.last() == Some(&None) && name != "c" {
                return Err(axis.wrong(format!("is \"{name}\", which is neither \"c\" nor one of the scene's axes")));
            }
        }
        let dims: Vec<usize> = out.iter().flatten().copied().collect();
        let channels = out.len() - dims.len();
        match dims == (0..self.axes.len()).collect::<Vec<_>>() && channels <= 1 {
            true => Ok(out),
            false => Err(field.wrong("must be the scene's axes in their order, and \"c\" once if there are channels")),
        }
    }
}

/// Scale and translation of each dim.
fn placed(layer: &Field<'_>, dims: usize) -> Result<Vec<(f64, f64)>, SceneError> {
    let field = layer.need("scale")?;
    let scale = field.numbers(dims)?;
    if scale.iter().any(|s| s.abs() < 1e-15) {
        return Err(field.wrong("must not have a 0"));
    }
    let translate = layer.get("translate").map_or(Ok(vec![0.0; dims]), |translate| translate.numbers(dims))?;
    Ok(scale.into_iter().zip(translate).collect())
}

fn layer(layer: &Field<'_>, dims: &Dims, ndisplay: usize) -> Result<Layer, SceneError> {
    let labels = layer.need("type")?.choice(&[("image", false), ("labels", true)])?;
    let placed = placed(layer, dims.axes.len())?;
    let index = (0..dims.axes.len()).map(|dim| match dims.displayed.contains(&dim) {
        true => 0.0,
        // As numpy rounds.
        false => ((dims.position[dim] - placed[dim].1) / placed[dim].0).round_ties_even(),
    });
    let number = |key, range, default| layer.get(key).map_or(Ok(default), |field| field.number_in(range)).map(|n| n as f32);
    let limits = (!labels).then(|| limits(&layer.need("contrast_limits")?)).transpose()?.unwrap_or((0.0, 1.0));
    let iso = f64::from(limits.0) + (f64::from(limits.1) - f64::from(limits.0)) / 2.0;
    let filter = if ndisplay == 2 { "interpolation2d" } else { "interpolation3d" };
    let filters = [("nearest", Interpolation::Nearest), ("linear", Interpolation::Linear), ("cubic", Interpolation::Cubic)];
    let usual = if ndisplay == 2 { Interpolation::Nearest } else { Interpolation::Linear };
    Ok(Layer {
        visible: layer.get("visible").map_or(Ok(true), |visible| visible.flag())?,
        file: layer.need("file")?.text()?.to_owned(),
        path: layer.get("path").map_or(Ok(""), |path| path.text())?.to_owned(),
        array_axes: dims.array_axes(layer)?,
        channel: layer.get("channel").map_or(Ok(0), |channel| channel.whole(0..=u64::from(u32::MAX)))?,
        index: index.collect(),
        dims: placed,
        coloring: match labels {
            true => Coloring::Labels(Arc::new(LabelColors::default())),
            false => Coloring::Scalar(transfer(layer, limits)?),
        },
        contour: layer.get("contour").map_or(Ok(0), |contour| contour.whole(0..=u64::from(u32::MAX)))? as u32,
        interpolation: layer.get(filter).map_or(Ok(usual), |field| field.choice(&filters))?,
        opacity: number("opacity", 0.0..=1.0, 1.0)?,
        blending: layer.get("blending").map_or(Ok(Blending::Translucent), |blending| blending.choice(&BLENDINGS))?,
        rendering: rendering(layer, labels)?,
        slab: slab(layer)?,
        attenuation: number("attenuation", 0.0..=MOST, 0.05)?,
        iso_threshold: number("iso_threshold", -MOST..=MOST, iso)?,
        sample_step: number("relative_step_size", 0.01..=100.0, 0.8)?,
    })
}

const BLENDINGS: [(&str, Blending); 6] = [
    ("opaque", Blending::Opaque),
    ("translucent", Blending::Translucent),
    ("translucent_no_depth", Blending::TranslucentNoDepth),
    ("additive", Blending::Additive),
    ("minimum", Blending::Minimum),
    ("multiplicative", Blending::Multiplicative),
];

fn rendering(layer: &Field<'_>, labels: bool) -> Result<Rendering, SceneError> {
    let Some(field) = layer.get("rendering") else { return Ok(if labels { Rendering::Iso } else { Rendering::Mip }) };
    match labels {
        true => field.choice(&[("iso_categorical", Rendering::Iso), ("translucent", Rendering::Translucent)]),
        false => field.choice(&Rendering::ALL.map(|mode| (mode.name(), mode))),
    }
}

fn slab(layer: &Field<'_>) -> Result<Option<Slab>, SceneError> {
    let depiction = layer.get("depiction").map_or(Ok(false), |field| field.choice(&[("volume", false), ("plane", true)]))?;
    if !depiction {
        return Ok(None);
    }
    let plane = layer.need("plane")?;
    let normal = plane.need("normal")?;
    let slab = Slab {
        position: plane.need("position")?.triple()?,
        normal: normal.triple()?,
        thickness: plane.get("thickness").map_or(Ok(1.0), |thickness| thickness.number_in(1e-6..=1e9))?,
    };
    let length = slab.normal.iter().map(|n| n * n).sum::<f64>().sqrt();
    if length < 1e-9 { Err(normal.wrong("must not be [0, 0, 0]")) } else { Ok(Some(slab)) }
}

/// Two limits that are different numbers for a device, in either order.
fn limits(field: &Field<'_>) -> Result<(f32, f32), SceneError> {
    let limits = field.list(2)?;
    let limit = |i: usize| limits[i].number_in(-MOST..=MOST).map(|n| n as f32);
    let (lo, hi) = (limit(0)?, limit(1)?);
    if (hi - lo).is_normal() { Ok((lo, hi)) } else { Err(field.wrong("must be two different numbers")) }
}

fn transfer(layer: &Field<'_>, (lo, hi): (f32, f32)) -> Result<Transfer, SceneError> {
    let gamma = layer.get("gamma").map_or(Ok(1.0), |gamma| gamma.number_in(1e-3..=1e3))?;
    let table = match layer.get("colormap") {
        Some(field) => colormap::named(field.text()?)
            .ok_or_else(|| field.wrong(format!("is none of the colour maps: {}, or #rrggbb", colormap::names().join(", "))))?,
        None => colormap::named("gray").unwrap_or_else(|| colormap::solid([255; 3])),
    };
    if lo < hi {
        return Ok(Transfer { limits: (lo, hi), gamma: gamma as f32, table });
    }
    // From high to low: the position on the scale is one minus what devices take it to be, so gamma goes into the table.
    let entry = |i: usize| {
        let position = 1.0 - (i as f64 + 0.5) / TABLE_LEN as f64;
        table.fetch(position.powf(gamma)).map(|c| (c * 255.0).round() as u8)
    };
    let reversed = ColorTable {
        name: table.name.clone(),
        entries: Box::new(std::array::from_fn(entry)),
        low: table.high,
        high: table.low,
        nan: table.nan,
    };
    Ok(Transfer { limits: (hi, lo), gamma: 1.0, table: Arc::new(reversed) })
}
