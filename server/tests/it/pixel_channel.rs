//! The pixel channel over real sockets.

use crate::support::{TestServer, Viewer, Wire, packet};
use tokio_tungstenite::tungstenite::Error;

#[tokio::test]
async fn a_viewer_starts_with_an_idr_and_others_go_on() {
    let server = TestServer::ready().await;
    let mut first = Viewer::open(server.bound.pixel, "/").await.unwrap();
    server.engine.await_viewers(1).await;
    server.sink.packet(packet(false, 3));
    server.sink.packet(packet(true, 5));
    let (header, unit) = first.packet().await.unwrap();
    assert_eq!((header.seq, header.keyframe, unit.len()), (0, true, 5));
    assert_eq!((header.width, header.height, header.timestamp), (1280, 720, 1_795_167_757.0));

    let mut second = Viewer::open(server.bound.pixel, "/whatever").await.unwrap();
    server.engine.await_viewers(2).await;
    // One for each newcomer; the second has to wait for its turn.
    server.engine.await_idr_requests(2).await;
    server.sink.packet(packet(false, 7));
    assert_eq!(first.packet().await.unwrap().0.seq, 1);
    server.sink.packet(packet(true, 9));
    assert_eq!(first.packet().await.unwrap().0.seq, 2);
    let (header, unit) = second.packet().await.unwrap();
    assert_eq!((header.seq, header.keyframe, unit.len()), (0, true, 9));

    drop(second);
    server.engine.await_viewers(1).await;
    server.stop().await;
    assert!(first.packet().await.is_none());
}

#[tokio::test]
async fn only_a_bound_socket_sees_the_flip_flag() {
    let server = TestServer::ready().await;
    let (wire, _) = Wire::open(server.bound.http, "/ws/state").await;
    let path = format!("/ws/pixel?{}", wire.client.pixel_query().unwrap());
    let mut bound = Viewer::open(server.bound.http, &path).await.unwrap();
    let mut bare = Viewer::open(server.bound.pixel, "/").await.unwrap();
    server.engine.await_viewers(2).await;
    server.sink.packet(packet(true, 1));
    assert!(bound.packet().await.unwrap().0.flip);
    assert!(!bare.packet().await.unwrap().0.flip);

    // A bound socket ends with its session.
    drop(wire);
    assert!(bound.packet().await.is_none());
    server.engine.await_viewers(1).await;
    server.stop().await;
}

#[tokio::test]
async fn a_wrong_key_is_refused() {
    let server = TestServer::ready().await;
    let (wire, _) = Wire::open(server.bound.http, "/ws/state").await;
    let session = wire.client.session().unwrap();
    let key = "0".repeat(32);
    for query in [format!("?session={session}&key={key}"), format!("?session={session}"), String::new()] {
        match Viewer::open(server.bound.http, &format!("/ws/pixel{query}")).await {
            Err(Error::Http(response)) => assert_eq!(response.status(), 403, "{query}"),
            other => panic!("{query}: {:?}", other.map(|_| ())),
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_viewer_that_does_not_read_skips_to_an_idr() {
    let server = TestServer::ready().await;
    let mut slow = Viewer::open(server.bound.pixel, "/").await.unwrap();
    let mut fast = Viewer::open(server.bound.pixel, "/").await.unwrap();
    server.engine.await_viewers(2).await;
    server.sink.packet(packet(true, 100));
    fast.packet().await.unwrap();
    // More than sockets and queue hold, so that the queue of the slow one must overflow.
    for seq in 1..=64 {
        server.sink.packet(packet(false, 1 << 19));
        assert_eq!(fast.packet().await.unwrap().0.seq, seq, "a slow neighbour costs nothing");
    }
    server.sink.packet(packet(true, 200));
    let mut expected = 0;
    loop {
        let (header, unit) = slow.packet().await.unwrap();
        assert_eq!(header.seq, expected, "no gap");
        expected += 1;
        if unit.len() == 200 {
            assert!(header.keyframe);
            break;
        }
    }
    assert!(expected < 60, "it skipped, and got {expected} of 66");
    server.stop().await;
}
