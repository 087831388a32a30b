//! Signatures: those of the npm package cookie-signature in both directions, bound ones, rotated secrets, and a signer
//! of the application's own.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use session::store::{Created, Record};
use session::{
    ConfigError, Keyring, MemoryStore, Options, Secret, Session, SessionId, SessionLayer, Signature, Signer, Store,
    Timestamp,
};
use session_tests::{Client, Request, secret, serve};
use sha2::Sha256;

#[derive(Session)]
struct Visit {
    views: u32,
}

/// See the vectors' own `about`.
#[derive(Deserialize)]
struct Vectors {
    valid: Vec<Valid>,
    verify: Vec<Verify>,
    headers: Vec<Header>,
}

#[derive(Deserialize)]
struct Valid {
    id: String,
    secret: Key,
    encoded: String,
}

#[derive(Deserialize)]
struct Verify {
    input: String,
    secrets: Vec<String>,
    result: serde_json::Value,
    why: String,
}

#[derive(Deserialize)]
struct Header {
    header: String,
    name: String,
    value: Option<String>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Key {
    Text(String),
    Hex { hex: String },
}

impl Key {
    fn secret(&self) -> Result<Secret, ConfigError> {
        match self {
            Self::Text(text) => Secret::legacy(text),
            Self::Hex { hex } => {
                let digits = hex.as_bytes().chunks(2).map(|pair| str::from_utf8(pair).unwrap());
                Secret::legacy(digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect::<Vec<_>>())
            }
        }
    }
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../parity/interop/cookie-signatures.json")).unwrap()
}

async fn see(mut session: Session<Visit>) -> String {
    let views = session.views + 1;
    session.set_views(views);
    views.to_string()
}

async fn app(store: &MemoryStore, keys: impl Into<Keyring>, options: Options) -> Client {
    let layer = SessionLayer::<Visit>::with_options(store.clone(), keys, options).unwrap();
    let read = async |session: Session<Visit>| session.views.to_string();
    serve(Router::new().route("/see", get(see)).route("/read", get(read)).layer(layer)).await
}

/// What `/read` says to a request with this `Cookie` line.
async fn read(client: &Client, line: &str) -> String {
    let reply = client.send_without_jar(Request::get("/read").header("cookie", line)).await;
    assert_eq!(reply.status, 200, "{line}");
    reply.body
}

/// Puts a session with 41 views under this id, as express-session would have stored it.
async fn plant(store: &MemoryStore, id: &str) {
    let json = r#"{"cookie":{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"},"views":41}"#;
    let expires = Timestamp::now().saturating_add(Duration::from_secs(60));
    let created = store.create(&SessionId::new(id).unwrap(), Record::from_json(json), expires).await.unwrap();
    assert!(matches!(created, Created::Stored(_)), "{id}");
}

fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        write!(encoded, "%{byte:02X}").unwrap();
        encoded
    })
}

fn byte(number: u8) -> Secret {
    Secret::new([number; 32]).unwrap()
}

#[tokio::test]
async fn an_id_is_signed_and_encoded_as_express_session_does() {
    let mut signed = 0;
    for vectors in vectors().valid.chunk_by(|one, other| one.secret == other.secret) {
        let Ok(secret) = vectors[0].secret.secret() else { continue };
        let ids: Vec<_> = vectors.iter().map(|vector| vector.id.clone()).collect();
        let chosen = move |index: &str| ids[index.parse::<usize>().unwrap()].clone();
        let options = Options::express().genid(move |request| chosen(request.headers["x-vector"].to_str().unwrap()));
        let client = app(&MemoryStore::new(), secret, options).await;
        for (index, Valid { id, encoded, .. }) in vectors.iter().enumerate() {
            let request = Request::get("/see").header("x-vector", index.to_string());
            let reply = client.send_without_jar(request).await;
            if id.is_empty() {
                assert_eq!((reply.status, reply.set_cookies().len()), (500, 0));
                continue;
            }
            assert_eq!(reply.set_cookie().split(';').next(), Some(&*format!("connect.sid={encoded}")), "{id}");
            signed += 1;
        }
    }
    assert_eq!(signed, 6 * 17);
}

