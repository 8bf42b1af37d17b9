//! A web server with the files of a folder, behind a link of a given round trip and speed.
//!
//! The link delays bytes, whatever they mean: half a round trip each way, another whole one before the first bytes of a connection
//! (what its handshake takes), and towards the client no faster than the link is, all connections together. Slow start, loss and TLS
//! are left out: real links do worse.

use anyhow::Result;
use axum::Router;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tower_http::services::ServeDir;

/// Bytes that are sent on at once.
const PIECE: usize = 16 << 10;
/// Pieces on their way on a connection: 8 MiB, several times what the links of interest hold.
const PIECES: usize = 512;

/// What lies between client and server.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Link {
    /// There and back.
    pub round_trip: Duration,
    /// Towards the client, bits per second.
    pub bits_per_s: f64,
}

/// The server with its link. Ends when dropped.
#[derive(Debug)]
pub struct FarServer {
    address: SocketAddr,
    _runtime: tokio::runtime::Runtime,
}

impl FarServer {
    /// Serves `folder` on a port of the loopback, from a thread of its own.
    ///
    /// # Errors
    /// If no port is to be had.
    pub fn start(folder: PathBuf, link: Link) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let (near, files) = runtime.block_on(async {
            Ok::<_, std::io::Error>((TcpListener::bind("127.0.0.1:0").await?, TcpListener::bind("127.0.0.1:0").await?))
        })?;
        let (address, behind) = (near.local_addr()?, files.local_addr()?);
        let router = Router::new().fallback_service(ServeDir::new(folder));
        runtime.spawn(async move { axum::serve(files, router).await });
        runtime.spawn(relay(near, behind, link));
        Ok(Self { address, _runtime: runtime })
    }

    /// Where a path within the folder is.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }
}

async fn relay(near: TcpListener, behind: SocketAddr, link: Link) {
    let wire = Arc::new(Mutex::new(Instant::now()));
    while let Ok((client, _)) = near.accept().await {
        let open = Instant::now() + link.round_trip;
        let wire = wire.clone();
        tokio::spawn(async move {
            let Ok(server) = TcpStream::connect(behind).await else { return };
            // Delays are the link's alone.
            if client.set_nodelay(true).and(server.set_nodelay(true)).is_err() {
                return;
            }
            let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
            let half = link.round_trip / 2;
            tokio::join!(
                pump(from_client, to_server, move |_| Instant::now().max(open) + half),
                pump(from_server, to_client, move |bytes| {
                    let takes = Duration::from_secs_f64(bytes as f64 * 8.0 / link.bits_per_s);
                    let mut free = wire.lock().unwrap_or_else(PoisonError::into_inner);
                    *free = (*free).max(Instant::now()) + takes;
                    *free + half
                }),
            );
        });
    }
}

/// Hands on what comes, each piece when `arrival` of its bytes says.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, arrival: impl Fn(usize) -> Instant) {
    let (sender, mut receiver) = mpsc::channel::<(Instant, Vec<u8>)>(PIECES);
    let read = async move {
        let mut piece = vec![0; PIECE];
        while let Ok(bytes @ 1..) = from.read(&mut piece).await {
            if sender.send((arrival(bytes), piece[..bytes].to_vec())).await.is_err() {
                return;
            }
        }
    };
    let write = async move {
        while let Some((at, piece)) = receiver.recv().await {
            sleep_until(at).await;
            if to.write_all(&piece).await.is_err() {
                return;
            }
        }
        // One that is closed at the other end already needs no more.
        drop(to.shutdown().await);
    };
    tokio::join!(read, write);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    /// Time to the first byte of an answer and to its end, and its bytes.
    fn get(stream: &mut std::net::TcpStream, range: &str) -> (Duration, Duration, usize) {
        let before = std::time::Instant::now();
        write!(stream, "GET /file HTTP/1.1\r\nHost: far\r\nRange: bytes={range}\r\n\r\n").unwrap();
        let (mut answer, mut piece, mut first) = (Vec::new(), vec![0; PIECE], None);
        loop {
            let bytes = stream.read(&mut piece).unwrap();
            first.get_or_insert(before.elapsed());
            answer.extend_from_slice(&piece[..bytes]);
            let Some(end) = answer.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
            let header = String::from_utf8_lossy(&answer[..end]).to_lowercase();
            assert!(header.starts_with("http/1.1 206"), "{header}");
            let length = header.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse::<usize>().unwrap();
            if answer.len() == end + 4 + length {
                return (first.unwrap(), before.elapsed(), length);
            }
        }
    }

    #[test]
    fn answers_take_the_round_trip_and_the_wire() {
        let folder = std::env::temp_dir().join(format!("nc-bench-far-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("file"), vec![7; 1 << 20]).unwrap();
        let link = Link { round_trip: Duration::from_millis(40), bits_per_s: 80e6 };
        let server = FarServer::start(folder.clone(), link).unwrap();
        let mut stream = std::net::TcpStream::connect(server.address).unwrap();
        let ms = Duration::from_millis;
        let (first, _, length) = get(&mut stream, "0-9");
        assert!(length == 10 && first >= ms(80), "{first:?} with the handshake");
        let (first, _, _) = get(&mut stream, "5-9");
        assert!(first >= ms(40), "{first:?}");
        let (first, whole, length) = get(&mut stream, "0-999999");
        assert!(length == 1_000_000 && first >= ms(40) && whole >= ms(138), "{whole:?}: 100 ms of wire");
        drop(server);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
