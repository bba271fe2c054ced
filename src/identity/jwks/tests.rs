use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine as _;

use super::*;

fn b64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn modulus(bits: usize) -> String {
    let mut bytes = vec![0xff; bits.div_ceil(8)];
    if !bits.is_multiple_of(8) {
        bytes[0] = (1 << (bits % 8)) - 1;
    }
    b64(&bytes)
}

fn rsa(kid: &str, more: &str) -> String {
    format!(r#"{{"kty":"RSA","kid":"{kid}","n":"{}","e":"AQAB"{more}}}"#, modulus(2048))
}

fn p256(kid: &str, more: &str) -> String {
    let part = b64(&[7; 32]);
    format!(r#"{{"kty":"EC","crv":"P-256","kid":"{kid}","x":"{part}","y":"{part}"{more}}}"#)
}

fn set(keys: &[String]) -> KeySet {
    KeySet::parse(format!(r#"{{"keys":[{}]}}"#, keys.join(",")).as_bytes()).unwrap()
}

fn usable(key: &str, algorithm: Algorithm) -> bool {
    set(&[key.to_owned()]).choose(None, algorithm).is_some()
}

#[test]
fn only_sound_signing_keys_are_used() {
    use Algorithm::{EdDSA, ES256, ES384, PS256, RS256};
    let with = |n: &str, e: &str| format!(r#"{{"kty":"RSA","n":"{n}","e":"{e}"}}"#);
    for (key, algorithm, expected, why) in [
        (rsa("a", ""), RS256, true, "plain"),
        (rsa("a", r#","use":"sig","key_ops":["verify"],"alg":"RS256","x5t":"zz""#), RS256, true, "fully described"),
        (rsa("a", r#","use":"enc""#), RS256, false, "for encryption"),
        (rsa("a", r#","key_ops":["encrypt"]"#), RS256, false, "not for verification"),
        (rsa("a", r#","alg":"RSA-OAEP""#), RS256, false, "of an unknown algorithm"),
        (rsa("a", r#","alg":"RS512""#), RS256, false, "of another algorithm"),
        (rsa("a", r#","alg":"ES256""#), ES256, false, "of an algorithm that is not its own"),
        (rsa("a", ""), PS256, true, "RSA without an algorithm serves each RSA algorithm"),
        (rsa("a", ""), ES256, false, "of another kind"),
        (with(&modulus(2047), "AQAB"), RS256, false, "too small"),
        (with(&modulus(4096), "AQAB"), RS256, true, "large"),
        (with(&modulus(4097), "AQAB"), RS256, false, "too large"),
        (with(&modulus(2048), "AQ"), RS256, false, "exponent 1"),
        (with(&modulus(2048), "Ag"), RS256, false, "even exponent"),
        (with(&modulus(2048), "AAAB"), RS256, false, "exponent 1, disguised"),
        (with(&modulus(2048), "Aw"), RS256, true, "exponent 3"),
        (with(&modulus(2048), ""), RS256, false, "no exponent"),
        (with("\\\"", "AQAB"), RS256, false, "not base64url"),
        (p256("a", ""), ES256, true, "P-256"),
        (p256("a", ""), ES384, false, "another curve's algorithm"),
        (p256("a", "").replace("P-256", "P-384"), ES384, false, "points of the wrong length"),
        (p256("a", "").replace("P-256", "secp256k1"), ES256, false, "an unknown curve"),
        (format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"}}"#, b64(&[1; 32])), EdDSA, true, "Ed25519"),
        (format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"}}"#, b64(&[1; 31])), EdDSA, false, "short"),
        (r#"{"kty":"oct","k":"c2VjcmV0","alg":"HS256"}"#.into(), RS256, false, "symmetric"),
    ] {
        assert_eq!(usable(&key, algorithm), expected, "{why}");
    }
}

#[test]
fn an_imported_key_has_its_own_members_only() {
    let keys = set(&[rsa("a", r#","use":"sig","alg":"RS256","d":"AQAB""#)]);
    let jwk = &keys.choose(Some("a"), Algorithm::RS256).unwrap().jwk;
    assert_eq!(**jwk, format!(r#"{{"kty":"RSA","n":"{}","e":"AQAB"}}"#, modulus(2048)));
}

#[test]
fn a_key_is_chosen_by_its_exact_id_or_because_it_is_the_only_one() {
    use Algorithm::{ES256, RS256};
    let one = set(&[rsa("a", "")]);
    assert!(one.choose(Some("a"), RS256).is_some());
    assert!(one.choose(None, RS256).is_some());
    for kid in ["", "A", "a ", "../a", "' OR 1=1 --"] {
        assert!(one.choose(Some(kid), RS256).is_none(), "{kid}");
    }
    let two = set(&[rsa("a", ""), p256("b", "")]);
    assert!(two.choose(None, RS256).is_none(), "without an id there must be one key only");
    assert!(two.choose(Some("b"), RS256).is_none());
    assert!(two.choose(Some("b"), ES256).is_some());
    let twins = set(&[rsa("a", ""), p256("a", "")]);
    assert!(twins.choose(Some("a"), ES256).is_some(), "same id, told apart by kind");
    assert!(set(&[rsa("a", ""), rsa("a", "")]).choose(Some("a"), RS256).is_none(), "same id, same kind");
    assert!(set(&[rsa("a", ""), rsa("e", r#","use":"enc""#)]).choose(None, RS256).is_some());
}

#[test]
fn one_bad_key_does_not_cost_the_others_but_a_bad_set_is_none() {
    let keys = set(&["17".into(), r#"{"kty":5}"#.into(), rsa("a", ""), "{}".into()]);
    assert!(keys.choose(Some("a"), Algorithm::RS256).is_some());
    let many = vec![rsa("a", ""); MAX_KEYS + 1].join(",");
    let large = format!(r#"{{"keys":[],"x":"{}"}}"#, "x".repeat(MAX_BODY_BYTES));
    for body in ["", "[]", "{}", r#"{"keys":{}}"#, "<html>", &format!(r#"{{"keys":[{many}]}}"#), &large] {
        assert_eq!(KeySet::parse(body.as_bytes()), Err(BadKeySet), "{:.40}", body);
    }
}

#[test]
fn signatures_have_one_form() {
    let keys = set(&[rsa("r", ""), p256("e", "")]);
    let rsa = keys.choose(Some("r"), Algorithm::RS256).unwrap();
    assert!(rsa.well_formed(&[1; 256]));
    assert!(!rsa.well_formed(&[1; 255]) && !rsa.well_formed(&[1; 257]));
    let ec = keys.choose(Some("e"), Algorithm::ES256).unwrap();
    assert!(ec.well_formed(&[1; 64]));
    let half = |r: u8, s: u8| [[r; 32], [s; 32]].concat();
    for bad in [half(0, 0), half(0, 1), half(1, 0), vec![1; 63], vec![1; 70], Vec::new()] {
        assert!(!ec.well_formed(&bad), "{bad:?}");
    }
}

const T0: u64 = 1_000_000_000;

fn ask(cache: &mut KeyCache, kid: &str, now_ms: u64) -> &'static str {
    word(&cache.plan(Some(kid), Algorithm::RS256, false, now_ms))
}

fn word(plan: &Plan) -> &'static str {
    match plan {
        Plan::Use(_) => "use",
        Plan::UseAndRefresh(_) => "refresh",
        Plan::Fetch => "fetch",
        Plan::Wait => "wait",
        Plan::Unknown => "unknown",
        Plan::Unavailable => "unavailable",
    }
}

fn serve(cache: &mut KeyCache, kids: &[&str], cache_control: &str, now_ms: u64) {
    let keys: Vec<String> = kids.iter().map(|kid| rsa(kid, "")).collect();
    cache.fetched(Some((set(&keys), cache_control)), now_ms);
}

#[test]
fn keys_are_fetched_once_and_fresh_for_ten_minutes_to_an_hour() {
    for (cache_control, minutes) in [
        ("", 10),
        ("no-store", 10),
        ("max-age=1", 10),
        ("public, max-age=1800, immutable", 30),
        ("Max-Age=\"1800\"", 30),
        ("max-age=99999999999999999999", 10),
        ("max-age=86400", 60),
        ("s-maxage=1800", 10),
    ] {
        let mut cache = KeyCache::default();
        assert_eq!(ask(&mut cache, "a", T0), "fetch");
        serve(&mut cache, &["a"], cache_control, T0);
        assert_eq!(ask(&mut cache, "a", T0 + minutes * MINUTE_MS - 1), "use", "{cache_control}");
        assert_eq!(ask(&mut cache, "a", T0 + minutes * MINUTE_MS), "refresh", "{cache_control}");
    }
}

#[test]
fn a_new_key_works_at_once_and_unknown_ids_cause_a_fetch_a_minute_at_most() {
    let mut cache = KeyCache::default();
    assert_eq!(ask(&mut cache, "a", T0), "fetch");
    serve(&mut cache, &["a"], "", T0);
    assert_eq!(ask(&mut cache, "b", T0 + 1), "fetch", "the first unknown id may be a new key");
    serve(&mut cache, &["a", "b"], "", T0 + 2);
    assert_eq!(ask(&mut cache, "b", T0 + 3), "use");
    for n in 0..50 {
        assert_eq!(ask(&mut cache, &format!("junk{n}"), T0 + 10 + n), "unknown");
    }
    assert_eq!(ask(&mut cache, "junk", T0 + 1 + REFETCH_MS), "fetch");
}

#[test]
fn whoever_has_just_fetched_does_not_fetch_again() {
    let mut cache = KeyCache::default();
    assert_eq!(ask(&mut cache, "b", T0), "fetch");
    serve(&mut cache, &["a"], "", T0);
    assert_eq!(word(&cache.plan(Some("b"), Algorithm::RS256, true, T0)), "unknown");
}

#[test]
fn a_removed_key_dies_when_the_set_is_read_again() {
    let mut cache = KeyCache::default();
    serve(&mut cache, &["a"], "", T0);
    let later = T0 + 10 * MINUTE_MS;
    assert_eq!(ask(&mut cache, "a", later), "refresh");
    serve(&mut cache, &["b"], "", later);
    assert_eq!(word(&cache.plan(Some("a"), Algorithm::RS256, true, later)), "unknown");
}

#[test]
fn others_wait_for_a_fetch_under_way_but_not_for_a_dead_one() {
    let mut cache = KeyCache::default();
    assert_eq!(ask(&mut cache, "a", T0), "fetch");
    assert_eq!(ask(&mut cache, "a", T0 + LEASE_MS - 1), "wait");
    assert_eq!(ask(&mut cache, "a", T0 + LEASE_MS), "fetch", "the first one was dropped");
    serve(&mut cache, &["a"], "", T0 + LEASE_MS + 1);
    let stale = T0 + LEASE_MS + 1 + 10 * MINUTE_MS;
    assert_eq!(ask(&mut cache, "a", stale), "refresh", "a stale key serves, and one request has the set fetched");
    assert_eq!(ask(&mut cache, "a", stale + 1), "use");
}

#[test]
fn while_the_issuer_is_down_known_keys_serve_for_a_day_and_others_cannot_be_judged() {
    let mut cache = KeyCache::default();
    assert_eq!(ask(&mut cache, "a", T0), "fetch");
    cache.fetched(None, T0);
    assert_eq!(ask(&mut cache, "a", T0 + 1), "unavailable", "and the issuer is left alone for a while");
    assert_eq!(ask(&mut cache, "a", T0 + BACKOFF_MS), "fetch");
    serve(&mut cache, &["a"], "", T0);
    let mut now = T0 + 10 * MINUTE_MS;
    while now < T0 + STALE_MS {
        assert_eq!(ask(&mut cache, "a", now), "refresh");
        cache.fetched(None, now);
        assert_eq!(ask(&mut cache, "a", now + 1), "use");
        assert_eq!(ask(&mut cache, "b", now + 1), "unavailable");
        now += 60 * MINUTE_MS;
    }
    assert_eq!(ask(&mut cache, "a", T0 + STALE_MS + 60 * MINUTE_MS), "fetch");
    cache.fetched(None, T0 + STALE_MS + 60 * MINUTE_MS);
    assert_eq!(ask(&mut cache, "a", T0 + STALE_MS + 60 * MINUTE_MS + 1), "unavailable", "after a day nothing is left");
}