#[tokio::test]
async fn a_cookie_of_express_session_is_accepted_under_its_own_secret_only() {
    let vectors = vectors();
    let groups: Vec<_> = vectors.valid.chunk_by(|one, other| one.secret == other.secret).collect();
    let store = MemoryStore::new();
    for vector in groups[0].iter().filter(|vector| !vector.id.is_empty()) {
        plant(&store, &vector.id).await;
    }
    for group in &groups {
        let Ok(secret) = group[0].secret.secret() else { continue };
        let client = app(&store, secret, Options::express()).await;
        for Valid { id, secret, encoded } in groups.iter().copied().flatten() {
            let accepted = *secret == group[0].secret && !id.is_empty();
            let expected = if accepted { "41" } else { "0" };
            let body = read(&client, &format!("connect.sid={encoded}")).await;
            assert_eq!(body, expected, "{id} signed with {secret:?}, verified with {:?}", group[0].secret);
        }
    }
}

#[tokio::test]
async fn what_cookie_signature_refuses_leads_to_no_session() {
    for Verify { input, secrets, result, why } in vectors().verify {
        let secrets: Result<Vec<_>, _> = secrets.iter().map(Secret::legacy).collect();
        let Ok(secrets) = secrets else {
            assert_eq!(why, "empty secret", "the only one that is refused when the layer is built");
            continue;
        };
        let store = MemoryStore::new();
        // Whatever might be taken for the id has a session.
        let id = input.rsplit_once('.').map_or("", |(id, _)| id);
        plant(&store, if id.is_empty() { "apple" } else { id }).await;
        let client = app(&store, Keyring::try_from(secrets).unwrap(), Options::express()).await;
        let expected = if result.is_string() { "41" } else { "0" };
        let line = format!("connect.sid={}", percent_encoded(&format!("s:{input}")));
        assert_eq!(read(&client, &line).await, expected, "{why}");
    }
}

/// Accepts nothing, and keeps what it was asked.
struct Witness(Arc<Mutex<Vec<String>>>);

impl Signer for Witness {
    fn sign(&self, id: &str) -> String {
        id.to_owned()
    }

    fn verify<'a>(&self, signed: &'a str) -> Option<&'a str> {
        self.0.lock().unwrap().push(signed.to_owned());
        None
    }
}

#[tokio::test]
async fn a_cookie_header_is_read_as_express_session_does() {
    // Beside the vectors: one wrong escape, and none is undone.
    let wrong = "s:%zz%3A".to_owned();
    let wrong = Header { header: format!("sid={wrong}"), name: "sid".to_owned(), value: Some(wrong) };
    for Header { header, name, value } in vectors().headers.into_iter().chain([wrong]) {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let options = Options::express().name(name.clone()).signer(Witness(Arc::clone(&asked)));
        let client = app(&MemoryStore::new(), secret(), options).await;
        let is_signed = value.as_deref().is_some_and(|value| value.starts_with("s:"));
        // A signer sees only values that say that they are signed.
        let line = if is_signed { header } else { header.replace(&format!("{name}="), &format!("{name}=s:")) };
        read(&client, &line).await;
        let expected = value.map(|value| value.strip_prefix("s:").unwrap_or(&value).to_owned());
        assert_eq!(*asked.lock().unwrap(), expected.into_iter().collect::<Vec<_>>(), "{line}");
    }
}

#[tokio::test]
async fn a_bound_signature_is_worth_nothing_under_another_name_or_as_an_express_one() {
    let store = MemoryStore::new();
    let layers = [
        ("one", Signature::Bound),
        ("One", Signature::Bound),
        ("other", Signature::Bound),
        ("one", Signature::Express),
        ("other", Signature::Express),
    ];
    let mut clients = Vec::new();
    for (name, signature) in &layers {
        let options = Options::default().name(*name).signature(signature.clone());
        let mut client = app(&store, secret(), options).await;
        client.get("/see").await;
        clients.push((name, client));
    }
    for (maker, (name, client)) in clients.iter().enumerate() {
        let value = &client.jar[**name];
        for (checker, (name, client)) in clients.iter().enumerate() {
            let accepted = maker == checker || (maker >= 3 && checker >= 3);
            let expected = if accepted { "1" } else { "0" };
            let body = read(client, &format!("{name}={value}")).await;
            assert_eq!(body, expected, "made as {:?}, presented as {:?}", layers[maker], layers[checker]);
        }
    }
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(text).finalize().into_bytes().to_vec()
}

