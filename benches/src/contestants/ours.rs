//! The session crate.

use axum::Router;
use axum::routing::get;
use session::{Initialized, Options, Secret, Session, SessionData, SessionError, SessionLayer, Store};

use crate::visit::Visit;

/// Its app on a store.
pub fn app(store: impl Store, options: Options) -> Router {
    Router::new()
        .route("/plain", get(async || "plain"))
        .route("/read", get(read))
        .route("/write", get(write))
        .route("/login", get(login))
        .route("/logout", get(logout))
        .layer(layer::<Visit>(store, options))
}

/// A layer with the secret of all apps here.
#[expect(clippy::expect_used, reason = "32 bytes are enough, and the options are known to fit together")]
pub fn layer<T: SessionData>(store: impl Store, options: Options) -> SessionLayer<T> {
    let secret = Secret::new([7; 32]).expect("a secret");
    SessionLayer::with_options(store, secret, options).expect("options that fit together")
}

async fn read(session: Session<Visit>) -> String {
    session.views.to_string()
}

async fn write(mut session: Session<Visit>) -> String {
    let views = session.views + 1;
    session.set_views(views);
    views.to_string()
}

async fn login(mut session: Session<Visit>) -> &'static str {
    let visit = Visit::signed_in(7);
    session.set_user_id(visit.user_id);
    session.set_tenant_id(visit.tenant_id);
    session.set_signed_in_at(visit.signed_in_at);
    session.set_views(visit.views);
    session.set_last_order(visit.last_order);
    session.set_cart_items(visit.cart_items);
    session.set_cart_total(visit.cart_total);
    session.set_csrf_token(visit.csrf_token);
    session.set_return_to(visit.return_to);
    "in"
}

async fn logout(session: Session<Visit, Initialized>) -> Result<&'static str, SessionError> {
    session.destroy().await?;
    Ok("out")
}
