//! The examples in a real browser: what Chromium makes of the session cookie.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on fails")]

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use fantoccini::cookies::Cookie;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Map, Value, json};
use session::{CookieOptions, MemoryStore, Options, SameSite, Secret, Session, SessionLayer};
use session_tests::Process;
use tempfile::TempDir;

const NAME: &str = "connect.sid";

/// A browser with a profile, which outlives it.
struct Browser {
    client: Client,
    _driver: Process,
}

impl Browser {
    async fn open(profile: &Path) -> Self {
        let (driver, address) = Process::serve(Command::new("chromedriver").arg("--port=0").stderr(Stdio::null()));
        let mut capabilities = Map::new();
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            &format!("--user-data-dir={}", profile.display()),
        ];
        capabilities.insert("goog:chromeOptions".to_owned(), json!({"args": arguments}));
        let mut builder = ClientBuilder::new(HttpConnector::new());
        let client = builder.capabilities(capabilities).connect(&format!("http://{address}")).await.unwrap();
        Self { client, _driver: driver }
    }

    async fn close(self) {
        self.client.close().await.unwrap();
    }

    async fn goto(&self, url: &str) -> String {
        self.client.goto(url).await.unwrap();
        self.text().await
    }

    async fn text(&self) -> String {
        self.text_now().await.unwrap()
    }

    /// None while one page goes and the next one comes.
    async fn text_now(&self) -> Option<String> {
        self.client.find(Locator::Css("body")).await.ok()?.text().await.ok()
    }

    /// Clicks, and waits until the page shows the text.
    async fn click(&self, button: &str, until: &str) {
        self.client.find(Locator::Css(button)).await.unwrap().click().await.unwrap();
        for _ in 0..500 {
            if self.text_now().await.is_some_and(|text| text.contains(until)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{until:?} was expected, the page shows {:?}", self.text().await);
    }

    async fn fill(&self, field: &str, text: &str) {
        self.client.find(Locator::Css(field)).await.unwrap().send_keys(text).await.unwrap();
    }

    async fn session_cookie(&self) -> Option<Cookie<'static>> {
        self.client.get_all_cookies().await.unwrap().into_iter().find(|cookie| cookie.name() == NAME)
    }
}

/// An example on a free port, with its address.
fn example(program: &str, arguments: &[&str]) -> (Process, String) {
    let (process, address) = Process::serve(Command::new(program).args(arguments).env("PORT", "0"));
    (process, format!("http://{address}"))
}

fn counter(arguments: &[&str]) -> (Process, String) {
    example(env!("CARGO_BIN_EXE_counter"), arguments)
}

fn in_browser<F: Future>(test: impl FnOnce(TempDir) -> F) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(test(TempDir::new().unwrap()));
}

fn the_cookie_is_set_out_of_reach_of_scripts_and_survives_a_reload() {
    in_browser(async |profile| {
        let (_counter, url) = counter(&[]);
        let browser = Browser::open(profile.path()).await;
        assert_eq!(browser.goto(&url).await, "welcome! views: 1");
        let cookie = browser.session_cookie().await.unwrap();
        assert_eq!(cookie.http_only(), Some(true));
        assert_eq!((cookie.path(), cookie.secure()), (Some("/"), Some(false)));
        assert!(cookie.same_site().is_some_and(|same_site| same_site.is_lax()));
        let seen = browser.client.execute("return document.cookie", vec![]).await.unwrap();
        assert_eq!(seen, Value::from(""));

        browser.client.refresh().await.unwrap();
        assert_eq!(browser.text().await, "views: 2");
        assert_eq!(browser.session_cookie().await.unwrap().value(), cookie.value());
        browser.close().await;
    });
}

