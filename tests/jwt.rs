//! Only a token that a configured issuer signed, for this audience, now, lets anybody in (`security.md` §1).
//!
//! The fake cryptography signs with a hash that binds algorithm, key and input, so a signature holds exactly where a real
//! one would; real keys are used end to end.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // helpers of tests

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::ops::Deref;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine as _;
use futures::future::LocalBoxFuture;
use serde_json::{json, Value};
use sha2::{Digest, Sha256};
use signalbox::http::Headers;
use signalbox::identity::hmac::hmac_sha256;
use signalbox::identity::jwt::{Rejected, MAX_TOKEN_BYTES};
use signalbox::identity::ports::{Fetcher, JwksSource, PortFailure, Served, SignatureVerifier};
use signalbox::identity::{Algorithm, Arrival, Gate, Principal, Reason, Refusal, Settings};

const NOW_S: u64 = 1_790_000_000;
const NOW_MS: u64 = NOW_S * 1_000;

// ── the world ────────────────────────────────────────────────────────────────────────────────────────────────────────

struct FakeCrypto;

impl SignatureVerifier for FakeCrypto {
    async fn verify(&self, alg: Algorithm, jwk: &str, input: &[u8], signature: &[u8]) -> Result<bool, PortFailure> {
        Ok(signature == sign(alg, jwk, input))
    }
}

fn sign(alg: Algorithm, jwk: &str, input: &[u8]) -> Vec<u8> {
    let hash = Sha256::new().chain_update(alg.name()).chain_update([0]).chain_update(jwk).chain_update([0]);
    let hash: [u8; 32] = hash.chain_update(input).finalize().into();
    hash.repeat(if alg == Algorithm::ES256 { 2 } else { 8 })
}

/// Serves key sets by URL; counts fetches; a fetch takes one turn of the scheduler. What is done beside a request is done
/// when the test says so.
#[derive(Default, Clone)]
struct Issuers(Rc<Serving>);

#[derive(Default)]
struct Serving {
    sets: RefCell<BTreeMap<String, Value>>,
    fetched: RefCell<Vec<String>>,
    down: Cell<bool>,
    status: Cell<u16>,
    beside: RefCell<Vec<LocalBoxFuture<'static, ()>>>,
    /// What has been used, and until when that is remembered; `None` where nobody remembers.
    used: RefCell<Option<BTreeMap<String, u64>>>,
}

impl Deref for Issuers {
    type Target = Serving;
    fn deref(&self) -> &Serving {
        &self.0
    }
}

impl Issuers {
    async fn get(self, url: String) -> Result<Served, PortFailure> {
        self.fetched.borrow_mut().push(url.clone());
        turn().await;
        if self.down.get() {
            return Err(PortFailure);
        }
        let sets = self.sets.borrow();
        let (status, body) = sets.get(&url).map_or((404, Vec::new()), |set| (200, set.to_string().into_bytes()));
        let status = if self.status.get() == 0 { status } else { self.status.get() };
        Ok(Served { status, cache_control: "max-age=600".into(), body })
    }
}

impl JwksSource for Issuers {
    fn fetcher(&self) -> Fetcher {
        let issuers = self.clone();
        Rc::new(move |url| Box::pin(issuers.clone().get(url)))
    }

    fn beside(&self, work: LocalBoxFuture<'static, ()>) {
        self.beside.borrow_mut().push(work);
    }

    async fn pause(&self, _ms: u64) {
        turn().await;
    }

    async fn first_use(&self, text: &str, until_ms: u64) -> Result<bool, PortFailure> {
        turn().await;
        let mut used = self.used.borrow_mut();
        Ok(used.as_mut().ok_or(PortFailure)?.insert(text.to_owned(), until_ms).is_none())
    }
}

/// Gives way once.
async fn turn() {
    let mut first = true;
    std::future::poll_fn(|_| if std::mem::take(&mut first) { Poll::Pending } else { Poll::Ready(()) }).await;
}

fn run<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(std::task::Waker::noop());
    for _ in 0..10_000 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
    panic!("it hangs");
}

// ── an issuer ────────────────────────────────────────────────────────────────────────────────────────────────────────

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn rsa_key(kid: &str, fill: u8) -> Value {
    json!({"kty": "RSA", "kid": kid, "use": "sig", "n": b64([fill; 256]), "e": "AQAB"})
}

fn ec_key(kid: &str, fill: u8) -> Value {
    json!({"kty": "EC", "crv": "P-256", "kid": kid, "alg": "ES256", "x": b64([fill; 32]), "y": b64([fill; 32])})
}

