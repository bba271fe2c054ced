use super::*;

fn settings(json: &str) -> Settings {
    serde_json::from_str(json).unwrap()
}

fn locally(json: &str) -> Vec<String> {
    Settings { local: true, ..settings(json) }.problems()
}

const EXAMPLE: &str = r#"{"mode":"jwt","issuers":[{"issuer":"https://id.example","jwks_url":"https://id.example/jwks",
    "audiences":["signalbox"],"algorithms":["RS256"],"claims":{"principal":"sub","tenant":"org"}}]}"#;

#[test]
fn the_documented_example_is_valid_and_survives_a_round_trip() {
    let parsed = settings(EXAMPLE);
    assert_eq!(parsed.problems(), Vec::<String>::new());
    assert_eq!((parsed.issuers[0].max_age_s, parsed.issuers[0].skew_s), (86_400, 60));
    assert_eq!(settings(&serde_json::to_string(&parsed).unwrap()), parsed);
}

#[test]
fn open_doors_are_refused_outside_local_mode() {
    assert_eq!(locally(r#"{"mode":"none"}"#), Vec::<String>::new());
    assert_eq!(settings(r#"{"mode":"none"}"#).problems().len(), 1);
    assert!(!locally(&EXAMPLE.replace("\"jwt\"", "[\"jwt\",\"none\"]")).is_empty(), "and never beside another");
    let http = EXAMPLE.replace("https://id.example/jwks", "http://127.0.0.1:9/jwks");
    assert_eq!(locally(&http), Vec::<String>::new());
    assert_eq!(settings(&http).problems().len(), 1);
}

#[test]
fn each_mistake_is_named_by_its_path() {
    for (from, to, path) in [
        ("https://id.example/jwks", "http://evil.example/jwks", "identity.issuers[0].jwks_url"),
        ("https://id.example/jwks", "https://a@evil.example/", "identity.issuers[0].jwks_url"),
        ("https://id.example/jwks", "http://127.0.0.1.evil.example/", "identity.issuers[0].jwks_url"),
        ("https://id.example/jwks", "https://10.0.0.1/jwks", "identity.issuers[0].jwks_url"),
        ("https://id.example/jwks", "https://metadata.google.internal/", "identity.issuers[0].jwks_url"),
        ("https://id.example/jwks", "https://", "identity.issuers[0].jwks_url"),
        ("[\"signalbox\"]", "[]", "identity.issuers[0].audiences"),
        ("[\"RS256\"]", "[]", "identity.issuers[0].algorithms"),
        ("\"claims\"", "\"skew_s\":301,\"claims\"", "identity.issuers[0].skew_s"),
        ("\"claims\"", "\"max_age_s\":0,\"claims\"", "identity.issuers[0].max_age_s"),
        ("\"claims\"", "\"secret_env\":\"S\",\"claims\"", "identity.issuers[0].secret_env"),
        ("\"mode\":\"jwt\",", "", "identity.mode"),
        ("\"jwt\"", "[\"jwt\",\"signed-header\"]", "identity.issuers"),
    ] {
        let found = locally(&EXAMPLE.replace(from, to));
        assert!(!found.is_empty() && found.iter().all(|problem| problem.starts_with("identity.")), "{to}: {found:?}");
        assert!(found[0].starts_with(path), "{found:?}");
    }
}

#[test]
fn what_an_issuer_needs_depends_on_how_its_assertions_arrive() {
    for (mode, members, wrong) in [
        ("jwt", r#""audiences":["a"],"algorithms":["ES256"]"#, None),
        ("jwt", r#""algorithms":["ES256"]"#, Some("audiences")),
        ("cloudflare-access", r#""audiences":["tag"]"#, None),
        ("cloudflare-access", r#""audiences":[]"#, Some("audiences")),
        ("signed-header", r#""secret_env":["NEW","OLD"]"#, None),
        ("signed-header", r#""jwks_url":"https://gw.example/jwks","algorithms":["ES256"]"#, None),
        ("signed-header", r#""jwks_url":"https://gw.example/jwks""#, Some("algorithms")),
        ("signed-header", r#""secret_env":"S","algorithms":["ES256"]"#, Some("algorithms")),
        ("signed-header", r#""secret_env":"a key, pasted""#, Some("secret_env")),
        ("signed-header", r#""secret_env":"S","window_s":301"#, Some("window_s")),
        ("signed-header", r#""secret_env":"S","single_use":true"#, None),
        ("jwt", r#""audiences":["a"],"algorithms":["ES256"],"single_use":true"#, Some("single_use")),
        ("signed-header", r#""max_age_s":60"#, Some("secret_env")),
        ("service-binding", r#""grants":["operator"]"#, None),
        ("service-binding", r#""algorithms":["ES256"]"#, Some("algorithms")),
    ] {
        let text = format!(r#"{{"mode":"{mode}","issuers":[{{"issuer":"https://id.example",{members}}}]}}"#);
        let found = settings(&text).problems();
        let names = wrong.map(|member| format!("identity.issuers[0].{member}"));
        assert_eq!(found.len(), usize::from(names.is_some()), "{text}: {found:?}");
        assert!(names.is_none_or(|path| found[0].starts_with(&path)), "{found:?}");
    }
    let by_name = settings(r#"{"mode":"jwt","issuers":[{"issuer":"acme","audiences":["a"],"algorithms":["ES256"]}]}"#);
    assert!(by_name.problems()[0].starts_with("identity.issuers[0].jwks_url"), "a name has no discovery document");
}

#[test]
fn keys_are_where_they_are_said_to_be_or_where_the_standard_puts_them() {
    let place = |mode, url: Option<&str>| {
        let mut issuer = settings(EXAMPLE).issuers.remove(0);
        issuer.jwks_url = url.map(str::to_owned);
        issuer.key_place(mode).map(|place| place.url())
    };
    let own = Some("https://keys.example/set");
    assert_eq!(place(Mode::Jwt, own).as_deref(), own);
    assert_eq!(place(Mode::Jwt, None).as_deref(), Some("https://id.example/.well-known/openid-configuration"));
    assert_eq!(place(Mode::CloudflareAccess, None).as_deref(), Some("https://id.example/cdn-cgi/access/certs"));
    assert_eq!(place(Mode::SignedHeader, None), None);
}

#[test]
fn configuration_names_no_principal() {
    for members in [
        r#""require":"claims.sub == 'ada'""#,
        r#""require":"claims.dept == 'a' || claims['email'].startsWith('ada@')""#,
        r#""require":"has(claims.name)""#,
        r#""claims":{"principal":"uid"},"require":"claims.uid in ['ada']""#,
        r#""claims":{"principal":"/user/id"},"require":"claims.user.id != 'ada'""#,
    ] {
        let text = EXAMPLE.replace(r#""claims":{"principal":"sub","tenant":"org"}"#, members);
        assert_eq!(settings(&text).problems().len(), 1, "{members}");
    }
    let broken = EXAMPLE.replace("\"claims\"", r#""require":"claims.dept = 'a'","claims""#);
    let why = serde_json::from_str::<Settings>(&broken).unwrap_err().to_string();
    assert!(why.contains("require: line 1"), "{why}");
    let department =
        EXAMPLE.replace("\"claims\"", r#""require":"claims.dept in ['a', 'b'] && claims.user.name != ''","claims""#);
    assert_eq!(settings(&department).problems(), Vec::<String>::new());
    for member in ["users", "principals", "subjects", "keys"] {
        let text = EXAMPLE.replace("\"mode\"", &format!("\"{member}\":[],\"mode\""));
        assert!(serde_json::from_str::<Settings>(&text).is_err(), "{member}");
    }
}

#[test]
fn weak_and_unknown_algorithms_and_members_do_not_parse() {
    for algorithm in ["none", "HS256", "rs256", "ES256K"] {
        assert!(serde_json::from_str::<Settings>(&EXAMPLE.replace("RS256", algorithm)).is_err(), "{algorithm}");
    }
    assert!(serde_json::from_str::<Settings>(&EXAMPLE.replace("audiences", "audience")).is_err());
}
