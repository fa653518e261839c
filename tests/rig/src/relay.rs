//! A relay on loopback between a client and a server, which can be told to refuse or to hold what they say.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How often the port is asked for again when it cannot be had back at once.
const AGAIN: Duration = Duration::from_millis(50);

/// What gets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Everything.
    Open,
    /// Requests, but no answers: they are held, as when packets are lost, and come when the way is open again.
    Questions,
    /// Nothing, and nobody is told: connections stay open, and what is said is held until the way is open again.
    Nothing,
    /// Nothing: the port is closed, and connections are cut.
    Closed,
}

impl Way {
    fn lets_questions(self) -> bool {
        matches!(self, Self::Open | Self::Questions)
    }

    fn lets_answers(self) -> bool {
        self == Self::Open
    }

    fn is_closed(self) -> bool {
        self == Self::Closed
    }
}

/// The relay. It ends when this is dropped.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    way: watch::Sender<Way>,
}

impl Relay {
    /// Listens on a free port of loopback, and passes on to `server`. It runs on the runtime that this is called in.
    pub fn start(server: SocketAddr) -> Result<Self> {
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let address = listener.local_addr()?;
        let (way, told) = watch::channel(Way::Open);
        tokio::spawn(relay(listener, address, server, told));
        Ok(Self { address, way })
    }

    /// As in `http://127.0.0.1:4566`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Changes what gets through, for connections that are there and those to come.
    pub fn set(&self, way: Way) {
        self.way.send_replace(way);
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    // Else the port is taken for a while by the connections that were cut.
    socket.set_reuseaddr(true)?;
    socket.bind(address).context("the relay has no port")?;
    Ok(socket.listen(1024)?)
}

/// Ends when its [`Relay`] is gone.
async fn relay(listener: TcpListener, address: SocketAddr, server: SocketAddr, mut way: watch::Receiver<Way>) {
    let mut listener = Some(listener);
    loop {
        if way.borrow_and_update().is_closed() {
            listener = None;
            if way.changed().await.is_err() {
                return;
            }
            continue;
        }
        let Some(open) = &listener else {
            match listen(address) {
                Ok(opened) => listener = Some(opened),
                Err(_) => tokio::time::sleep(AGAIN).await,
            }
            continue;
        };
        tokio::select! {
            accepted = open.accept() => {
                if let Ok((client, _)) = accepted {
                    tokio::spawn(connection(client, server, way.clone()));
                }
            }
            changed = way.changed() => if changed.is_err() { return },
        }
    }
}

async fn connection(client: TcpStream, server: SocketAddr, way: watch::Receiver<Way>) {
    let mut cut = way.clone();
    let passed = async {
        let server = TcpStream::connect(server).await?;
        server.set_nodelay(true)?;
        client.set_nodelay(true)?;
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let mut pumps = JoinSet::new();
        pumps.spawn(pump(from_client, to_server, way.clone(), Way::lets_questions));
        pumps.spawn(pump(from_server, to_client, way, Way::lets_answers));
        while pumps.join_next().await.is_some() {}
        std::io::Result::Ok(())
    };
    // Pumps end with their set. An error means that the relay is gone.
    tokio::select! {
        _ = passed => {}
        _ = cut.wait_for(|way| way.is_closed()) => {}
    }
}

/// Passes on one direction while `lets` says so. It ends with the stream, or with the relay.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut way: watch::Receiver<Way>,
    lets: fn(Way) -> bool,
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read.unwrap_or(0),
            // A new way does not matter to what has not been said.
            changed = way.changed() => if changed.is_err() { return } else { continue },
        };
        if way.wait_for(|way| lets(*way)).await.is_err() || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
        if read == 0 {
            // An error means that the other side is gone already.
            let _ = to.shutdown().await;
            return;
        }
    }
}
