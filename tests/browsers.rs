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
