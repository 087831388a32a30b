//! The middleware: it puts a place for the session into each request, and commits the session when the response is
//! ready.

mod future;
mod layer;
mod respond;
mod service;

pub use future::ResponseFuture;
pub use layer::SessionLayer;
pub use service::SessionService;

#[cfg(feature = "axum")]
pub(crate) use respond::ReportedError;
