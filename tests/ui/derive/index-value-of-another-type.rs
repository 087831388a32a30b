//! Sessions are found by values of the field's type.

use session::Session;

#[derive(Session)]
struct Visit {
    #[session(index)]
    user: Option<String>,
}

fn main() {
    Visit::by_user(&7);
}
