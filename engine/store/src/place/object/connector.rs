//! The HTTP client of remote places: which redirects it follows, how patient it is, and what it remembers of each request.
//!
//! `object_store` makes the requests and retries them. What became of one it tells in text that quotes URLs; so each request carries a
//! [`Trail`], into which this writes what can be told.

use super::super::{PlaceOptions, Secret};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use object_store::ClientOptions;
use object_store::client::{HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU16, Ordering};
use std::time::Duration;
use url::Url;

/// Redirects that are followed for one request.
const MOST_REDIRECTS: usize = 5;

/// How long a connection that nobody uses is kept.
const IDLE: Duration = Duration::from_secs(90);

/// What became of a request, the last attempt of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Trail(Arc<Steps>);

#[derive(Debug, Default)]
struct Steps {
    /// 0 if no answer came.
    status: AtomicU16,
    failed: AtomicU8,
}

/// Why there was no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failed {
    Connect,
    Timeout,
    Other,
}

impl Trail {
    /// The status of the last answer, if there was one.
    pub(super) fn status(&self) -> Option<u16> {
        Some(self.0.status.load(Ordering::Relaxed)).filter(|&status| status != 0)
    }

    /// Why the last attempt had no answer, if it had none.
    pub(super) fn failed(&self) -> Option<Failed> {
        match self.0.failed.load(Ordering::Relaxed) {
            1 => Some(Failed::Connect),
            2 => Some(Failed::Timeout),
            3 => Some(Failed::Other),
            _ => None,
        }
    }

    fn note(&self, outcome: &Result<HttpResponse, HttpError>) {
        let (status, failed) = match outcome {
            Ok(response) => (response.status().as_u16(), 0),
            Err(error) => match error.kind() {
                HttpErrorKind::Connect => (0, 1),
                HttpErrorKind::Timeout => (0, 2),
                _ => (0, 3),
            },
        };
        self.0.status.store(status, Ordering::Relaxed);
        self.0.failed.store(failed, Ordering::Relaxed);
    }
}

/// Makes clients for `object_store`; all of one place are the same, with its connections.
#[derive(Debug, Clone)]
pub(super) struct Connector(reqwest::Client);

impl Connector {
    /// A client that follows redirects to nothing but what begins like one of `prefixes`, if there are any. `user` is `name:password`.
    ///
    /// # Errors
    /// One line about what is wrong with the proxy or the machine's certificates; without URLs.
    pub(super) fn new(
        options: &PlaceOptions,
        prefixes: Option<&Arc<[Secret]>>,
        user: Option<&str>,
    ) -> Result<Self, &'static str> {
        let mut headers = HeaderMap::new();
        if let Some(user) = user {
            let value = format!("Basic {}", STANDARD.encode(user));
            let mut value = HeaderValue::try_from(value).map_err(|_| "user and password cannot be sent")?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let prefixes = prefixes.cloned();
        let follow = Policy::custom(move |attempt| {
            let allowed = prefixes.as_ref().is_none_or(|prefixes| allowed_by(attempt.url().as_str(), prefixes));
            let secure = attempt.url().scheme() == "https" || attempt.previous().iter().all(|url| url.scheme() == "http");
            // Of one that is not followed, the answer is the redirect itself.
            if attempt.previous().len() <= MOST_REDIRECTS && secure && allowed { attempt.follow() } else { attempt.stop() }
        });
        let mut builder = reqwest::Client::builder()
            .redirect(follow)
            .connect_timeout(options.timeouts.connect)
            .read_timeout(options.timeouts.read)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(super::MOST_REQUESTS)
            .tcp_nodelay(true)
            .default_headers(headers)
            // What the environment names is not looked at.
            .no_proxy();
        if let Some(proxy) = &options.proxy {
            let proxy = reqwest::Proxy::all(proxy.expose()).map_err(|_| "the proxy is no URL")?;
            let except = options.no_proxy.as_deref().and_then(reqwest::NoProxy::from_string);
            builder = builder.proxy(proxy.no_proxy(except));
        }
        builder.build().map(Self).map_err(|_| "no client can be made: check that the system's certificates are installed")
    }
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Watched(self.0.clone())))
    }
}

/// A client that writes into the trail of each request.
#[derive(Debug)]
struct Watched(reqwest::Client);

#[async_trait]
impl HttpService for Watched {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let trail = request.extensions().get::<Trail>().cloned();
        let outcome = HttpService::call(&self.0, request).await;
        if let Some(trail) = trail {
            trail.note(&outcome);
        }
        outcome
    }
}

/// Whether `url` is one of the prefixes or continues it with another part.
fn allowed_by(url: &str, prefixes: &[Secret]) -> bool {
    prefixes.iter().any(|prefix| {
        // In the form in which URLs are compared.
        let prefix = Url::parse(prefix.expose()).map_or_else(|_| prefix.expose().to_owned(), String::from);
        let rest = url.strip_prefix(prefix.as_str());
        rest.is_some_and(|rest| prefix.ends_with('/') || rest.is_empty() || rest.starts_with(['/', '?', '#']))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_stays_where_a_client_may_look() {
        let prefixes = ["https://a.org/pub", "https://b.org"].map(Secret::new);
        for url in ["https://a.org/pub/x", "https://a.org/pub?x", "https://b.org/", "https://b.org/any"] {
            assert!(allowed_by(url, &prefixes), "{url}");
        }
        for url in [
            "https://a.org/public",
            "https://a.org/",
            "https://b.org.evil/",
            "https://b.org:81/",
            "http://b.org/",
            "http://169.254.169.254/",
        ] {
            assert!(!allowed_by(url, &prefixes), "{url}");
        }
        assert!(!allowed_by("https://b.org/", &[]));
    }
}
