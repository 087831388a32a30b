//! A network that fails on demand: a TCP proxy between a store and its server.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::Gate;

/// What is lost when a request with a certain content comes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The request: the server never sees it.
    Request,
    /// The reply: the server has done what it was asked.
    Reply,
}

/// A proxy on a port of loopback. It ends with the runtime.
#[derive(Clone, Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    /// Whether the network is there. Connections end when it goes.
    is_up: watch::Sender<bool>,
    /// Says that connections are forgotten.
    forgotten: watch::Sender<()>,
    /// What happens to the next request that has these bytes.
    trap: Mutex<Option<Trap>>,
}

#[derive(Clone, Debug)]
struct Trap {
    bytes: Vec<u8>,
    loss: Loss,
    /// Where the connection waits before it breaks.
    gate: Option<Gate>,
}

impl Proxy {
    /// A proxy in front of a server.
    ///
    /// # Panics
    /// If there is no free port.
    pub async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let (is_up, forgotten) = (watch::Sender::new(true), watch::Sender::new(()));
        let shared = Arc::new(Shared { server, is_up, forgotten, trap: Mutex::default() });
        let proxy = Self { address, shared: Arc::clone(&shared) };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, Arc::clone(&shared)));
            }
        });
        proxy
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// All connections end, and new ones are closed at once.
    pub fn cut(&self) {
        self.shared.is_up.send_replace(false);
    }

    /// The network is there again.
    pub fn mend(&self) {
        self.shared.is_up.send_replace(true);
    }

    /// All connections fall silent, and nobody is told: a firewall has forgotten them. New ones are as good as ever.
    pub fn forget(&self) {
        self.shared.forgotten.send_replace(());
    }

    /// Loses the next request that has these bytes, or the reply to it, with its connection.
    pub fn lose(&self, loss: Loss, request_with: &str) {
        *self.shared.trap() = Some(Trap { bytes: request_with.as_bytes().to_vec(), loss, gate: None });
    }

    /// As [`lose`](Self::lose), but the connection breaks only when the gate lets it.
    pub fn lose_late(&self, loss: Loss, request_with: &str, gate: &Gate) {
        let bytes = request_with.as_bytes().to_vec();
        *self.shared.trap() = Some(Trap { bytes, loss, gate: Some(gate.clone()) });
    }

    /// Whether what was to be lost was lost.
    #[must_use]
    pub fn has_lost(&self) -> bool {
        self.shared.trap().is_none()
    }
}

impl Shared {
    fn trap(&self) -> std::sync::MutexGuard<'_, Option<Trap>> {
        self.trap.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be lost, if this is such a request.
    fn sprung(&self, request: &[u8]) -> Option<Trap> {
        let mut trap = self.trap();
        let bytes = &trap.as_ref()?.bytes;
        let is_sprung = request.windows(bytes.len()).any(|window| window == bytes);
        if is_sprung { trap.take() } else { None }
    }
}

async fn serve(mut client: TcpStream, shared: Arc<Shared>) {
    let (mut is_up, mut forgotten) = (shared.is_up.subscribe(), shared.forgotten.subscribe());
    if !*is_up.borrow_and_update() {
        return;
    }
    let Ok(mut server) = TcpStream::connect(shared.server).await else { return };
    let (mut request, mut reply) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        tokio::select! {
            _ = is_up.changed() => return,
            _ = forgotten.changed() => std::future::pending().await,
            read = client.read(&mut request) => {
                let Some(request) = read.ok().and_then(|length| request.get(..length)) else { return };
                if let Some(trap) = shared.sprung(request) {
                    if trap.loss == Loss::Reply && server.write_all(request).await.is_ok() {
                        let _ = server.read(&mut reply).await;
                    }
                    if let Some(gate) = trap.gate {
                        gate.pass().await;
                    }
                    return;
                }
                if request.is_empty() || server.write_all(request).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut reply) => {
                let Some(reply) = read.ok().and_then(|length| reply.get(..length)) else { return };
                if reply.is_empty() || client.write_all(reply).await.is_err() {
                    return;
                }
            }
        }
    }
}