/// The key as the gate hands it to cryptography.
fn bare(key: &Value) -> String {
    let text = |name: &str| key[name].as_str().unwrap_or_default();
    match text("kty") {
        "RSA" => format!(r#"{{"kty":"RSA","n":"{}","e":"{}"}}"#, text("n"), text("e")),
        _ => format!(r#"{{"kty":"EC","crv":"P-256","x":"{}","y":"{}"}}"#, text("x"), text("y")),
    }
}

fn claims() -> Value {
    json!({"iss": "https://id.example", "aud": "signalbox", "sub": "ada", "org": "acme", "iat": NOW_S - 10, "exp": NOW_S + 290})
}

fn with(mut object: Value, member: &str, value: Value) -> Value {
    object[member] = value;
    object
}

fn without(mut object: Value, member: &str) -> Value {
    object.as_object_mut().unwrap().remove(member);
    object
}

fn header() -> Value {
    json!({"alg": "RS256", "typ": "JWT", "kid": "r1"})
}

/// A token signed by `key` with the header's algorithm.
fn signed(header: &Value, claims: &Value, key: &Value) -> String {
    signed_text(&header.to_string(), &claims.to_string(), key)
}

fn signed_text(header: &str, claims: &str, key: &Value) -> String {
    let input = format!("{}.{}", b64(header), b64(claims));
    let read: Value = serde_json::from_str(header).unwrap_or_default();
    let algorithm = read["alg"].as_str().and_then(Algorithm::named).unwrap_or(Algorithm::RS256);
    let signature = sign(algorithm, &bare(key), input.as_bytes());
    format!("{input}.{}", b64(signature))
}

fn good() -> String {
    signed(&header(), &claims(), &rsa_key("r1", 0xA1))
}

fn settings() -> Value {
    json!({"mode": "jwt", "issuers": [{
        "issuer": "https://id.example", "jwks_url": "https://id.example/jwks", "audiences": ["signalbox"],
        "algorithms": ["RS256", "ES256"], "claims": {"tenant": "org"}, "max_age_s": 3600, "operator_groups": ["ops"],
    }]})
}

fn issuer_with(member: &str, value: Value) -> Value {
    let mut settings = settings();
    settings["issuers"][0][member] = value;
    settings
}

struct World {
    gate: Gate,
    issuers: Issuers,
}

impl World {
    fn new(settings: Value) -> Self {
        let issuers = Issuers::default();
        let set = json!({"keys": [rsa_key("r1", 0xA1), ec_key("e1", 0xB1)]});
        issuers.sets.borrow_mut().insert("https://id.example/jwks".into(), set);
        let settings = Settings { local: true, ..serde_json::from_value(settings).unwrap() };
        let secret = |name: &str| (name == "GATEWAY_SECRET").then(|| "a secret of both".to_owned());
        Self { gate: Gate::new(settings, b"secret").with_secrets(&secret), issuers }
    }

    fn ask_at(&self, headers: &[(&str, &str)], query: &str, now_ms: u64) -> Result<Rc<Principal>, Refusal> {
        self.arrive(headers, query, None, now_ms)
    }

    fn arrive(
        &self,
        headers: &[(&str, &str)],
        query: &str,
        introduced: Option<&str>,
        now_ms: u64,
    ) -> Result<Rc<Principal>, Refusal> {
        let headers: Headers = headers.iter().copied().collect();
        let arrival = Arrival { headers: &headers, query, introduced };
        run(self.gate.identify(arrival, now_ms, &FakeCrypto, &self.issuers))
    }

    /// Does what has been left for beside requests; how many pieces of work that was.
    fn do_the_rest(&self) -> usize {
        let work: Vec<_> = self.issuers.beside.borrow_mut().drain(..).collect();
        let pieces = work.len();
        work.into_iter().for_each(run);
        pieces
    }

    fn bearer_at(&self, token: &str, now_ms: u64) -> Result<Rc<Principal>, Refusal> {
        self.ask_at(&[("authorization", &format!("Bearer {token}"))], "", now_ms)
    }

    fn bearer(&self, token: &str) -> Result<Rc<Principal>, Refusal> {
        self.bearer_at(token, NOW_MS)
    }

    fn fetches(&self) -> usize {
        self.issuers.fetched.borrow().len()
    }
}

fn reason(result: &Result<Rc<Principal>, Refusal>) -> Option<Reason> {
    result.as_ref().err().map(|refusal| refusal.reason)
}

/// Refused with 401 in words that do not depend on the check, and without a fetch where `fetches` is 0.
#[track_caller]
fn refused(settings: Value, token: &str, expected: Rejected) {
    let world = World::new(settings);
    let result = world.bearer(token);
    assert_eq!(reason(&result), Some(Reason::Rejected(expected)), "{token:.120}");
    let error = result.unwrap_err().error;
    assert_eq!((error.status(), error.should_retry), (401, false));
    assert_eq!(error.message, World::new(self::settings()).bearer("junk").unwrap_err().error.message);
}

// ── who gets in ──────────────────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn a_token_of_a_configured_issuer_names_a_principal() {
    let world = World::new(settings());
    let ada = world.bearer(&good()).unwrap();
    assert_eq!((ada.issuer.as_str(), ada.tenant.as_deref()), ("https://id.example", Some("acme")));
    assert_eq!((ada.operator, ada.explain, ada.groups.len()), (false, false, 0));
    assert!(!ada.id.contains("ada") && ada.id.len() >= 22, "{}", ada.id);
    let ec = signed(&json!({"alg": "ES256", "kid": "e1"}), &claims(), &ec_key("e1", 0xB1));
    assert_eq!(world.bearer(&ec).unwrap().id, ada.id, "the key does not matter");
    assert_eq!(world.fetches(), 1);

    let id = |claims: &Value| world.bearer(&signed(&header(), claims, &rsa_key("r1", 0xA1))).unwrap().id.clone();
    assert_ne!(id(&with(claims(), "sub", json!("bob"))), ada.id);
    assert_ne!(id(&with(claims(), "org", json!("other"))), ada.id);
    let elsewhere = Gate::new(serde_json::from_value(settings()).unwrap(), b"another secret");
    let headers: Headers = [("x-api-key", good())].into_iter().collect();
    let arrival = Arrival { headers: &headers, query: "", introduced: None };
    let there = run(elsewhere.identify(arrival, NOW_MS, &FakeCrypto, &world.issuers)).unwrap();
    assert_ne!(there.id, ada.id, "ids are keyed");
}

#[test]
fn every_official_client_can_send_it() {
    let world = World::new(settings());
    let token = good();
    let bearer = format!("Bearer {token}");
    for (headers, query) in [
        (&[("authorization", bearer.as_str())][..], String::new()),
        (&[("x-api-key", token.as_str())], String::new()),
        (&[("x-goog-api-key", token.as_str())], String::new()),
        (&[("x-goog-api-key", token.as_str())], "alt=sse".to_owned()),
        (&[("authorization", bearer.as_str()), ("x-api-key", token.as_str())], String::new()),
    ] {
        assert!(world.ask_at(headers, &query, NOW_MS).is_ok(), "{headers:?} {query}");
    }
}

#[test]
fn groups_and_limits_come_from_the_claims() {
    let world = World::new(settings());
    let ask = |claims: &Value| world.bearer(&signed(&header(), claims, &rsa_key("r1", 0xA1)));
    let limits =
        json!({"limits": {"budget": {"usd": "12.50", "period": "month"}, "requests_per_minute": 30}, "explain": true});
    let ada = ask(&with(with(claims(), "signalbox", limits), "groups", json!(["dev", "eu"]))).unwrap();
    assert_eq!(ada.groups, ["dev", "eu"]);
    assert_eq!((ada.limits.budgets[0].amount.0, ada.limits.requests_per_minute), (12_500_000_000_000, Some(30)));
    assert_eq!((ada.explain, ada.operator), (true, false));
    assert_eq!(ask(&with(claims(), "groups", json!("dev"))).unwrap().groups, ["dev"]);
    let operator = ask(&with(claims(), "groups", json!(["ops"]))).unwrap();
    assert!(operator.operator && operator.explain);

    for (member, value) in [
        ("signalbox", json!([])),
        ("signalbox", json!(null)),
        ("signalbox", json!("limits")),
        ("signalbox", json!({"limits": []})),
        ("signalbox", json!({"limits": {"requests_per_minute": -1}})),
        ("signalbox", json!({"limits": {"budget": {"usd": "NaN", "period": "day"}}})),
        ("signalbox", json!({"limits": {"unheard_of": 1}})),
        ("signalbox", json!({"operator": true})),
        ("signalbox", json!({"explain": "yes"})),
        ("groups", json!([1])),
        ("groups", json!({"ops": true})),
    ] {
        let result = ask(&with(claims(), member, value.clone()));
        assert_eq!(reason(&result), Some(Reason::Unreadable), "{member} {value}");
        assert_eq!(result.unwrap_err().error.status(), 403);
    }
}

#[test]
fn claims_are_found_by_name_or_pointer() {
    let names = json!({"principal": "https://acme.example/user", "tenant": "/org/id", "groups": "/realm_access/roles"});
    let world = World::new(issuer_with("claims", names));
    let claims = json!({"iss": "https://id.example", "aud": ["x", "signalbox"], "exp": NOW_S + 60,
        "https://acme.example/user": "ada", "org": {"id": "acme"}, "realm_access": {"roles": ["dev"]}});
    let ada = world.bearer(&signed(&header(), &claims, &rsa_key("r1", 0xA1))).unwrap();
    assert_eq!((ada.tenant.as_deref(), ada.groups.as_slice()), (Some("acme"), &["dev".to_owned()][..]));
}

// ── who does not ─────────────────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn without_configuration_nobody_gets_in() {
    let world = World::new(json!({}));
    let refusal = world.bearer(&good()).unwrap_err();
    assert_eq!(
        (refusal.reason, refusal.error.status(), refusal.error.code()),
        (Reason::Unconfigured, 503, "unconfigured")
    );
    assert!(refusal.error.message.contains("identity") && refusal.error.message.contains("npm run dev"));
    assert_eq!(world.fetches(), 0);
}

