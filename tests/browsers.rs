//! Whom the front door turns away although they are known: pages of other sites, and a crowd.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // of helpers; tests may fail loudly

mod support;

use std::rc::Rc;

use signalbox::gateway::Gateway;
use signalbox::http::Request;
use support::{Fake, START_MS};

fn gateway(more: &str) -> Rc<Gateway> {
    let text = format!(r#"{{"identity": {{"mode": "none"}}, "cors": {{"origins": ["https://app.example"]}}{more}}}"#);
    Rc::new(Gateway::load_local(&text).unwrap())
}

fn status(gateway: &Rc<Gateway>, headers: &[(&str, &str)]) -> u16 {
    let fake = Fake::new([]);
    let request = Request {
        method: "GET".into(),
        path: "/v1/models".into(),
        headers: headers.iter().copied().collect(),
        ..Request::default()
    };
    support::serve(&fake, gateway, request);
    fake.status()
}

#[test]
fn a_foreign_page_cannot_use_the_cookie_of_access() {
    let gateway = gateway("");
    let access = ("cf-access-jwt-assertion", "a.b.c");
    for (headers, expected) in [
        (vec![access, ("origin", "https://evil.example"), ("host", "gateway.example")], 403),
        (vec![access, ("origin", "null"), ("host", "gateway.example")], 403),
        (vec![access, ("origin", "https://gateway.example"), ("host", "gateway.example")], 200),
        (vec![access, ("origin", "https://app.example"), ("host", "gateway.example")], 200),
        (vec![access, ("host", "gateway.example")], 200),
        (vec![("origin", "https://evil.example"), ("host", "gateway.example")], 200),
    ] {
        assert_eq!(status(&gateway, &headers), expected, "{headers:?}");
    }
}

#[test]
fn a_crowd_of_one_principal_is_let_in_up_to_its_places() {
    let gateway = gateway(r#", "overload": {"concurrent_per_principal": 2}"#);
    let (one, two) = (gateway.admit("p", START_MS), gateway.admit("p", START_MS));
    assert!(one.is_some() && two.is_some() && gateway.admit("p", START_MS).is_none());
    assert!(gateway.admit("q", START_MS).is_some(), "others have places of their own");
    drop(one);
    assert!(gateway.admit("p", START_MS).is_some(), "a place that is given back is free");
    drop(two);
    // A request that the platform has dropped gives nothing back; its place is free after the longest of all.
    let lost = [gateway.admit("p", START_MS), gateway.admit("p", START_MS)];
    assert!(gateway.admit("p", START_MS + 60_000).is_none());
    assert!(gateway.admit("p", START_MS + 3_600_000).is_some());
    std::mem::forget(lost);
}

#[test]
fn requests_that_are_over_take_no_place() {
    let gateway = gateway(r#", "overload": {"concurrent_per_principal": 1}"#);
    for _ in 0..5 {
        assert_eq!(status(&gateway, &[]), 200);
    }
    let local = gateway.gate.id_of(&["nobody"]);
    assert!(gateway.admit(&local, START_MS).is_some());
}

#[test]
fn headers_are_bounded_by_number_and_bytes() {
    let gateway = gateway("");
    let many: Vec<(String, String)> = (0..129).map(|n| (format!("x-{n}"), "y".to_owned())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!((status(&gateway, &many), status(&gateway, &many[1..])), (431, 200));
    let large = "y".repeat(64 * 1024);
    assert_eq!(status(&gateway, &[("x-large", &large)]), 431);
}

#[test]
fn the_page_is_a_shell_that_may_run_nothing_but_its_own_files_and_nobody_may_frame() {
    let get = |gateway: &Rc<Gateway>, path: &str| {
        let fake = Fake::new([]);
        support::serve(&fake, gateway, Request { method: "GET".into(), path: path.into(), ..Request::default() });
        fake
    };
    let open = gateway("");
    for (path, media_type, cached) in [
        ("/", "text/html; charset=utf-8", "no-cache"),
        ("/page/app-1.js", "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"),
    ] {
        let fake = get(&open, path);
        let header = |name: &str| fake.header(name).unwrap_or_default();
        assert_eq!(
            (fake.status(), header("content-type"), header("cache-control")),
            (200, media_type.into(), cached.into())
        );
        let policy = header("content-security-policy");
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.split("; ").any(|own| own == part), "{path}: {part} in {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("data:"), "{policy}");
        assert_eq!((header("x-content-type-options"), header("x-frame-options")), ("nosniff".into(), "DENY".into()));
        assert_eq!(header("referrer-policy"), "no-referrer");
    }
    assert_eq!(get(&open, "/page/app-2.js").status(), 404);
    assert_eq!(get(&open, "/index.html").status(), 404);
    // While nobody can be let in, nobody sees so much as the shell.
    let closed = Rc::new(Gateway::load_local("{}").unwrap());
    for path in ["/", "/page/app-1.js"] {
        let fake = get(&closed, path);
        assert_eq!(fake.status(), 503, "{path}");
        assert!(fake.header("content-type").unwrap_or_default().starts_with("application/json"));
    }
    // Where callers are asked who they are, the shell is there for them to say it.
    let jwt = r#"{"identity": {"mode": "jwt", "issuers": [{"issuer": "https://id.example", "jwks_url": "https://id.example/k",
        "audiences": ["x"], "algorithms": ["RS256"]}]}}"#;
    assert_eq!(get(&Rc::new(Gateway::load_local(jwt).unwrap()), "/").status(), 200);
}
