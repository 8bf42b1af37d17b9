//! Layers of labels: to a client that knows images only they are images; who asked is told what they are.

use crate::state_channel::applied;
use crate::support::{FakeEngine, TestAmbient, dataset, hello, view};
use nc_engine::api::scene::{AppliedView, Dataset, ImageInfo};
use nc_engine::api::{Applied, Event, LayerChange};
use nc_protocol::extension::{LABELS, Labels};
use nc_protocol::scene::LayerType;
use nc_protocol::validate::Conversation;
use nc_protocol::{Body, ServerFrame};
use nc_server::Engine;
use nc_server::session::Drive;
use nc_server::testing::{Peer, Received, Stand};
use std::sync::Arc;

/// The usual image with labels that have no z and only two levels.
fn labelled() -> AppliedView {
    let image = dataset(1);
    let mut labels = ImageInfo { name: "nuclei".into(), is_labels: true, ..ImageInfo::clone(&image.image) };
    labels.id = labels.id.of_label(0);
    labels.axes.remove(0);
    labels.levels.truncate(2);
    for level in &mut labels.levels {
        for values in [&mut level.scale, &mut level.translate] {
            values.remove(0);
        }
        for sizes in [&mut level.shape, &mut level.chunk] {
            sizes.remove(0);
        }
    }
    let (dataset, left_out) = Dataset::clone(&image).with_labels([Arc::new(labels)]);
    assert_eq!(left_out, Vec::<String>::new());
    view(Some(Arc::new(dataset)))
}

/// A client behind the strict validator.
struct Someone(Peer, Conversation);

impl Someone {
    fn comes(stand: &Stand, asks: bool) -> Self {
        let mut hello = hello();
        if asks {
            hello["payload"]["features"][LABELS] = true.into();
        }
        let mut someone = Self(stand.connect(), Conversation::default());
        someone.1.heard(&hello.to_string());
        someone.0.say(&hello.to_string());
        someone
    }

    fn hears(&mut self) -> Vec<ServerFrame> {
        let Self(peer, conversation) = self;
        let frames = std::iter::from_fn(|| peer.hear()).map(|received| match received {
            Received::Frame(text) => conversation.next(&text).unwrap_or_else(|violation| panic!("{violation}: {text}")),
            Received::Close(close) => panic!("{close:?}"),
        });
        frames.collect()
    }
}

fn labels(frames: &[ServerFrame]) -> Vec<Labels> {
    let told = frames.iter().filter_map(|frame| match &frame.body {
        Body::XLabels(labels) => Some(labels.clone()),
        _ => None,
    });
    told.collect()
}

#[test]
fn a_label_layer_is_an_image_layer_and_who_asked_knows_better() {
    let engine: Arc<dyn Engine> = Arc::new(FakeEngine::showing(labelled()));
    let stand = Stand::new(Arc::new(TestAmbient::default()), 60.0, Drive::Everyone);
    stand.attach(&engine);
    let (mut plain, mut asks) = (Someone::comes(&stand, false), Someone::comes(&stand, true));
    let (first, second) = (plain.hears(), asks.hears());
    let scene = first.iter().find_map(|frame| match &frame.body {
        Body::Scene(scene) => Some(scene),
        _ => None,
    });
    let block = &scene.unwrap().layers[1];
    assert_eq!((block.layer_type, block.name.as_str(), block.ndim), (LayerType::Image, "nuclei", 3));
    // Of its own two levels the one that is like the image's second; along z it is as long as the image.
    let (image, shapes) = (dataset(1), block.level_shapes.as_ref().unwrap());
    assert_eq!((shapes.len(), &block.shape), (2, &shapes[1]));
    assert_eq!(block.shape[0], image.size(0));
    assert_eq!(block.shape[1..], image.level_shape(1)[1..]);
    assert!(block.extra.is_empty(), "nothing that only some clients know: {:?}", block.extra);
    assert_eq!(labels(&first), []);
    let of = |contour| Labels { layer_id: "layer-1".to_owned(), contour };
    assert_eq!(labels(&second), [of(0)]);

    let mut outlined = labelled();
    Arc::make_mut(&mut outlined.layers[1]).controls.contour = 3;
    let layers = vec![LayerChange { layer: 1, keys: vec!["contour"], intent: None }];
    stand.sink().event(Event::Applied(Applied { layers, ..applied(&Arc::new(outlined)) }));
    assert_eq!(plain.hears().len(), 0, "it has no such control");
    let told = asks.hears();
    assert_eq!((told.len(), labels(&told)), (1, vec![of(3)]));
    assert_eq!(labels(&Someone::comes(&stand, true).hears()), [of(3)]);
}