/// A cookie whose signature was made with this key.
fn forged(key: &[u8]) -> String {
    format!("connect.sid=s:planted.{}", Base64UrlUnpadded::encode_string(&hmac(key, b"planted")))
}

#[tokio::test]
async fn nothing_that_cookie_signature_signs_is_the_key_of_a_bound_signature() {
    let store = MemoryStore::new();
    plant(&store, "planted").await;
    let bound = app(&store, byte(7), Options::default()).await;
    // What a service with the same secret signs, if anybody may choose the text of another cookie.
    for text in ["session cookie\0connect.sid", "session cookie\0connect.sid\x01", "session bound signatures"] {
        assert_eq!(read(&bound, &forged(&hmac(&[7; 32], text.as_bytes()))).await, "0", "{text:?}");
    }
}

#[tokio::test]
async fn the_key_of_a_bound_signature_is_derived_as_rfc_5869_has_it() {
    let store = MemoryStore::new();
    plant(&store, "planted").await;
    let bound = app(&store, byte(7), Options::default()).await;
    let extracted = hmac(b"session bound signatures", &[7; 32]);
    let key = hmac(&extracted, b"session cookie\0connect.sid\x01");
    assert_eq!(read(&bound, &forged(&key)).await, "41");
}

#[tokio::test]
async fn a_signature_is_written_in_its_own_letters_only() {
    // Who signs, the letters that only it has, as cookies have them, and what the other has in their place.
    let cases = [(Signature::Bound, ["-", "_"], ["%2B", "%2F"]), (Signature::Express, ["%2B", "%2F"], ["-", "_"])];
    for (signature, own, others) in cases {
        let store = MemoryStore::new();
        let [alone, either] = [signature, Signature::BoundOrExpress].map(|one| Options::default().signature(one));
        let clients = [app(&store, secret(), alone.clone()).await, app(&store, secret(), either).await];
        let mut met = 0;
        for _ in 0..50 {
            let mut visitor = app(&store, secret(), alone.clone()).await;
            visitor.get("/see").await;
            let value = visitor.jar["connect.sid"].clone();
            let signature = value.rsplit_once('.').unwrap().1;
            assert!(others.iter().all(|letter| !signature.contains(letter)), "{value}");
            let id = value.strip_suffix(signature).unwrap();
            let rewritten = signature.replace(own[0], others[0]).replace(own[1], others[1]);
            met += usize::from(rewritten != signature);
            let expected = if rewritten == signature { "1" } else { "0" };
            for client in &clients {
                assert_eq!(read(client, &format!("connect.sid={value}")).await, "1");
                assert_eq!(read(client, &format!("connect.sid={id}{rewritten}")).await, expected, "{value}");
            }
        }
        assert!(met > 0, "no signature had a letter of its own");
    }
}

#[tokio::test]
async fn the_first_secret_signs_and_all_verify() {
    for options in [Options::default(), Options::express()] {
        let store = MemoryStore::new();
        let keyrings = [
            Keyring::new(byte(1)),
            Keyring::new(byte(2)).with_older(byte(1)),
            Keyring::try_from(vec![byte(3), byte(2), byte(1)]).unwrap(),
            Keyring::new(byte(3)),
        ];
        let mut clients = Vec::new();
        for keyring in keyrings {
            let mut client = app(&store, keyring, options.clone()).await;
            client.get("/see").await;
            clients.push(client);
        }
        // By the secret that signs: who accepts it.
        let accepted = [[true, true, true, false], [false, true, true, false], [false, false, true, true]];
        for (maker, accepted) in clients.iter().zip(accepted) {
            let line = format!("connect.sid={}", maker.jar["connect.sid"]);
            for (checker, accepted) in clients.iter().zip(accepted) {
                assert_eq!(read(checker, &line).await, if accepted { "1" } else { "0" });
            }
        }
    }
}