#[test]
fn in_local_mode_everybody_is_the_person_at_this_machine() {
    let world = World::new(json!({"mode": "none"}));
    let one = world.bearer("sk-anything").unwrap();
    let two = world.ask_at(&[], "", NOW_MS).unwrap();
    assert_eq!(one, two);
    assert!(one.operator && one.explain);
    assert_eq!(world.fetches(), 0);
}

#[test]
fn without_or_with_several_credentials_nobody_gets_in() {
    let world = World::new(settings());
    let none = world.ask_at(&[], "", NOW_MS).unwrap_err();
    assert_eq!((none.reason, none.error.status()), (Reason::Missing, 401));
    let bearer = format!("Bearer {}", good());
    let both = world.ask_at(&[("authorization", &bearer), ("x-api-key", "sk-other")], "", NOW_MS).unwrap_err();
    assert_eq!((both.reason, both.error.status()), (Reason::Several, 400));
    let in_url = world.ask_at(&[], &format!("alt=sse&key={}", good()), NOW_MS).unwrap_err();
    assert_eq!((in_url.reason, in_url.error.status()), (Reason::InQuery, 400));
    assert!(!in_url.error.message.contains(&good()[..10]), "the key is not repeated");
    assert_eq!(world.fetches(), 0);
}

#[test]
fn what_is_not_a_signed_token_is_refused_unread() {
    let token = good();
    let parts: Vec<&str> = token.split('.').collect();
    let (head, body, signature) = (parts[0], parts[1], parts[2]);
    for (token, expected) in [
        ("sk-1234567890".to_owned(), Rejected::Shape),
        (format!("{head}.{body}"), Rejected::Shape),
        (format!("{head}.{body}.{signature}.x.y"), Rejected::Shape),
        (format!("{head}.{body}.{signature}."), Rejected::Shape),
        (format!("{head}.{body}.{signature}="), Rejected::Shape),
        (format!("{head}=.{body}.{signature}"), Rejected::Shape),
        (format!("{head}.{body}.{}", signature.replace(['-', '_'], "+")), Rejected::Shape),
        (format!("{head}.{body} .{signature}"), Rejected::Shape),
        (format!("{head}.{body}."), Rejected::Signature),
        (format!("{head}..{signature}"), Rejected::Claims),
        (format!(".{body}.{signature}"), Rejected::Header),
        (format!("{}.{body}.{signature}", b64("[]")), Rejected::Header),
        (
            format!("{}.{body}.{signature}", b64(format!("{{\"alg\":\"RS256\",\"x\":\"{}\"}}", "x".repeat(1024)))),
            Rejected::TooLong,
        ),
        ("x".repeat(MAX_TOKEN_BYTES + 1), Rejected::TooLong),
    ] {
        refused(settings(), &token, expected);
    }
    // The last character of a signature has bits that mean nothing: only one of its spellings is the token.
    let world = World::new(settings());
    assert!(world.bearer(&token).is_ok());
    let last = token.chars().last().unwrap();
    let spelt = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let others = spelt.chars().filter(|c| *c != last).map(|c| format!("{}{c}", &token[..token.len() - 1]));
    others.for_each(|other| assert!(world.bearer(&other).is_err(), "{other}"));
}

#[test]
fn the_header_does_not_choose_how_it_is_verified() {
    let key = rsa_key("r1", 0xA1);
    for alg in ["none", "None", "NONE", "nOnE", "", "HS256", "HS512", "rs256", "RSA", "ES256K"] {
        let token = signed(&with(header(), "alg", json!(alg)), &claims(), &key);
        refused(settings(), &token, Rejected::Algorithm);
    }
    refused(settings(), &signed(&without(header(), "alg"), &claims(), &key), Rejected::Algorithm);
    refused(settings(), &signed(&with(header(), "alg", json!(["RS256"])), &claims(), &key), Rejected::Algorithm);
    // Known to us, not to the issuer.
    refused(settings(), &signed(&with(header(), "alg", json!("PS256")), &claims(), &key), Rejected::Algorithm);
    // Known to the issuer, not this key's.
    refused(settings(), &signed(&with(header(), "alg", json!("ES256")), &claims(), &key), Rejected::Key);
    for (member, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("enc", json!("A128GCM")),
    ] {
        refused(settings(), &signed(&with(header(), member, value), &claims(), &key), Rejected::Header);
    }
}

