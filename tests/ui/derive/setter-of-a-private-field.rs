mod account {
    #[derive(session::Session)]
    pub struct Account {
        user: u32,
    }
}

fn change(mut session: session::Session<account::Account>) {
    session.set_user(7);
}

fn main() {}
