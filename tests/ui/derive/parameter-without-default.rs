//! A parameter that may have no initial value.

use session::Session;

#[derive(Session)]
struct Visit<T> {
    theme: T,
}

fn main() {}