#[test]
fn keys_come_from_the_configured_place_only() {
    let own = rsa_key("mine", 0xEE);
    let world = World::new(settings());
    for (member, value) in [
        ("jwk", own.clone()),
        ("jku", json!("https://evil.example/jwks")),
        ("x5u", json!("https://evil.example/cert")),
        ("x5c", json!(["AAAA"])),
    ] {
        let forged = signed(&with(header(), member, value.clone()), &claims(), &own);
        assert_eq!(reason(&world.bearer(&forged)), Some(Reason::Rejected(Rejected::Signature)), "{member}");
        let honest = signed(&with(header(), member, value), &claims(), &rsa_key("r1", 0xA1));
        assert!(world.bearer(&honest).is_ok(), "and a member that is ignored does no harm: {member}");
    }
    assert_eq!(*world.issuers.fetched.borrow(), ["https://id.example/jwks"]);
}

#[test]
fn a_key_id_is_a_name_and_nothing_else() {
    let key = rsa_key("r1", 0xA1);
    for kid in ["", "R1", "r1\u{0}", "../../etc/passwd", "' OR 1=1 --", "https://evil.example/jwks"] {
        refused(settings(), &signed(&with(header(), "kid", json!(kid)), &claims(), &key), Rejected::Key);
    }
    refused(settings(), &signed(&with(header(), "kid", json!("k".repeat(257))), &claims(), &key), Rejected::Header);
    refused(settings(), &signed(&with(header(), "kid", json!(1)), &claims(), &key), Rejected::Header);
    refused(settings(), &signed(&without(header(), "kid"), &claims(), &key), Rejected::Key);
    let world = World::new(settings());
    world.issuers.sets.borrow_mut().insert("https://id.example/jwks".into(), json!({"keys": [key]}));
    assert!(world.bearer(&signed(&without(header(), "kid"), &claims(), &key)).is_ok(), "unless it is the only key");
}

#[test]
fn a_signature_holds_for_what_was_signed_only() {
    let key = rsa_key("r1", 0xA1);
    let token = good();
    let parts: Vec<&str> = token.split('.').collect();
    let other = b64(with(claims(), "sub", json!("root")).to_string());
    refused(settings(), &format!("{}.{other}.{}", parts[0], parts[2]), Rejected::Signature);
    refused(settings(), &signed(&header(), &claims(), &rsa_key("r1", 0xA2)), Rejected::Signature);
    let input = format!("{}.{}", parts[0], parts[1]);
    for signature in [vec![0; 256], vec![1; 255], vec![1; 257], sign(Algorithm::ES256, &bare(&key), input.as_bytes())] {
        refused(settings(), &format!("{input}.{}", b64(signature)), Rejected::Signature);
    }
    let input = format!("{}.{}", b64(json!({"alg": "ES256", "kid": "e1"}).to_string()), b64(claims().to_string()));
    let der = [&[0x30, 0x44, 0x02, 0x20][..], &[7; 32], &[0x02, 0x20], &[7; 32]].concat();
    for signature in [vec![0; 64], [[0; 32], [7; 32]].concat(), [[7; 32], [0; 32]].concat(), der] {
        refused(settings(), &format!("{input}.{}", b64(signature)), Rejected::Signature);
    }
}

#[test]
fn issuer_and_audience_are_equal_byte_for_byte() {
    let key = rsa_key("r1", 0xA1);
    let refused = |member: &str, value: Value, expected| {
        refused(settings(), &signed(&header(), &with(claims(), member, value), &key), expected);
    };
    for iss in [
        json!("https://id.example/"),
        json!("http://id.example"),
        json!("https://ID.example"),
        json!("https://id.еxample"),
        json!("https://id.example.evil.example"),
        json!(["https://id.example"]),
        json!(null),
    ] {
        refused("iss", iss, Rejected::Issuer);
    }
    for aud in [
        json!("signalbox2"),
        json!("Signalbox"),
        json!(["other"]),
        json!([]),
        json!(["signalbox", 1]),
        json!({}),
        json!(null),
    ] {
        refused("aud", aud, Rejected::Audience);
    }
    for missing in ["iss", "aud"] {
        let world = World::new(settings());
        assert!(world.bearer(&signed(&header(), &without(claims(), missing), &key)).is_err(), "{missing}");
        assert_eq!(world.fetches(), 0, "nothing is fetched for a token that cannot hold");
    }
}

#[test]
fn time_is_checked_to_the_second_with_the_configured_skew() {
    let key = rsa_key("r1", 0xA1);
    let ask = |claims: Value| reason(&World::new(settings()).bearer(&signed(&header(), &claims, &key)));
    let at = |member: &str, value: Value| ask(with(claims(), member, value));
    let refused = |reason| Some(Reason::Rejected(reason));
    // 60 s of skew.
    assert_eq!(at("exp", json!(NOW_S - 9)), None);
    assert_eq!(ask(with(with(claims(), "iat", json!(NOW_S - 100)), "exp", json!(NOW_S - 59))), None);
    assert_eq!(ask(with(with(claims(), "iat", json!(NOW_S - 100)), "exp", json!(NOW_S - 60))), refused(Rejected::Time));
    for member in ["nbf", "iat"] {
        assert_eq!(at(member, json!(NOW_S + 60)), None, "{member}");
        assert_eq!(at(member, json!(NOW_S + 61)), refused(Rejected::Time), "{member}");
    }
    assert_eq!(ask(without(claims(), "exp")), refused(Rejected::Time));
    for odd in [json!("1790000290"), json!(1_790_000_290.5), json!(-1), json!(null), json!([NOW_S]), json!(true)] {
        for member in ["exp", "nbf", "iat"] {
            assert_eq!(at(member, odd.clone()), refused(Rejected::Time), "{member} {odd}");
        }
    }
    let infinite = claims().to_string().replace(&format!("\"exp\":{}", NOW_S + 290), "\"exp\":1e400");
    let token = signed_text(&header().to_string(), &infinite, &key);
    assert_eq!(reason(&World::new(settings()).bearer(&token)), refused(Rejected::Claims));
    // max_age_s is 3600.
    assert_eq!(at("exp", json!(NOW_S - 10 + 3_600)), None);
    assert_eq!(at("exp", json!(NOW_S - 10 + 3_601)), refused(Rejected::Lifetime));
    assert_eq!(at("exp", json!(u64::MAX)), refused(Rejected::Lifetime));
    assert_eq!(ask(without(with(claims(), "exp", json!(NOW_S + 3_601)), "iat")), refused(Rejected::Lifetime));
    let no_life = with(with(claims(), "iat", json!(NOW_S + 5)), "exp", json!(NOW_S + 5));
    assert_eq!(ask(no_life), refused(Rejected::Time), "expires when it is issued");
}

