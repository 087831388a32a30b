//! An HTTP/1.1 client that sends exactly the bytes it is given, and keeps cookies as a browser does.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A visitor: an address and a cookie jar.
#[derive(Clone, Debug)]
pub struct Client {
    address: SocketAddr,
    /// The cookies that the server has set, by name.
    pub jar: BTreeMap<String, String>,
}

/// A request in the making.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: String,
}

/// A response.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The header lines, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Request {
    /// A request without a body.
    #[must_use]
    pub fn new(method: &str, path: &str) -> Self {
        Self { method: method.to_owned(), path: path.to_owned(), headers: Vec::new(), body: String::new() }
    }

    /// `GET path`
    #[must_use]
    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    /// Adds a header line; its value may hold any bytes.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Sends a form.
    #[must_use]
    pub fn form(mut self, body: &str) -> Self {
        self.body = body.to_owned();
        self.header("content-type", "application/x-www-form-urlencoded")
    }
}

impl Client {
    /// A visitor without cookies.
    #[must_use]
    pub const fn new(address: SocketAddr) -> Self {
        Self { address, jar: BTreeMap::new() }
    }

    /// Another visitor of the same server.
    #[must_use]
    pub const fn another(&self) -> Self {
        Self::new(self.address)
    }

    /// Sends `GET path`.
    pub async fn get(&mut self, path: &str) -> Reply {
        self.send(Request::get(path)).await
    }

    /// Sends `POST path` without a body.
    pub async fn post(&mut self, path: &str) -> Reply {
        self.send(Request::new("POST", path)).await
    }

    /// Sends a request with the jar's cookies, and takes the response's cookies into the jar.
    pub async fn send(&mut self, request: Request) -> Reply {
        let cookies: Vec<_> = self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = if cookies.is_empty() { request } else { request.header("cookie", cookies.join("; ")) };
        let reply = self.send_without_jar(request).await;
        for cookie in reply.set_cookies() {
            let (pair, attributes) = cookie.split_once(';').unwrap_or((cookie, ""));
            let (name, value) = pair.split_once('=').expect("a cookie has a name and a value");
            if attributes.contains("Max-Age=0") {
                self.jar.remove(name);
            } else {
                self.jar.insert(name.to_owned(), value.to_owned());
            }
        }
        reply
    }

    /// Sends a request as it is.
    pub async fn send_without_jar(&self, request: Request) -> Reply {
        let mut stream = TcpStream::connect(self.address).await.expect("the server listens");
        let mut bytes =
            format!("{} {} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", request.method, request.path, self.address)
                .into_bytes();
        for (name, value) in &request.headers {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(format!("content-length: {}\r\n\r\n{}", request.body.len(), request.body).as_bytes());
        stream.write_all(&bytes).await.expect("the server reads");
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).await.expect("the server answers");
        Reply::parse(&String::from_utf8_lossy(&reply))
    }
}

impl Reply {
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").expect("a whole response");
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        Self { status: status.expect("a status line"), headers, body: body.to_owned() }
    }

    /// The values of all headers of this name.
    pub fn header<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// The `Set-Cookie` lines.
    #[must_use]
    pub fn set_cookies(&self) -> Vec<&str> {
        self.header("set-cookie").collect()
    }

    /// The one `Set-Cookie` line.
    ///
    /// # Panics
    /// If there is none, or more than one.
    #[must_use]
    pub fn set_cookie(&self) -> &str {
        match self.set_cookies()[..] {
            [cookie] => cookie,
            ref other => panic!("one Set-Cookie line was expected, there are {other:?}"),
        }
    }
}
