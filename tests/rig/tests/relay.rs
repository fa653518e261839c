//! The relay passes on, holds, cuts, and passes on again.

use std::io;
use std::time::Duration;

use rig::{Relay, Way, poll_until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(20);
const A_WHILE: Duration = Duration::from_millis(200);

/// A server that answers each byte with the next one, and tells how many it was asked.
async fn counting() -> (Relay, tokio::sync::watch::Receiver<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let relay = Relay::start(listener.local_addr().expect("an address")).expect("a relay");
    let (asked, count) = tokio::sync::watch::channel(0);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let asked = asked.clone();
            tokio::spawn(async move {
                while let Ok(byte) = stream.read_u8().await {
                    asked.send_modify(|count| *count += 1);
                    if stream.write_u8(byte + 1).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (relay, count)
}

async fn connect(relay: &Relay) -> io::Result<TcpStream> {
    TcpStream::connect(relay.endpoint().trim_start_matches("http://")).await
}

async fn ask(stream: &mut TcpStream, byte: u8) -> io::Result<u8> {
    stream.write_u8(byte).await?;
    stream.read_u8().await
}

#[tokio::test]
async fn what_is_held_comes_when_the_way_is_open_again() {
    let (relay, asked) = counting().await;
    let mut stream = connect(&relay).await.expect("a connection");
    assert_eq!(ask(&mut stream, 1).await.expect("an answer"), 2);

    relay.set(Way::Nothing);
    stream.write_u8(3).await.expect("nobody is told");
    assert!(timeout(A_WHILE, stream.read_u8()).await.is_err(), "no answer");
    assert_eq!(*asked.borrow(), 1, "nothing was asked");

    relay.set(Way::Questions);
    let mut waits = asked.clone();
    let came = timeout(SOON, waits.wait_for(|count| *count == 2)).await;
    assert!(came.is_ok_and(|waited| waited.is_ok()), "the question came");
    assert!(timeout(A_WHILE, stream.read_u8()).await.is_err(), "the answer did not");

    relay.set(Way::Open);
    assert_eq!(stream.read_u8().await.expect("the answer"), 4);
}

#[tokio::test]
async fn a_closed_way_refuses_and_cuts_and_opens_again_at_the_same_address() {
    let (relay, _asked) = counting().await;
    let mut stream = connect(&relay).await.expect("a connection");
    assert_eq!(ask(&mut stream, 1).await.expect("an answer"), 2);

    relay.set(Way::Closed);
    assert!(ask(&mut stream, 3).await.is_err(), "the connection is cut");
    poll_until("new connections to be refused", SOON, async || {
        let refused = connect(&relay).await.err();
        Ok(refused.filter(|error| error.kind() == io::ErrorKind::ConnectionRefused))
    })
    .await
    .expect("refusals");

    relay.set(Way::Open);
    let mut stream = poll_until("a new connection", SOON, async || Ok(connect(&relay).await.ok()))
        .await
        .expect("a connection");
    assert_eq!(ask(&mut stream, 5).await.expect("an answer"), 6);
}