#[test]
fn claims_that_two_readers_could_read_differently_are_refused() {
    let key = rsa_key("r1", 0xA1);
    let text = claims().to_string();
    let twice = format!("{},\"sub\":\"root\"}}", &text[..text.len() - 1]);
    let escaped = format!("{},\"\\u0073ub\":\"root\"}}", &text[..text.len() - 1]);
    let nested = format!("{},\"x\":{}1{}}}", &text[..text.len() - 1], "[".repeat(8), "]".repeat(8));
    for claims in [twice, escaped, nested, "[]".into(), "{".into(), "null".into()] {
        refused(settings(), &signed_text(&header().to_string(), &claims, &key), Rejected::Claims);
    }
    let twice = r#"{"alg":"RS256","alg":"none","kid":"r1"}"#;
    refused(settings(), &signed_text(twice, &claims().to_string(), &key), Rejected::Header);
}

#[test]
fn tokens_for_other_purposes_do_not_let_in() {
    let key = rsa_key("r1", 0xA1);
    let kind = |typ: Value| signed(&with(header(), "typ", typ), &claims(), &key);
    for typ in ["dpop+jwt", "logout+jwt", "secevent+jwt", "refresh+jwt", "JOSE", ""] {
        refused(settings(), &kind(json!(typ)), Rejected::TokenType);
    }
    refused(settings(), &kind(json!(7)), Rejected::TokenType);
    for (claim, value) in [("nonce", "n"), ("typ", "ID"), ("typ", "Refresh"), ("token_use", "id")] {
        refused(settings(), &signed(&header(), &with(claims(), claim, json!(value)), &key), Rejected::TokenType);
    }
    for typ in ["JWT", "jwt", "at+jwt", "application/at+JWT"] {
        assert!(World::new(settings()).bearer(&kind(json!(typ))).is_ok(), "{typ}");
    }
    let strict = issuer_with("token_type", json!("at+jwt"));
    refused(strict.clone(), &good(), Rejected::TokenType);
    refused(strict.clone(), &signed(&without(header(), "typ"), &claims(), &key), Rejected::TokenType);
    assert!(World::new(strict).bearer(&kind(json!("application/at+jwt"))).is_ok());
    let clients = issuer_with("clients", json!(["app"]));
    refused(clients.clone(), &good(), Rejected::Client);
    refused(clients.clone(), &signed(&header(), &with(claims(), "azp", json!("other")), &key), Rejected::Client);
    assert!(World::new(clients).bearer(&signed(&header(), &with(claims(), "azp", json!("app")), &key)).is_ok());
}

#[test]
fn a_token_must_say_who() {
    let key = rsa_key("r1", 0xA1);
    for (member, value) in
        [("sub", json!("")), ("sub", json!(7)), ("sub", json!(null)), ("org", json!("")), ("org", json!(["a"]))]
    {
        refused(settings(), &signed(&header(), &with(claims(), member, value), &key), Rejected::Subject);
    }
    for member in ["sub", "org"] {
        refused(settings(), &signed(&header(), &without(claims(), member), &key), Rejected::Subject);
    }
}

#[test]
fn banned_keys_and_tokens_are_out_at_once() {
    refused(issuer_with("banned_kids", json!(["r1"])), &good(), Rejected::Banned);
    let token = signed(&header(), &with(claims(), "jti", json!("t-1")), &rsa_key("r1", 0xA1));
    refused(issuer_with("banned_jtis", json!(["t-1"])), &token, Rejected::Banned);
    assert!(World::new(issuer_with("banned_jtis", json!(["t-2"]))).bearer(&token).is_ok());
}

// ── memory ───────────────────────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn tokens_that_begin_alike_are_not_one_identity() {
    // CVE-2026-35030: a cache keyed by the first characters.
    let world = World::new(settings());
    let ada = good();
    let bob = signed(&header(), &with(claims(), "sub", json!("bob")), &rsa_key("r1", 0xA1));
    let shared = ada.bytes().zip(bob.bytes()).take_while(|(a, b)| a == b).count();
    assert!(shared > 20);
    assert_ne!(world.bearer(&ada).unwrap().id, world.bearer(&bob).unwrap().id);
    let parts: Vec<&str> = ada.split('.').collect();
    let forged = format!("{}.{}.{}", parts[0], bob.split('.').nth(1).unwrap(), parts[2]);
    assert!(world.bearer(&forged).is_err());
}

#[test]
fn a_remembered_token_ends_with_its_life() {
    let world = World::new(settings());
    let token = signed(&header(), &with(claims(), "exp", json!(NOW_S + 30)), &rsa_key("r1", 0xA1));
    assert!(world.bearer(&token).is_ok());
    assert!(world.bearer_at(&token, NOW_MS + 29_999).is_ok());
    assert_eq!(reason(&world.bearer_at(&token, NOW_MS + 90_000)), Some(Reason::Rejected(Rejected::Time)));
}

#[test]
fn a_new_configuration_trusts_nothing_verified_under_the_old_one_but_keeps_the_keys() {
    let old = World::new(settings());
    assert!(old.bearer(&good()).is_ok());
    let strict = serde_json::from_value(issuer_with("audiences", json!(["elsewhere"]))).unwrap();
    let new = World { gate: Gate::new(strict, b"secret").with_keys_of(&old.gate), issuers: Issuers::default() };
    assert_eq!(reason(&new.bearer(&good())), Some(Reason::Rejected(Rejected::Audience)));
    let again = Gate::new(serde_json::from_value(settings()).unwrap(), b"secret").with_keys_of(&new.gate);
    let again = World { gate: again, issuers: Issuers::default() };
    assert!(again.bearer(&good()).is_ok());
    assert_eq!(again.fetches(), 0);
}

#[test]
fn an_unknown_issuer_is_refused_without_a_fetch() {
    let world = World::new(settings());
    let token = signed(&header(), &with(claims(), "iss", json!("https://evil.example")), &rsa_key("r1", 0xA1));
    assert!(world.bearer(&token).is_err());
    assert_eq!(world.fetches(), 0);
}