#[tokio::test]
async fn a_session_outlives_the_rotation_of_its_secret() {
    let store = MemoryStore::new();
    let mut jar = app(&store, byte(1), Options::default()).await;
    jar.get("/see").await;
    let old = jar.jar.clone();
    let rotated = Keyring::new(byte(2)).with_older(byte(1));
    let mut client = app(&store, rotated.clone(), Options::default()).await;
    client.jar = jar.jar;
    assert_eq!(client.get("/see").await.body, "2");
    assert_eq!(client.jar, old, "without rolling, the cookie stays as it is");
    let mut client = app(&store, rotated, Options::default().rolling(true)).await;
    client.jar = old.clone();
    assert_eq!(client.get("/see").await.body, "3");
    assert_ne!(client.jar, old);
    let mut retired = app(&store, byte(2), Options::default()).await;
    retired.jar = client.jar;
    assert_eq!(retired.get("/see").await.body, "4", "the cookie was signed anew");
    retired.jar = old;
    assert_eq!(retired.get("/see").await.body, "1", "the old secret is worth nothing any more");
}

#[tokio::test]
async fn bound_signatures_can_take_the_place_of_express_ones_without_logging_anybody_out() {
    let store = MemoryStore::new();
    let mut client = app(&store, secret(), Options::express()).await;
    client.get("/see").await;
    let old = client.jar.clone();
    let both = Options::default().signature(Signature::BoundOrExpress).rolling(true);
    let mut moving = app(&store, secret(), both.clone()).await;
    moving.jar = client.jar;
    assert_eq!(moving.get("/see").await.body, "2");
    let mut bound = app(&store, secret(), Options::default()).await;
    bound.jar = moving.jar;
    assert_eq!(bound.get("/see").await.body, "3", "the cookie was signed anew");
    let line = format!("connect.sid={}", old["connect.sid"]);
    assert_eq!(read(&bound, &line).await, "0");
    assert_eq!(read(&app(&store, byte(9), both).await, &line).await, "0", "another secret is worth nothing");
}

/// Signs with a number for a key, in front of the id, and with characters that a cookie must encode.
struct Sum(u32);

impl Signer for Sum {
    fn sign(&self, id: &str) -> String {
        format!("{};{id}", id.bytes().fold(self.0, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into())))
    }

    fn verify<'a>(&self, signed: &'a str) -> Option<&'a str> {
        let (_, id) = signed.split_once(';')?;
        (self.sign(id) == signed).then_some(id)
    }
}

#[tokio::test]
async fn a_signer_of_ones_own_takes_the_place_of_the_secrets() {
    let store = MemoryStore::new();
    let mut client = app(&store, byte(1), Options::default().signer(Sum(7))).await;
    let cookie = client.get("/see").await.set_cookie().to_owned();
    assert!(cookie.starts_with("connect.sid=s%3A") && cookie.contains("%3B"), "{cookie}");
    assert_eq!(client.get("/see").await.body, "2");

    let line = format!("connect.sid={}", client.jar["connect.sid"]);
    let same = app(&store, byte(2), Options::default().signer(Sum(7))).await;
    assert_eq!(read(&same, &line).await, "2");
    let another = app(&store, byte(1), Options::default().signer(Sum(8))).await;
    assert_eq!(read(&another, &line).await, "0");
    assert_eq!(read(&same, &line.replacen("s%3A", "s%3A1", 1)).await, "0");
    assert_eq!(read(&same, "connect.sid=s:").await, "0");

    // An id that the signer accepts must still be one.
    let nobody = Sum(7).sign("");
    assert_eq!(read(&same, &format!("connect.sid=s:{}", percent_encoded(&nobody))).await, "0");
}
