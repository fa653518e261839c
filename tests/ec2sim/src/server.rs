//! The simulator behind HTTP on a socket.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, State};
use axum::http::{Request, Response, StatusCode};
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::engine::{Directive, Sim};

/// No request of these services is larger.
const LARGEST_BODY: usize = 4 * 1024 * 1024;

/// So often a long poll looks whether a message has come.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A running server. It stops when this is dropped.
#[derive(Debug)]
pub struct Server {
    sim: Sim,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves a simulator, on a thread of its own; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address can not be listened on.
    pub fn start(sim: Sim, address: SocketAddr) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let served = sim.clone();
        let thread = std::thread::Builder::new().name("ec2sim".to_owned()).spawn(move || {
            let result = runtime.block_on(async {
                tokio::select! {
                    result = serve(listener, served) => result,
                    _ = stopped => Ok(()),
                }
            });
            if let Err(error) = result {
                tracing::error!(%error, "the server stopped");
            }
            runtime.shutdown_background();
        })?;
        Ok(Self {
            sim,
            address,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Serves a simulator on a free port of the loopback interface.
    ///
    /// # Errors
    /// When there is no free port.
    pub fn on_loopback(sim: Sim) -> io::Result<Self> {
        Self::start(sim, SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// As in `http://127.0.0.1:4566`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it serves.
    pub const fn sim(&self) -> &Sim {
        &self.sim
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // An error means that the thread is gone already.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(listener: std::net::TcpListener, sim: Sim) -> io::Result<()> {
    let listener = Cuttable(TcpListener::from_std(listener)?);
    let app = Router::new().fallback(answer).with_state(sim);
    axum::serve(listener, app.into_make_service_with_connect_info::<Connection>()).await
}

async fn answer(
    State(sim): State<Sim>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: Request<Body>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(bytes) = to_bytes(body, LARGEST_BODY).await else {
        let mut refused = Response::new(Body::empty());
        *refused.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        return refused;
    };
    let request = Request::from_parts(parts, bytes);
    let kept_back = keep_back(&sim, &request).await;
    let response = sim.handle(&request);
    let directive = response.extensions().get::<Directive>().copied().unwrap_or_default();
    let delay = directive.delay.saturating_sub(kept_back);
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    if directive.drop {
        connection.cut.store(true, Ordering::Release);
    }
    response.map(|bytes: Bytes| Body::from(bytes))
}

/// Waits for a message with a long poll that finds none. Says for how long.
async fn keep_back(sim: &Sim, request: &Request<Bytes>) -> Duration {
    let begun = Instant::now();
    let mut kept_back = Duration::ZERO;
    while kept_back < sim.may_keep_back(request) {
        tokio::time::sleep(LOOK_AGAIN).await;
        kept_back = begun.elapsed();
    }
    kept_back
}

/// A connection that can be cut: from then on, nothing is written to it.
#[derive(Clone, Debug, Default)]
struct Connection {
    cut: Arc<AtomicBool>,
}

struct CuttableStream {
    stream: TcpStream,
    connection: Connection,
}

struct Cuttable(TcpListener);

impl Listener for Cuttable {
    type Io = CuttableStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        // Answers are small; waiting to fill a packet would only slow the tests.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
        let io = CuttableStream {
            stream,
            connection: Connection::default(),
        };
        (io, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

impl Connected<IncomingStream<'_, Cuttable>> for Connection {
    fn connect_info(stream: IncomingStream<'_, Cuttable>) -> Self {
        stream.io().connection.clone()
    }
}

impl CuttableStream {
    fn check(&self) -> io::Result<()> {
        if self.connection.cut.load(Ordering::Acquire) {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(())
    }
}

impl AsyncRead for CuttableStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for CuttableStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Waits for an interrupt or a termination signal.
///
/// # Errors
/// When signals can not be listened to.
pub async fn until_stopped() -> io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result,
        _ = terminate.recv() => Ok(()),
    }
}