#[test]
fn a_rotated_key_works_at_once_and_junk_does_not_hammer_the_issuer() {
    let world = World::new(settings());
    assert!(world.bearer(&good()).is_ok());
    let new = rsa_key("r2", 0xC2);
    let set = json!({"keys": [new.clone()]});
    world.issuers.sets.borrow_mut().insert("https://id.example/jwks".into(), set);
    let rotated = signed(&with(header(), "kid", json!("r2")), &claims(), &new);
    assert!(world.bearer_at(&rotated, NOW_MS + 1_000).is_ok());
    for n in 0..100 {
        let junk = signed(&with(header(), "kid", json!(format!("junk{n}"))), &claims(), &new);
        assert_eq!(reason(&world.bearer_at(&junk, NOW_MS + 2_000)), Some(Reason::Rejected(Rejected::Key)));
    }
    assert_eq!(world.fetches(), 2);
    let ada = signed(&header(), &with(claims(), "sub", json!("other")), &rsa_key("r1", 0xA1));
    assert!(world.bearer_at(&ada, NOW_MS + 3_000).is_err(), "the old key is gone");
}

#[test]
fn while_an_issuer_is_down_known_keys_serve_and_others_get_a_503_worth_a_retry() {
    let world = World::new(settings());
    world.issuers.down.set(true);
    let refusal = world.bearer(&good()).unwrap_err();
    assert_eq!((refusal.reason, refusal.error.status(), refusal.error.should_retry), (Reason::Unavailable, 503, true));
    assert!(refusal.error.retry_after_ms.is_some());
    assert!(world.bearer_at(&good(), NOW_MS + 1_000).is_err());
    assert_eq!(world.fetches(), 1, "not asked again at once");
    world.issuers.down.set(false);
    assert!(world.bearer_at(&good(), NOW_MS + 20_000).is_ok());
    world.issuers.down.set(true);
    let later = NOW_S + 3 * 3_600;
    let claims = with(with(claims(), "iat", json!(later)), "exp", json!(later + 60));
    assert!(world.bearer_at(&signed(&header(), &claims, &rsa_key("r1", 0xA1)), later * 1_000).is_ok());
}

#[test]
fn an_error_page_is_no_key_set_whatever_it_holds() {
    for status in [301, 302, 404, 500] {
        let world = World::new(settings());
        world.issuers.status.set(status);
        assert_eq!(reason(&world.bearer(&good())), Some(Reason::Unavailable), "{status}");
    }
}

#[test]
fn a_set_that_is_due_is_fetched_beside_the_request_that_finds_it_so() {
    let world = World::new(settings());
    assert!(world.bearer(&good()).is_ok());
    let later = NOW_S + 1_000;
    let claims =
        |sub: &str| with(with(with(claims(), "sub", json!(sub)), "iat", json!(later)), "exp", json!(later + 60));
    let at = |sub: &str, kid: &str, fill| signed(&with(header(), "kid", json!(kid)), &claims(sub), &rsa_key(kid, fill));
    let set = json!({"keys": [rsa_key("r2", 0xC2)]});
    world.issuers.sets.borrow_mut().insert("https://id.example/jwks".into(), set);
    for sub in ["one", "two"] {
        assert!(world.bearer_at(&at(sub, "r1", 0xA1), later * 1_000).is_ok(), "the old key serves meanwhile");
    }
    assert_eq!((world.fetches(), world.do_the_rest(), world.fetches()), (1, 1, 2), "one has it fetched, nobody waits");
    assert!(world.bearer_at(&at("three", "r1", 0xA1), later * 1_000).is_err(), "a key that was taken out is out");
    assert!(world.bearer_at(&at("three", "r2", 0xC2), later * 1_000).is_ok());
    assert_eq!(world.fetches(), 2 + 1, "the unknown id had it looked for once");
}

#[test]
fn a_key_set_that_is_none_does_not_replace_a_good_one() {
    let world = World::new(settings());
    assert!(world.bearer(&good()).is_ok());
    world.issuers.sets.borrow_mut().insert("https://id.example/jwks".into(), json!("<html>"));
    let later = NOW_S + 1_000;
    let claims = with(with(claims(), "iat", json!(later)), "exp", json!(later + 60));
    let token = signed(&header(), &claims, &rsa_key("r1", 0xA1));
    assert!(world.bearer_at(&token, later * 1_000).is_ok());
    assert_eq!((world.do_the_rest(), world.fetches()), (1, 2));
    let other = signed(&header(), &with(claims, "sub", json!("bob")), &rsa_key("r1", 0xA1));
    assert!(world.bearer_at(&other, later * 1_000).is_ok());
}

#[test]
fn callers_that_arrive_together_at_a_cold_start_cause_one_fetch() {
    let world = World::new(settings());
    let tokens: Vec<Headers> = (0..20)
        .map(|n| signed(&header(), &with(claims(), "sub", json!(format!("u{n}"))), &rsa_key("r1", 0xA1)))
        .map(|token| [("x-api-key", token)].into_iter().collect())
        .collect();
    let arrival = |headers| Arrival { headers, query: "", introduced: None };
    let all = tokens.iter().map(|headers| world.gate.identify(arrival(headers), NOW_MS, &FakeCrypto, &world.issuers));
    let results = run(futures::future::join_all(all));
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(world.fetches(), 1);
}

// ── Cloudflare Access ────────────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn an_access_assertion_counts_where_it_is_configured_and_in_its_header_only() {
    let token = good();
    let assertion = [("cf-access-jwt-assertion", token.as_str())];
    let access =
        World::new(with(issuer_with("jwks_url", json!("https://id.example/jwks")), "mode", json!("cloudflare-access")));
    assert!(access.ask_at(&assertion, "", NOW_MS).is_ok());
    assert!(
        access.ask_at(&[assertion[0], ("x-api-key", "unused")], "", NOW_MS).is_ok(),
        "a placeholder is no credential"
    );
    assert_eq!(reason(&access.bearer(&token)), Some(Reason::Missing));
    let mut both = with(issuer_with("mode", json!("cloudflare-access")), "mode", json!(["jwt", "cloudflare-access"]));
    both["issuers"].as_array_mut().unwrap().push(with(
        settings()["issuers"][0].clone(),
        "issuer",
        json!("https://other.example"),
    ));
    both["issuers"][1]["mode"] = json!("jwt");
    assert_eq!(reason(&World::new(both).bearer(&token)), Some(Reason::Rejected(Rejected::Issuer)), "not as an API key");
    let plain = World::new(settings());
    assert_eq!(reason(&plain.ask_at(&assertion, "", NOW_MS)), Some(Reason::Missing));
}

// ── discovery ────────────────────────────────────────────────────────────────────────────────────────────────────────

