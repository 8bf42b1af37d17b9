//! The JSON examples of the protocol's specification are read as what they are meant to be, and those a server sends are valid.

use nc_protocol::{Body, Inbound, Kind, ServerFrame, classify, validate};

/// What a client sends.
const FROM_CLIENT: &[&str] = &[
    r#"{"type":"session.hello","version":2,"frame_id":"hello-3f0c9f6f1c8a4c2bb8f0a7a0c9a1d2e3","timestamp":1795167757.38,"payload":{"protocols":[2],"client":{"name":"napari-cuda-client","version":"0.1.0","platform":"Linux-6.1-x86_64-with-glibc2.36"},"features":{"notify.scene":true,"notify.layers":true,"notify.stream":true,"notify.dims":true,"notify.camera":true},"resume_tokens":{"notify.scene":null,"notify.layers":null,"notify.stream":null}}}"#,
    r#"{"type":"state.update","version":2,"session":"5c26","frame_id":"state-00000001","timestamp":1795167760.21,"intent_id":"intent-00000001","payload":{"scope":"camera","target":"main","key":"zoom","value":{"factor":1.25,"anchor_px":[320.0,180.0]}}}"#,
    r#"{"type":"call.command","version":2,"session":"5c26","frame_id":"cmd-022d","timestamp":1795167761.0,"payload":{"command":"napari.pixel.request_keyframe","origin":"auto.notify.stream"}}"#,
    r#"{"type":"session.ack","version":2,"session":"f1b4","frame_id":"ack-77aa","timestamp":1795167993.3,"payload":{}}"#,
    r#"{"type":"session.goodbye","version":2,"session":"f1b4","frame_id":"goodbye-09ab","timestamp":1795167999.0,"payload":{}}"#,
    r#"{"type":"x.feedback","version":2,"session":"f1b4","timestamp":1795167999.0,"payload":{"painted_seq":41,"decode_queue":2}}"#,
];

