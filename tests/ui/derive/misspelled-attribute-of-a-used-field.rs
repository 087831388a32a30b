//! What the field's other attributes make is there all the same.
use session::{Session, Sessions};

#[derive(Session)]
struct Visit {
    #[session(rotat, index, extract = User)]
    user: Option<String>,
}

fn log_in(session: &mut Session<Visit>, sessions: &Sessions<Visit>, User(user): User) {
    session.take_user();
    session.set_user(Some(user));
    sessions.find(Visit::by_user("ada"));
}
fn main() {}