const DOCUMENT: &str = "https://id.example/.well-known/openid-configuration";

fn discovering(document: Value) -> World {
    let world = World::new(settings_without("jwks_url"));
    world.issuers.sets.borrow_mut().insert(DOCUMENT.into(), document);
    world
}

fn settings_without(member: &str) -> Value {
    let mut settings = settings();
    settings["issuers"][0].as_object_mut().unwrap().remove(member);
    settings
}

#[test]
fn an_issuers_own_document_says_where_its_keys_are() {
    let world = discovering(json!({"issuer": "https://id.example", "jwks_uri": "https://id.example/jwks"}));
    assert!(world.bearer(&good()).is_ok());
    assert_eq!(*world.issuers.fetched.borrow(), [DOCUMENT, "https://id.example/jwks"]);
}

#[test]
fn a_document_of_another_issuer_or_one_that_points_inside_is_not_followed() {
    for document in [
        json!({"issuer": "https://evil.example", "jwks_uri": "https://id.example/jwks"}),
        json!({"issuer": "https://id.example/", "jwks_uri": "https://id.example/jwks"}),
        json!({"issuer": "https://id.example", "jwks_uri": "http://id.example/jwks"}),
        json!({"issuer": "https://id.example", "jwks_uri": "https://169.254.169.254/latest/meta-data"}),
        json!({"issuer": "https://id.example", "jwks_uri": "https://metadata.google.internal/"}),
        json!({"issuer": "https://id.example"}),
        json!("<html>"),
    ] {
        let world = discovering(document.clone());
        assert_eq!(reason(&world.bearer(&good())), Some(Reason::Unavailable), "{document}");
        assert_eq!(world.fetches(), 1, "{document}");
    }
}

#[test]
fn several_issuers_are_told_apart_by_name_and_keys() {
    let mut both = settings();
    let mut other = both["issuers"][0].clone();
    other["issuer"] = json!("https://other.example");
    other["jwks_url"] = json!("https://other.example/jwks");
    both["issuers"].as_array_mut().unwrap().push(other);
    let world = World::new(both);
    let theirs = rsa_key("r1", 0xD1);
    world.issuers.sets.borrow_mut().insert("https://other.example/jwks".into(), json!({"keys": [theirs.clone()]}));
    let of_other = with(claims(), "iss", json!("https://other.example"));
    let one = world.bearer(&good()).unwrap();
    let two = world.bearer(&signed(&header(), &of_other, &theirs)).unwrap();
    assert_ne!(one.id, two.id, "the same name at two issuers is two callers");
    let crossed = signed(&header(), &of_other, &rsa_key("r1", 0xA1));
    assert_eq!(reason(&world.bearer(&crossed)), Some(Reason::Rejected(Rejected::Signature)));
}

#[test]
fn what_is_required_of_claims_is_required() {
    let strict = issuer_with("require", json!("claims.dept in ['research', 'labs'] && 'mfa' in claims.amr"));
    let key = rsa_key("r1", 0xA1);
    let fits = with(with(claims(), "dept", json!("labs")), "amr", json!(["pwd", "mfa"]));
    assert!(World::new(strict.clone()).bearer(&signed(&header(), &fits, &key)).is_ok());
    refused(strict.clone(), &good(), Rejected::Required);
    refused(strict, &signed(&header(), &with(fits, "dept", json!("sales")), &key), Rejected::Required);
}

#[test]
fn a_role_counts_where_its_issuer_may_grant_it() {
    let token = signed(&header(), &with(claims(), "signalbox", json!({"roles": ["operator"]})), &rsa_key("r1", 0xA1));
    assert!(!World::new(settings()).bearer(&token).unwrap().operator, "no claim loosens what is configured");
    let granting = issuer_with("grants", json!(["operator"]));
    assert!(World::new(granting.clone()).bearer(&token).unwrap().operator);
    assert!(!World::new(granting).bearer(&good()).unwrap().operator);
}

// ── signed headers ───────────────────────────────────────────────────────────────────────────────────────────────────

fn front() -> Value {
    json!({"mode": "signed-header", "issuers": [{"issuer": "front", "secret_env": ["OLD_SECRET", "GATEWAY_SECRET"]}]})
}

fn assertion(secret: &str, header: &Value, claims: &Value) -> String {
    let input = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
    format!("{input}.{}", b64(hmac_sha256(secret.as_bytes(), input.as_bytes())))
}

fn asserted(world: &World, token: &str, now_ms: u64) -> Option<Reason> {
    reason(&world.ask_at(&[("x-signalbox-assertion", token), ("x-api-key", "placeholder")], "", now_ms))
}

#[test]
fn a_gateway_in_front_asserts_with_a_shared_secret_for_a_moment() {
    let hs = json!({"alg": "HS256"});
    let said = json!({"iss": "front", "sub": "ada", "iat": NOW_S});
    let token = assertion("a secret of both", &hs, &said);
    let world = World::new(front());
    assert_eq!(asserted(&world, &token, NOW_MS), None);
    for (at_s, holds) in [(NOW_S - 60, true), (NOW_S - 61, false), (NOW_S + 59, true), (NOW_S + 60, false)] {
        assert_eq!(asserted(&World::new(front()), &token, at_s * 1_000).is_none(), holds, "{at_s}");
    }
    assert!(asserted(&world, &token, NOW_MS + 60_000).is_some(), "also where it has been verified before");
    for (secret, header, claims) in [
        ("another", hs.clone(), said.clone()),
        ("", hs.clone(), said.clone()),
        ("a secret of both", json!({"alg": "none"}), said.clone()),
        ("a secret of both", json!({"alg": "HS512"}), said.clone()),
        ("a secret of both", json!({"alg": "RS256"}), said.clone()),
        ("a secret of both", hs.clone(), with(said.clone(), "iss", json!("https://id.example"))),
        ("a secret of both", hs.clone(), without(said.clone(), "iat")),
        ("a secret of both", hs.clone(), without(said.clone(), "sub")),
        ("a secret of both", hs.clone(), with(said.clone(), "exp", json!(NOW_S))),
    ] {
        let token = assertion(secret, &header, &claims);
        assert!(asserted(&World::new(front()), &token, NOW_MS).is_some(), "{secret} {header} {claims}");
    }
    assert_eq!(reason(&world.bearer(&token)), Some(Reason::Missing), "it is no API key");
    assert_eq!(world.fetches(), 0);
}

