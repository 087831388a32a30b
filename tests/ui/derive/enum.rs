use session::Session;

#[derive(Session)]
enum Visit {
    First,
    Later { views: u32 },
}

fn main() {}