fn logging_in_changes_the_cookie_and_logging_out_removes_it() {
    in_browser(async |profile| {
        let (_login, url) = example(env!("CARGO_BIN_EXE_login"), &[]);
        let private = format!("{url}/private");
        let browser = Browser::open(profile.path()).await;
        assert!(browser.goto(&private).await.contains("Log in"), "an anonymous visitor is sent to the form");
        assert!(browser.session_cookie().await.is_none());

        browser.fill("[name=name]", "ada").await;
        browser.fill("[name=password]", "lovelace").await;
        browser.click("button", "Hello, ada").await;
        let cookie = browser.session_cookie().await.unwrap();
        assert!(browser.goto(&private).await.contains("Hello, ada"));

        browser.click("button", "Log in").await;
        assert!(browser.session_cookie().await.is_none());
        assert!(browser.goto(&private).await.contains("Log in"));

        // Whoever kept the cookie has nothing of it.
        browser.client.add_cookie(cookie).await.unwrap();
        assert!(browser.session_cookie().await.is_some());
        assert!(browser.goto(&private).await.contains("Log in"));
        browser.close().await;
    });
}

fn two_tabs_share_the_session() {
    in_browser(async |profile| {
        let (_counter, url) = counter(&[]);
        let browser = Browser::open(profile.path()).await;
        let first = browser.client.window().await.unwrap();
        assert_eq!(browser.goto(&url).await, "welcome! views: 1");
        let second = browser.client.new_window(true).await.unwrap();
        browser.client.switch_to_window(second.handle).await.unwrap();
        assert_eq!(browser.goto(&url).await, "views: 2");
        browser.client.switch_to_window(first).await.unwrap();
        browser.client.refresh().await.unwrap();
        assert_eq!(browser.text().await, "views: 3");
        browser.close().await;
    });
}

fn a_cookie_ends_with_the_browser_unless_it_has_a_max_age() {
    in_browser(async |profile| {
        let (_short, until_close) = counter(&[]);
        let (_long, for_an_hour) = counter(&["--max-age", "3600"]);
        for (url, expires, after_restart) in
            [(until_close, false, "welcome! views: 1"), (for_an_hour, true, "views: 2\nexpires in: ")]
        {
            let browser = Browser::open(profile.path()).await;
            browser.goto(&url).await;
            let cookie = browser.session_cookie().await.unwrap();
            assert_eq!(cookie.expires().and_then(|expires| expires.datetime()).is_some(), expires);
            browser.close().await;

            let browser = Browser::open(profile.path()).await;
            let page = browser.goto(&url).await;
            assert!(page.starts_with(after_restart), "{page}");
            browser.client.delete_all_cookies().await.unwrap();
            browser.close().await;
        }
    });
}

#[derive(Session)]
struct Visit {
    views: u32,
}

async fn serve(app: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

async fn count(mut session: Session<Visit>) -> String {
    *session.views_mut() += 1;
    format!("views: {}", session.views)
}

fn a_strict_cookie_does_not_come_along_from_another_site() {
    in_browser(async |profile| {
        let browser = Browser::open(profile.path()).await;
        for (same_site, after_the_link) in [(SameSite::Strict, "views: 1"), (SameSite::Lax, "views: 2")] {
            let options = Options::default().cookie(CookieOptions::default().same_site(same_site));
            let secret = Secret::random().unwrap();
            let layer = SessionLayer::<Visit>::with_options(MemoryStore::new(), secret, options).unwrap();
            let site = serve(Router::new().route("/", get(count)).layer(layer)).await;
            let link = Html(format!("<a href=\"http://{site}/\">there</a>"));
            let other = serve(Router::new().route("/", get(async move || link))).await;

            assert_eq!(browser.goto(&format!("http://{site}/")).await, "views: 1");
            browser.goto(&format!("http://localhost:{}/", other.port())).await;
            browser.click("a", after_the_link).await;
            browser.client.delete_all_cookies().await.unwrap();
        }
        browser.close().await;
    });
}

session_tests::main! {
    [Chromium] the_cookie_is_set_out_of_reach_of_scripts_and_survives_a_reload,
    [Chromium] logging_in_changes_the_cookie_and_logging_out_removes_it,
    [Chromium] two_tabs_share_the_session,
    [Chromium] a_cookie_ends_with_the_browser_unless_it_has_a_max_age,
    [Chromium] a_strict_cookie_does_not_come_along_from_another_site,
}
