//! Routes: what each listener answers.

use super::assets::{self, Asset};
use super::connection::Slot;
use super::{pixel_socket, state_socket};
use crate::hub::Hub;
use crate::plate::{self, NoPicture, PictureOf};
use crate::session::MAX_MESSAGE;
use axum::extract::rejection::QueryRejection;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Extension, Query, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HOST, HeaderName, HeaderValue, IF_NONE_MATCH, ORIGIN,
    REFERRER_POLICY, UPGRADE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router};
use serde::Deserialize;
use std::sync::Arc;

/// Largest message that is read, bytes: more than a client may send, so that most who send too much are told so.
const MAX_READ: usize = MAX_MESSAGE + (64 << 10);

/// The page runs its own scripts and styles and talks to where it came from, nothing else.
const CSP: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; \
     worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// `:8081`: the state channel, whatever the path.
pub(super) fn state_router(hub: Arc<Hub>) -> Router {
    Router::new().fallback(any(state_channel)).with_state(hub)
}

/// `:8082`: the pixel channel, whatever the path.
pub(super) fn pixel_router(hub: Arc<Hub>) -> Router {
    Router::new().fallback(any(pixel_channel)).with_state(hub)
}

/// `:8083`: the viewer, metrics, health, and both channels bound to each other.
pub(super) fn viewer_router(hub: Arc<Hub>) -> Router {
    let mut router = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/metrics.json", get(metrics))
        .route("/plate.json", get(plate_document))
        .route("/plate/thumb", get(plate_picture))
        .route("/ws/state", any(state_channel))
        .route("/ws/pixel", any(bound_pixel_channel));
    for asset in assets::ALL {
        router = router.route(asset.path, get(async move |headers: HeaderMap| serve_asset(asset, &headers)));
    }
    router.with_state(hub)
}

type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

async fn state_channel(
    State(hub): State<Arc<Hub>>,
    Extension(slot): Extension<Slot>,
    headers: HeaderMap,
    upgrade: Upgrade,
) -> Response {
    match accept(upgrade, &headers) {
        Ok(upgrade) => upgrade.on_upgrade(async move |socket| {
            state_socket::serve(socket, &hub).await;
            drop(slot);
        }),
        Err(refusal) => *refusal,
    }
}

async fn pixel_channel(
    State(hub): State<Arc<Hub>>,
    Extension(slot): Extension<Slot>,
    headers: HeaderMap,
    upgrade: Upgrade,
) -> Response {
    match accept(upgrade, &headers) {
        Ok(upgrade) => upgrade.on_upgrade(async move |socket| {
            pixel_socket::serve(socket, &hub, None).await;
            drop(slot);
        }),
        Err(refusal) => *refusal,
    }
}

/// What binds a pixel socket to a session.
#[derive(Deserialize)]
struct Binding {
    session: String,
    key: String,
}

async fn bound_pixel_channel(
    State(hub): State<Arc<Hub>>,
    Extension(slot): Extension<Slot>,
    binding: Result<Query<Binding>, QueryRejection>,
    headers: HeaderMap,
    upgrade: Upgrade,
) -> Response {
    let upgrade = match accept(upgrade, &headers) {
        Ok(upgrade) => upgrade,
        Err(refusal) => return *refusal,
    };
    match binding {
        Ok(Query(Binding { session, key })) if hub.bind_pixel(&session, &key) => upgrade.on_upgrade(async move |socket| {
            pixel_socket::serve(socket, &hub, Some(session)).await;
            drop(slot);
        }),
        _ => (StatusCode::FORBIDDEN, "no open session has this id and key\n").into_response(),
    }
}

/// The upgrade, unless it is none or comes from a page of another site.
fn accept(upgrade: Upgrade, headers: &HeaderMap) -> Result<WebSocketUpgrade, Box<Response>> {
    if !same_origin(headers) {
        return Err(Box::new((StatusCode::FORBIDDEN, "pages of other sites may not connect\n").into_response()));
    }
    match upgrade {
        Ok(upgrade) => Ok(upgrade.max_message_size(MAX_READ).max_frame_size(MAX_READ)),
        Err(_) => {
            let upgrade = [(UPGRADE, HeaderValue::from_static("websocket"))];
            Err(Box::new((StatusCode::UPGRADE_REQUIRED, upgrade, "this address speaks websocket only\n").into_response()))
        }
    }
}

/// A browser names the page that opens a websocket; other programs name none.
fn same_origin(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let authority = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    matches!((authority, host), (Some(authority), Some(host)) if authority.eq_ignore_ascii_case(host))
}

async fn metrics(State(hub): State<Arc<Hub>>) -> Response {
    ([(CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(hub.metrics())).into_response()
}

/// Of whoever may see the page; not for pages of other sites.
fn private(content_type: &'static str) -> [(HeaderName, HeaderValue); 4] {
    [
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    ]
}

/// The plate that the image on the screen is of.
async fn plate_document(State(hub): State<Arc<Hub>>, headers: HeaderMap) -> Response {
    if !same_origin(&headers) {
        return (StatusCode::FORBIDDEN, "pages of other sites may not look\n").into_response();
    }
    match hub.engine().and_then(|engine| engine.plate()) {
        Some(place) => (private("application/json"), Json(plate::document(&place))).into_response(),
        None => (StatusCode::NOT_FOUND, "the image that is shown is of no plate\n").into_response(),
    }
}

/// A small picture of a field of it.
async fn plate_picture(
    State(hub): State<Arc<Hub>>,
    of: Result<Query<PictureOf>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    if !same_origin(&headers) {
        return (StatusCode::FORBIDDEN, "pages of other sites may not look\n").into_response();
    }
    let Ok(Query(of)) = of else {
        return (StatusCode::BAD_REQUEST, "a picture is asked for by plate, row, column and field\n").into_response();
    };
    let answer = match hub.plate_pictures().made(of) {
        Some(png) => Ok(png),
        // Who goes away while there is no room is not waited for: this future is dropped then.
        None => {
            let room = hub.plate_pictures().room().await;
            let maker = Arc::clone(&hub);
            let made = tokio::task::spawn_blocking(move || {
                let _room = room;
                let engine = maker.engine().ok_or(NoPicture::Unknown)?;
                maker.plate_pictures().make(&*engine, of)
            });
            made.await.unwrap_or(Err(NoPicture::Failed))
        }
    };
    match answer {
        Ok(png) => (private("image/png"), png.to_vec()).into_response(),
        Err(NoPicture::Unknown) => (StatusCode::NOT_FOUND, "there is no such field\n").into_response(),
        Err(NoPicture::Failed) => (StatusCode::SERVICE_UNAVAILABLE, "the field cannot be read\n").into_response(),
    }
}

fn serve_asset(asset: &'static Asset, headers: &HeaderMap) -> Response {
    let tag = asset.tag();
    let common: [(HeaderName, HeaderValue); 5] = [
        // Kept, but asked for again: the page and its parts always belong to the running server.
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (CONTENT_SECURITY_POLICY, CSP),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (CONTENT_TYPE, HeaderValue::from_static(asset.content_type)),
    ];
    let tagged = HeaderValue::from_str(&tag).map(|value| [(ETAG, value)]);
    let unchanged = headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let status = if unchanged { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    let body = if unchanged { &[][..] } else { asset.body };
    match tagged {
        Ok(tagged) => (status, common, tagged, body).into_response(),
        Err(_) => (status, common, body).into_response(),
    }
}
