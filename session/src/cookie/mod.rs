//! The session cookie: its settings, how it is read from a request, and how it is written to a response.

mod options;
pub(crate) mod request;
pub(crate) mod response;
mod session_cookie;

pub use options::{CookieOptions, Priority, SameSite, Secure};
pub use session_cookie::SessionCookie;

pub(crate) use options::check_name;

/// Whether a path is the cookie's path or lies below it (RFC 6265 §5.1.4).
pub(crate) fn path_matches(cookie_path: &str, request_path: &str) -> bool {
    match request_path.strip_prefix(cookie_path) {
        Some(rest) => rest.is_empty() || cookie_path.ends_with('/') || rest.starts_with('/'),
        None => false,
    }
}
