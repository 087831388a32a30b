//! Requests over connections that stay open, each one sent when the answer to the one before has come.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Outcome;
use crate::drive::{Route, VISITORS};

/// How many requests are under way at once.
pub(super) const CONNECTIONS: usize = 16;

/// Those who are logged in at a server, by their cookies.
pub(super) struct Visitors(Vec<String>);

impl Visitors {
    pub(super) async fn log_in(address: SocketAddr) -> Outcome<Self> {
        let mut connection = Connection::open(address).await?;
        let mut cookies = Vec::with_capacity(VISITORS);
        for _ in 0..VISITORS {
            let head = connection.ask(render(Route::Login, None).as_bytes()).await?;
            cookies.push(cookies_of(&head).unwrap_or_else(|| "sid=none".to_owned()));
        }
        Ok(Self(cookies))
    }

    /// A request of each, as it goes over the network.
    pub(super) fn requests(&self, route: Route) -> Vec<String> {
        let cookies = self.0.iter().map(|cookie| (route != Route::Login).then_some(cookie.as_str()));
        cookies.map(|cookie| render(route, cookie)).collect()
    }
}

fn render(route: Route, cookie: Option<&str>) -> String {
    let cookie = cookie.map_or_else(String::new, |cookie| format!("cookie: {cookie}\r\n"));
    format!("GET {} HTTP/1.1\r\nhost: localhost\r\n{cookie}\r\n", route.path())
}

/// Sends so many requests, these in turn; tells how long each waited for its answer.
pub(super) async fn send(address: SocketAddr, requests: Vec<String>, count: usize) -> Outcome<Vec<Duration>> {
    let (requests, sent) = (Arc::new(requests), Arc::new(AtomicUsize::new(0)));
    let connections: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let (requests, sent) = (Arc::clone(&requests), Arc::clone(&sent));
            tokio::spawn(async move {
                let (mut connection, mut waits) = (Connection::open(address).await?, Vec::with_capacity(count));
                loop {
                    let number = sent.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return Outcome::Ok(waits);
                    }
                    let start = Instant::now();
                    connection.ask(requests[number % requests.len()].as_bytes()).await?;
                    waits.push(start.elapsed());
                }
            })
        })
        .collect();
    let mut waits = Vec::with_capacity(count);
    for connection in connections {
        waits.extend(connection.await??);
    }
    Ok(waits)
}

struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    async fn open(address: SocketAddr) -> Outcome<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::with_capacity(4096) })
    }

    /// The head of the answer, whose body has been read as well.
    async fn ask(&mut self, request: &[u8]) -> Outcome<String> {
        self.stream.write_all(request).await?;
        self.received.clear();
        loop {
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err("the server has gone".into());
            }
            if let Some((head, length)) = parse(&self.received)?
                && self.received.len() >= length
            {
                return Ok(head.to_owned());
            }
        }
    }
}

/// The head of an answer, and the length of the whole; none before the head is complete.
fn parse(received: &[u8]) -> Outcome<Option<(&str, usize)>> {
    let Some(end) = received.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&received[..end])?;
    if !head.starts_with("HTTP/1.1 200 ") {
        return Err(format!("an answer that isn't 200: {head}").into());
    }
    let length = headers(head, "content-length").next().ok_or("an answer without a length")?;
    Ok(Some((head, end + 4 + length.parse::<usize>()?)))
}

fn headers<'a>(head: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    let pairs = head.lines().filter_map(|line| line.split_once(": "));
    pairs.filter(move |(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// The cookies that a browser would send back.
fn cookies_of(head: &str) -> Option<String> {
    let pairs: Vec<_> = headers(head, "set-cookie").filter_map(|line| line.split(';').next()).collect();
    (!pairs.is_empty()).then(|| pairs.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_a_head_a_length_and_cookies() {
        let answer = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/\r\nset-cookie: b=2\r\ncontent-length: 3\r\n\r\nabc";
        let (head, length) = parse(answer).unwrap().unwrap();
        assert_eq!(length, answer.len());
        assert_eq!(cookies_of(head).as_deref(), Some("a=1; b=2"));
        assert!(parse(&answer[..answer.len() - 4]).unwrap().is_none(), "the head is not complete");
        assert!(parse(b"HTTP/1.1 503 Service Unavailable\r\n\r\n").is_err());
    }
}
