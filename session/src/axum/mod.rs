//! Extractors and rejections for axum.

mod extract;
mod extractor;
mod rejection;

pub use extract::unless_ended;