/// What a server sends.
const FROM_SERVER: &[(Kind, &str)] = &[
    (
        Kind::Welcome,
        r#"{"type":"session.welcome","version":2,"session":"5c260a05-a8b5-4904-bef7-ead6c25a3e98","frame_id":"welcome-0d1c0b5f6c0e4b8f8f4c7b8f5f0f6a11","timestamp":1795167757.39,"payload":{"protocol_version":2,"session":{"id":"5c260a05-a8b5-4904-bef7-ead6c25a3e98","heartbeat_s":15.0,"ack_timeout_ms":250},"features":{"notify.scene":{"enabled":true,"version":1,"resume":true,"resume_state":{"seq":0,"delta_token":"9b0f"}},"notify.layers":{"enabled":true,"version":1,"resume":true,"resume_state":{"seq":7,"delta_token":"fd79"}},"notify.stream":{"enabled":true,"version":1,"resume":true,"resume_state":{"seq":0,"delta_token":"c90a"}},"notify.dims":{"enabled":true,"version":1,"resume":false},"notify.camera":{"enabled":true,"version":1,"resume":false},"notify.telemetry":{"enabled":false},"call.command":{"enabled":true,"version":1,"resume":false,"commands":["napari.pixel.request_keyframe","fs.listdir","napari.load_zarr"]}}}}"#,
    ),
    (
        Kind::Reject,
        r#"{"type":"session.reject","version":2,"frame_id":"reject-4c1e","timestamp":1795167757.4,"payload":{"code":"unsupported_client","message":"client missing notify features","details":{"missing":["notify.layers","notify.stream"]}}}"#,
    ),
    (
        Kind::Dims,
        r#"{"type":"notify.dims","version":2,"session":"5c26","frame_id":"6a437ae7","timestamp":1795167757.4057,"payload":{"step":[12,0,0],"current_step":[12,0,0],"levels":[{"index":0,"shape":[24,512,512],"downsample":[1.0,1.0,1.0],"path":"level_00"},{"index":1,"shape":[24,256,256],"downsample":[1.0,2.0,2.0],"path":"level_01"}],"current_level":1,"mode":"plane","ndisplay":2,"level_shapes":[[24,512,512],[24,256,256]],"downgraded":false,"axis_labels":["z","y","x"],"order":[0,1,2],"displayed":[1,2]}}"#,
    ),
    (
        Kind::Camera,
        r#"{"type":"notify.camera","version":2,"session":"5c26","timestamp":1795167760.2157,"intent_id":"intent-00000001","payload":{"mode":"zoom","origin":"state.update","delta":{"factor":1.25,"anchor_px":[320.0,180.0]}}}"#,
    ),
    (
        Kind::Camera,
        r#"{"type":"notify.camera","version":2,"session":"5c26","frame_id":"f8b1036f","timestamp":1795167760.2330,"payload":{"mode":"pose","origin":"worker.state.camera","state":{"center":[256.0,256.0,12.0],"angles":[45.0,26.0,0.0],"distance":487.7,"fov":60.0}}}"#,
    ),
    (
        Kind::Layers,
        r#"{"type":"notify.layers","version":2,"session":"5c26","frame_id":"notify-layers-3b0d","timestamp":1795167760.61,"seq":29,"delta_token":"b56e","intent_id":"intent-00000010","payload":{"layer_id":"layer-0","controls":{"colormap":"viridis"}}}"#,
    ),
    (
        Kind::Layers,
        r#"{"type":"notify.layers","version":2,"session":"5c26","frame_id":"notify-layers-0c7c","timestamp":1795167757.40,"seq":7,"delta_token":"fd79","payload":{"layer_id":"layer-0","thumbnail":{"array":[[[0.1,0.1,0.1,1.0]]],"shape":[1,1,4],"dtype":"float32","generated_at":1795167757.4059}}}"#,
    ),
    (
        Kind::Stream,
        r#"{"type":"notify.stream","version":2,"session":"5c26","frame_id":"notify-stream-2c86","timestamp":1795167757.41,"seq":0,"delta_token":"c90a","payload":{"codec":"h264","format":"avcc","fps":60.0,"frame_size":[640,360],"nal_length_size":4,"avcc":"AULAHv/hABhnQsAe2gKAv+WEAAADAAQAAAMA8jxYuoABAARozg/I","latency_policy":{"max_buffer_ms":120.0,"grace_keyframe_ms":2000.0}}}"#,
    ),
    (
        Kind::SceneLevel,
        r#"{"type":"notify.scene.level","version":2,"session":"s","timestamp":1.0,"seq":1,"delta_token":"t","payload":{"current_level":1,"downgraded":false}}"#,
    ),
    (
        Kind::Telemetry,
        r#"{"type":"notify.telemetry","version":2,"session":"s","timestamp":1.0,"payload":{"presenter":1.0,"decode":2.0,"queue_depth":0.0}}"#,
    ),
    (
        Kind::Error,
        r#"{"type":"notify.error","version":2,"session":"s","timestamp":1.0,"payload":{"domain":"render","code":"x","message":"y","severity":"warning"}}"#,
    ),
    (
        Kind::UpdateAck,
        r#"{"type":"ack.state","version":2,"session":"5c26","frame_id":"ack-15e8","timestamp":1795167760.2155,"payload":{"intent_id":"intent-00000001","in_reply_to":"state-00000001","status":"accepted","applied_value":{"factor":1.25,"anchor_px":[320.0,180.0]},"version":1}}"#,
    ),
    (
        Kind::UpdateAck,
        r#"{"type":"ack.state","version":2,"session":"5c26","frame_id":"ack-cf7c","timestamp":1795167760.2462,"payload":{"intent_id":"intent-00000005","in_reply_to":"state-00000005","status":"rejected","error":{"code":"state.invalid","message":"zoom payload requires factor and anchor_px","details":{"scope":"camera","key":"zoom"}}}}"#,
    ),
    (
        Kind::Reply,
        r#"{"type":"reply.command","version":2,"session":"5c26","frame_id":"reply-a0f9","timestamp":1795167761.02,"payload":{"in_reply_to":"cmd-022d","status":"ok"}}"#,
    ),
    (
        Kind::CommandError,
        r#"{"type":"error.command","version":2,"session":"5c26","frame_id":"error-1b83","timestamp":1795167761.05,"payload":{"in_reply_to":"cmd-feef","status":"error","code":"command.not_found","message":"unknown command 'no.such.command'"}}"#,
    ),
    (
        Kind::Heartbeat,
        r#"{"type":"session.heartbeat","version":2,"session":"f1b4","frame_id":"heartbeat-1f79","timestamp":1795167993.2,"payload":{}}"#,
    ),
    (
        Kind::Goodbye,
        r#"{"type":"session.goodbye","version":2,"session":"f1b4","frame_id":"goodbye-09ab","timestamp":1795167999.0,"payload":{"code":"goodbye","message":"client requested shutdown","reason":"client_goodbye"}}"#,
    ),
    (
        Kind::XTelemetry,
        r#"{"type":"x.telemetry","version":2,"session":"5c26","timestamp":1.0,"payload":{"stages":{"render":{"p50_ms":1.5,"p99_ms":4.0}},"fps":59.5,"bitrate_bps":4200000.0,"level":1,"level_reason":"keep","tiles_missing":0,"watchdog":{"state":"quiet","asked":0,"resets":0},"delivery":{"queued_bytes":0,"in_flight_bytes":1200,"rtt_ms":0.4,"rate_bps":80000000.0},"ops":[{"intent_id":"intent-00000001","op":7,"outcome":"applied","pixel_seq":12,"total_ms":9.5,"stages_ms":{"applied":3.0,"encoded":4.5,"sent":2.0}},{"intent_id":"intent-00000002","op":8,"outcome":"superseded","superseded_by":9,"total_ms":3.0,"stages_ms":{"applied":3.0}}]}}"#,
    ),
    (
        Kind::XLevel,
        r#"{"type":"x.level","version":2,"session":"5c26","timestamp":1.0,"payload":{"at":1.0,"from":1,"to":0,"desired":0,"reason":"finer","downgraded":false,"restored":false,"oversampling":[1.0,0.5],"fits":[true,true],"zoom_hint":0.9,"since_switch_ms":1500.0,"ndisplay":2,"target":0,"budgets":{"slice_bytes":1000000,"tile_bytes":268435456,"volume_bytes":3221225472,"volume_voxels":805306368,"texture_edge":16384},"thresholds":{"fine":1.05,"in":1.05,"out":1.35,"hysteresis":0.0,"cooldown_ms":150.0},"canvas":[640,480],"rect":[0.0,0.0,320.0,240.0],"roi":[0,324,0,244],"signature":[0,3,0,5]}}"#,
    ),
    (Kind::XRole, r#"{"type":"x.role","version":2,"session":"5c26","timestamp":1.0,"payload":{"role":"driver"}}"#),
    (
        Kind::XLabels,
        r#"{"type":"x.labels","version":2,"session":"5c26","timestamp":1.0,"payload":{"layer_id":"layer-1","contour":2}}"#,
    ),
];

/// The scene of the specification, with a thumbnail of one pixel.
pub(crate) const SCENE: &str = r#"{"type":"notify.scene","version":2,"session":"5c26","frame_id":"notify-scene-ce8b","timestamp":1795167757.40,"seq":0,"delta_token":"8591d07247bd43be90b5b505a724b9e4","payload":{"viewer":{"settings":{"fps_target":60.0,"canvas_size":[1920,1080],"volume_enabled":false},"dims":{"ndim":3,"axis_labels":["z","y","x"],"order":[0,1,2],"level_shapes":[[24,512,512],[24,256,256],[24,128,128]],"current_level":1,"current_step":[12,0,0],"displayed":[1,2],"ndisplay":2},"camera":{"ndisplay":2,"center":[256.0,256.0],"zoom":1.0,"rect":[-199.1,0.0,910.2,512.0]}},"layers":[{"layer_id":"layer-0","layer_type":"image","name":"napari-cuda","ndim":3,"shape":[24,256,256],"axis_labels":["z","y","x"],"volume":false,"controls":{"visible":true,"opacity":1.0,"blending":"opaque","interpolation":"linear","gamma":1.0,"colormap":"gray"},"level_shapes":[[24,512,512],[24,256,256],[24,128,128]],"metadata":{"thumbnail":[[[0.1,0.1,0.1,1.0]]]},"multiscale":{"levels":[{"shape":[24,512,512],"downsample":[1.0,1.0,1.0],"path":"level_00"},{"shape":[24,256,256],"downsample":[1.0,2.0,2.0],"path":"level_01"},{"shape":[24,128,128],"downsample":[1.0,4.0,4.0],"path":"level_02"}],"current_level":1},"contrast_limits":[0.0,1.0],"scale":[1.0,2.0,2.0],"source":{"kind":"ome-zarr"}}],"metadata":{"status":"ready","source_path":"/data/a.ome.zarr","source_kind":"ome-zarr","volume_state":{"mode":"mip","colormap":"gray","clim":[0.0,1.0],"opacity":1.0,"sample_step":1.0},"viewport_state":{"mode":"PLANE","plane":{},"volume":{}}},"policies":{"multiscale":{"active_level":1,"downgraded":false,"levels":[{"index":0,"shape":[24,512,512],"downsample":[1.0,1.0,1.0],"path":"level_00"}]}}}}"#;

/// The same scene with three axes shown.
pub(crate) fn scene_of_volume() -> serde_json::Value {
    let mut scene: serde_json::Value = serde_json::from_str(SCENE).unwrap();
    let payload = &mut scene["payload"];
    payload["viewer"]["settings"]["volume_enabled"] = true.into();
    payload["viewer"]["dims"]["ndisplay"] = 3.into();
    payload["viewer"]["dims"]["displayed"] = serde_json::json!([0, 1, 2]);
    payload["viewer"]["camera"] = serde_json::json!({"ndisplay": 3, "center": [256.0, 256.0, 12.0], "angles": [45.0, 26.0, 0.0],
        "distance": 487.7, "fov": 60.0});
    payload["layers"][0]["volume"] = true.into();
    payload["layers"][0]["layer_type"] = "volume".into();
    scene
}

/// Every example that a server may send.
pub(crate) fn from_server() -> impl Iterator<Item = (Kind, &'static str)> {
    FROM_SERVER.iter().copied().chain([(Kind::Scene, SCENE)])
}

#[test]
fn of_clients() {
    let kinds = FROM_CLIENT.iter().map(|text| match classify(text) {
        Inbound::Hello(hello) => {
            assert!(hello.wants("notify.dims") && !hello.wants("call.command"));
            Kind::Hello
        }
        Inbound::Update { frame_id, intent_id, update, .. } => {
            assert_eq!((&*frame_id, &*intent_id, &*update.key), ("state-00000001", "intent-00000001", "zoom"));
            Kind::Update
        }
        Inbound::Command { frame_id, call } => {
            assert_eq!((&*frame_id, call.origin.as_deref()), ("cmd-022d", Some("auto.notify.stream")));
            Kind::Call
        }
        Inbound::Ack => Kind::SessionAck,
        Inbound::Goodbye(_) => Kind::Goodbye,
        Inbound::Feedback(feedback) => {
            assert_eq!((feedback.painted_seq, feedback.decode_queue), (Some(41), 2));
            Kind::XFeedback
        }
        other => panic!("{text}: {other:?}"),
    });
    let expected = [Kind::Hello, Kind::Update, Kind::Call, Kind::SessionAck, Kind::Goodbye, Kind::XFeedback];
    assert!(kinds.eq(expected));
}

#[test]
fn of_servers() {
    for (kind, text) in from_server() {
        let frame = ServerFrame::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let right = match frame.body {
            Body::Welcome(_) => Kind::Welcome,
            Body::Reject(_) => Kind::Reject,
            Body::Heartbeat(_) => Kind::Heartbeat,
            Body::Goodbye(_) => Kind::Goodbye,
            Body::Scene(_) => Kind::Scene,
            Body::SceneLevel(_) => Kind::SceneLevel,
            Body::Layers(_) => Kind::Layers,
            Body::Stream(_) => Kind::Stream,
            Body::Dims(_) => Kind::Dims,
            Body::Camera(_) => Kind::Camera,
            Body::Telemetry(_) => Kind::Telemetry,
            Body::Error(_) => Kind::Error,
            Body::UpdateAck(_) => Kind::UpdateAck,
            Body::Reply(_) => Kind::Reply,
            Body::CommandError(_) => Kind::CommandError,
            Body::XTelemetry(_) => Kind::XTelemetry,
            Body::XLevel(_) => Kind::XLevel,
            Body::XRole(_) => Kind::XRole,
            Body::XLabels(_) => Kind::XLabels,
        };
        assert_eq!(right, kind);
        assert_eq!(validate::outgoing(text), Ok(()), "{text}");
    }
}