#[test]
fn an_assertion_for_single_use_lets_in_once_in_all_isolates_together() {
    let mut once = front();
    once["issuers"][0]["single_use"] = json!(true);
    let said = json!({"iss": "front", "sub": "ada", "iat": NOW_S, "jti": "1"});
    let token = assertion("a secret of both", &json!({"alg": "HS256"}), &said);
    let next = assertion("a secret of both", &json!({"alg": "HS256"}), &with(said, "jti", json!("2")));
    let world = World::new(once.clone());
    assert_eq!(asserted(&world, &token, NOW_MS), Some(Reason::Unavailable), "where nobody remembers nobody is let in");
    *world.issuers.used.borrow_mut() = Some(BTreeMap::new());
    assert_eq!(asserted(&world, &token, NOW_MS), None);
    assert_eq!(asserted(&world, &token, NOW_MS + 1), Some(Reason::Rejected(Rejected::Used)));
    assert_eq!(asserted(&world, &next, NOW_MS), None);
    let other = World::new(once);
    let remembered = world.issuers.used.borrow().clone();
    *other.issuers.used.borrow_mut() = remembered.clone();
    assert_eq!(asserted(&other, &token, NOW_MS), Some(Reason::Rejected(Rejected::Used)), "another isolate");
    let over_ms = (NOW_S + 60) * 1_000;
    assert!(remembered.unwrap().values().all(|until_ms| *until_ms > over_ms), "until nobody takes it any more");
    let forged = assertion("guessed", &json!({"alg": "HS256"}), &json!({"iss": "front", "sub": "ada", "iat": NOW_S}));
    assert_eq!(asserted(&world, &forged, NOW_MS), Some(Reason::Rejected(Rejected::Signature)));
    assert_eq!(
        world.issuers.used.borrow().as_ref().map(BTreeMap::len),
        Some(2),
        "what does not hold is not remembered"
    );
}

#[test]
fn a_secret_that_is_not_set_verifies_nothing() {
    let nameless = with(front(), "issuers", json!([{"issuer": "front", "secret_env": "NOT_SET"}]));
    let token = assertion("", &json!({"alg": "HS256"}), &json!({"iss": "front", "sub": "ada", "iat": NOW_S}));
    assert_eq!(asserted(&World::new(nameless), &token, NOW_MS), Some(Reason::Rejected(Rejected::Signature)));
}

#[test]
fn a_gateway_with_keys_of_its_own_asserts_with_those() {
    let mut front = issuer_with("window_s", json!(30));
    front["mode"] = json!("signed-header");
    let token = signed(&header(), &with(claims(), "iat", json!(NOW_S)), &rsa_key("r1", 0xA1));
    assert_eq!(asserted(&World::new(front.clone()), &token, NOW_MS + 29_000), None);
    assert!(asserted(&World::new(front.clone()), &token, NOW_MS + 30_000).is_some());
    let with_secret =
        assertion("a secret of both", &json!({"alg": "HS256", "kid": "r1"}), &with(claims(), "iat", json!(NOW_S)));
    assert_eq!(asserted(&World::new(front), &with_secret, NOW_MS), Some(Reason::Rejected(Rejected::Algorithm)));
}

// ── service bindings ─────────────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn a_worker_says_who_calls_over_a_binding_that_introduces_it_and_nowhere_else() {
    let settings = json!({"mode": "service-binding", "issuers": [
        {"issuer": "front", "claims": {"tenant": "org"}, "require": "claims.plan == 'pro'", "grants": ["operator"]}]});
    let world = World::new(settings);
    let said = json!({"sub": "ada", "org": "acme", "plan": "pro", "signalbox": {"limits": {"requests_per_minute": 5}}});
    let ask = |text: &str, introduced| world.arrive(&[("x-signalbox-principal", text)], "", introduced, NOW_MS);
    let ada = ask(&said.to_string(), Some("front")).unwrap();
    assert_eq!((ada.issuer.as_str(), ada.tenant.as_deref(), ada.operator), ("front", Some("acme"), false));
    assert_eq!(ada.limits.requests_per_minute, Some(5));
    assert_eq!(ask(&b64(said.to_string()), Some("front")).unwrap(), ada, "either way of writing it");
    for introduced in [None, Some("other"), Some("")] {
        assert_eq!(reason(&ask(&said.to_string(), introduced)), Some(Reason::Missing), "{introduced:?}");
    }
    for (text, expected) in [
        ("{}".to_owned(), Reason::Rejected(Rejected::Required)),
        (with(said.clone(), "plan", json!("free")).to_string(), Reason::Rejected(Rejected::Required)),
        (without(said.clone(), "sub").to_string(), Reason::Rejected(Rejected::Subject)),
        (with(said.clone(), "signalbox", json!([])).to_string(), Reason::Unreadable),
        ("{\"sub\":\"a\",\"sub\":\"b\"}".to_owned(), Reason::Rejected(Rejected::Claims)),
        ("not base64url!".to_owned(), Reason::Rejected(Rejected::Shape)),
        (format!("{{\"sub\":\"{}\"}}", "x".repeat(MAX_TOKEN_BYTES)), Reason::Rejected(Rejected::TooLong)),
    ] {
        assert_eq!(reason(&ask(&text, Some("front"))), Some(expected), "{text:.80}");
    }
    let twice = [("x-signalbox-principal", "{}"), ("x-signalbox-principal", "{}")];
    assert_eq!(reason(&world.arrive(&twice, "", Some("front"), NOW_MS)), Some(Reason::Several));
    assert_eq!(reason(&world.arrive(&[], "", Some("front"), NOW_MS)), Some(Reason::Missing));
}

#[test]
fn a_scraper_brings_the_secret_for_metrics_and_nothing_like_it() {
    let gate =
        Gate::new(Settings::default(), b"").with_secrets(&|name| (name == "METRICS_TOKEN").then(|| "t0ken".into()));
    let ask = |gate: &Gate, value: &str| gate.is_scraper(&[("authorization", value)].into_iter().collect());
    assert!(ask(&gate, "Bearer t0ken"));
    for other in ["Bearer t0ke", "Bearer t0ken2", "Bearer ", "t0ken", ""] {
        assert!(!ask(&gate, other), "{other}");
    }
    let without = Gate::new(Settings::default(), b"").with_secrets(&|_| None);
    assert!(!ask(&without, "Bearer ") && !ask(&without, "Bearer t0ken"), "no secret, no scraper");
}
