//! A web server and an S3 server on a port of this machine, which count what they are asked and fail as they are told.

use axum::body::Body;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderValue, LAST_MODIFIED, LOCATION, RANGE};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// What a server saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) connections: AtomicUsize,
    pub(crate) requests: AtomicUsize,
}

impl Seen {
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// How a web server behaves.
#[derive(Debug, Clone, Default)]
pub(crate) struct Manners {
    /// Answers with the whole object, whatever part is asked for.
    pub(crate) no_ranges: bool,
    /// So many requests are answered with 503 first.
    pub(crate) unavailable: usize,
    /// What it wants to see in the header "Authorization".
    pub(crate) authorization: Option<String>,
    /// What it wants to see after the question mark.
    pub(crate) query: Option<String>,
    /// Requests below the first are sent to the second.
    pub(crate) redirect: Option<(String, String)>,
    /// Answers everything with this.
    pub(crate) status: Option<u16>,
    /// Closes the connection in the middle of so many answers.
    pub(crate) breaks: usize,
}

/// A server, which ends with this.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) seen: Arc<Seen>,
    _end: oneshot::Sender<()>,
}

impl Server {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }
}

/// Serves these objects.
pub(crate) fn web(objects: &[(&str, &[u8])], manners: Manners) -> Server {
    let objects: BTreeMap<String, Vec<u8>> = objects.iter().map(|(key, bytes)| ((*key).to_owned(), bytes.to_vec())).collect();
    let state = Arc::new((objects, Mutex::new(manners)));
    serve(move |request, _| {
        let state = Arc::clone(&state);
        async move { answer(&request, &state.0, &mut state.1.lock().unwrap()) }
    })
}

/// Serves the folders in `root` as buckets, to those who sign with this key and this secret.
pub(crate) fn s3(root: PathBuf, key: &str, secret: &str) -> Server {
    let mut service = s3s::service::S3ServiceBuilder::new(s3s_fs::FileSystem::new(&root).unwrap());
    service.set_auth(s3s::auth::SimpleAuth::from_single(key, secret));
    let service = service.build();
    serve(move |request, _| {
        let (service, object) = (service.clone(), root.join(decoded(request.uri().path()).trim_start_matches('/')));
        async move {
            // The store behind this server reads folders as if they were objects, and fails on more last bytes than there are.
            let in_bucket = request.uri().path().trim_matches('/').contains('/');
            if in_bucket && object.is_dir() {
                return plain(StatusCode::NOT_FOUND, Vec::new());
            }
            let len = object.metadata().map_or(0, |metadata| metadata.len());
            let suffix =
                request.headers().get(RANGE).and_then(|range| range.to_str().ok()?.strip_prefix("bytes=-")?.parse().ok());
            if suffix.is_some_and(|n: u64| n > len) && object.is_file() {
                if len == 0 {
                    return plain(StatusCode::RANGE_NOT_SATISFIABLE, Vec::new());
                }
                let mut part = plain(StatusCode::PARTIAL_CONTENT, std::fs::read(object).unwrap());
                let range = format!("bytes 0-{}/{len}", len - 1);
                for (name, value) in
                    [(CONTENT_RANGE, range.as_str()), (ETAG, "\"x\""), (LAST_MODIFIED, "Sat, 21 Nov 2026 12:00:00 GMT")]
                {
                    part.headers_mut().insert(name, value.parse().unwrap());
                }
                return part;
            }
            hyper::service::Service::call(&service, request).await.unwrap().map(Body::new)
        }
    })
}

fn serve<F, A>(answer: F) -> Server
where
    F: Fn(Request<Incoming>, Arc<Seen>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response<Body>> + Send + 'static,
{
    let (end, mut ended) = oneshot::channel::<()>();
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    let seen = Arc::new(Seen::default());
    let counts = Arc::clone(&seen);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            loop {
                let stream = tokio::select! {
                    _ = &mut ended => return,
                    accepted = listener.accept() => accepted.unwrap().0,
                };
                counts.connections.fetch_add(1, Ordering::SeqCst);
                let (answer, counts) = (answer.clone(), Arc::clone(&counts));
                let service = service_fn(move |request| {
                    counts.requests.fetch_add(1, Ordering::SeqCst);
                    let answered = answer(request, Arc::clone(&counts));
                    async move { Ok::<_, Infallible>(answered.await) }
                });
                let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                // A client that goes away in the middle is no fault.
                tokio::spawn(async move { drop(connection.await) });
            }
        });
    });
    Server { address: told.recv().unwrap(), seen, _end: end }
}

fn plain(status: StatusCode, bytes: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    response
}

fn decoded(path: &str) -> String {
    let url = url::Url::parse(&format!("http://h{path}")).unwrap();
    let mut bytes = Vec::new();
    let mut rest = url.path().bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => u8::from_str_radix(&format!("{}{}", rest.next().unwrap() as char, rest.next().unwrap() as char), 16).unwrap(),
            other => other,
        });
    }
    String::from_utf8(bytes).unwrap()
}

fn answer(request: &Request<Incoming>, objects: &BTreeMap<String, Vec<u8>>, manners: &mut Manners) -> Response<Body> {
    let header = |name| request.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    if manners.unavailable > 0 {
        manners.unavailable -= 1;
        return plain(StatusCode::SERVICE_UNAVAILABLE, b"secret of the server".to_vec());
    }
    if let Some(status) = manners.status {
        return plain(StatusCode::from_u16(status).unwrap(), b"secret of the server".to_vec());
    }
    let wanted = manners.authorization.as_deref();
    if wanted.is_some() && header(AUTHORIZATION) != wanted {
        return plain(StatusCode::UNAUTHORIZED, b"who are you?".to_vec());
    }
    if manners.query.is_some() && request.uri().query() != manners.query.as_deref() {
        return plain(StatusCode::FORBIDDEN, b"not signed".to_vec());
    }
    let path = decoded(request.uri().path());
    if let Some((from, to)) = &manners.redirect
        && let Some(rest) = path.strip_prefix(from.as_str())
    {
        let mut response = plain(StatusCode::FOUND, Vec::new());
        response.headers_mut().insert(LOCATION, format!("{to}{rest}").parse().unwrap());
        return response;
    }
    let Some(object) = objects.get(path.trim_start_matches('/')) else { return plain(StatusCode::NOT_FOUND, Vec::new()) };
    let len = object.len();
    let range = header(RANGE).filter(|_| !manners.no_ranges).and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let mut response = match range {
        None => plain(StatusCode::OK, object.clone()),
        Some((first, last)) => {
            let range = match (first.parse::<usize>(), last.parse::<usize>()) {
                (Ok(first), Ok(last)) => first..(last + 1).min(len),
                (Ok(first), Err(_)) => first..len,
                (Err(_), Ok(last)) => len.saturating_sub(last)..len,
                _ => panic!("an odd range"),
            };
            if range.is_empty() {
                return plain(StatusCode::RANGE_NOT_SATISFIABLE, Vec::new());
            }
            let mut part = plain(StatusCode::PARTIAL_CONTENT, object[range.clone()].to_vec());
            let told = format!("bytes {}-{}/{len}", range.start, range.end - 1);
            part.headers_mut().insert(CONTENT_RANGE, told.parse().unwrap());
            part
        }
    };
    if manners.breaks > 0 {
        manners.breaks -= 1;
        // Announces more than comes.
        let (mut parts, _) = response.into_parts();
        parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(len + 10));
        let pieces = [Ok(vec![0u8; 3]), Err(std::io::Error::other("broken"))];
        response = Response::from_parts(parts, Body::from_stream(futures_util::stream::iter(pieces)));
    }
    response
}
