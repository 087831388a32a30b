//! A message that is shown once, on the page that a form leads to.
//!
//! ```sh
//! cargo run -p examples --bin flash      # then open http://127.0.0.1:3000/ in a browser, or:
//! curl -c jar -b jar -i -d name=ada http://127.0.0.1:3000/name    # 303, to the page
//! curl -c jar -b jar http://127.0.0.1:3000/                        # Hello, ada! Your name is saved.
//! curl -c jar -b jar http://127.0.0.1:3000/                        # Hello, ada!
//! ```

use std::env;
use std::error::Error;

use axum::Router;
use axum::extract::Form;
use axum::response::{Html, Redirect};
use axum::routing::{get, post};
use serde::Deserialize;
use session::{MemoryStore, Secret, Session, SessionLayer};
use tokio::net::TcpListener;

#[derive(Session)]
struct Visit {
    #[session(default = "stranger".to_owned())]
    name: String,
    /// What the next page has to say.
    flash: Option<String>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

/// Takes the message out. Without one, nothing is changed, so nothing is written.
async fn page(mut session: Session<Visit>) -> Html<String> {
    let flash = session.take_flash().unwrap_or_default();
    Html(format!(
        r#"<!doctype html><title>Flash</title><p>Hello, {}! {flash}</p>
        <form method="post" action="/name"><input name="name"><button>Save</button></form>
"#,
        escape(&session.name)
    ))
}

/// The session is stored before the response leaves: the browser can't be at the next page before the message is.
async fn set_name(mut session: Session<Visit>, Form(named): Form<Named>) -> Redirect {
    session.set_name(named.name);
    session.set_flash(Some("Your name is saved.".to_owned()));
    Redirect::to("/")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let sessions = SessionLayer::<Visit>::new(MemoryStore::new(), Secret::random()?);
    let app = Router::new().route("/", get(page)).route("/name", post(set_name)).layer(sessions);

    let port = env::var("PORT").unwrap_or_else(|_| "3000".to_owned());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}
