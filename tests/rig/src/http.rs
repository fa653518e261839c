//! As much of HTTP as it takes to ask a server on loopback for its health or metrics.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

const TIMEOUT: Duration = Duration::from_secs(10);

/// Gets a URL of the form `http://host:port/path`; returns status and body.
pub async fn http_get(url: &str) -> Result<(u16, String)> {
    let rest = url
        .strip_prefix("http://")
        .with_context(|| format!("{url} does not begin with http://"))?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    tokio::time::timeout(TIMEOUT, get(host, path))
        .await
        .unwrap_or_else(|_| Err(anyhow::anyhow!("no answer within {TIMEOUT:?}")))
        .with_context(|| format!("cannot get {url}"))
}

async fn get(host: &str, path: &str) -> Result<(u16, String)> {
    let stream = TcpStream::connect(host).await?;
    // Version 1.0, since its answers are never chunked and end with the connection.
    exchange(stream, &format!("GET /{path} HTTP/1.0\r\nHost: {host}\r\n\r\n")).await
}

/// Sends a request of HTTP/1.0 and reads the answer to its end; returns status and body.
pub(crate) async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> Result<(u16, String)> {
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    parse(&String::from_utf8_lossy(&answer)).context("the answer is not HTTP")
}

fn parse(answer: &str) -> Option<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn status_and_body_of_an_answer_are_told_apart() {
        let answer = "HTTP/1.0 503 Service Unavailable\r\ncontent-length: 4\r\n\r\na\r\n\r\nb";
        assert_eq!(parse(answer), Some((503, "a\r\n\r\nb".to_owned())));
        assert_eq!(parse("SSH-2.0-OpenSSH\r\n\r\n"), None);
    }
}
