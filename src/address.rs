//! Addresses that the gateway may call: `security.md` §4. Hosts come from configuration only, or from the document of a
//! configured issuer; this is what either may name.

/// An address that others are made from, without trailing slashes. `local` allows loopback, http included.
///
/// # Errors
/// Why it may not be called: see [`document_url`], or it has a query.
pub fn base_url(text: &str, local: bool) -> Result<String, &'static str> {
    if text.contains('?') {
        return Err("must have no query and no fragment");
    }
    document_url(text, local).map(|url| url.trim_end_matches('/').to_owned())
}

/// An address that is called as it stands. `local` allows loopback, http included.
///
/// # Errors
/// Why it may not be called: not https, credentials or a fragment inside, an IP address, or a name that only resolves
/// inside somebody's network.
pub fn document_url(text: &str, local: bool) -> Result<&str, &'static str> {
    if text.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '\\' | '<' | '>' | '"')) {
        return Err("holds characters that no URL has");
    }
    let (secure, rest) = match (strip(text, "https://"), strip(text, "http://")) {
        (Some(rest), _) => (true, rest),
        (None, Some(rest)) => (false, rest),
        (None, None) => return Err("must be an https URL"),
    };
    if rest.contains('#') {
        return Err("must have no query and no fragment");
    }
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err("must hold no user name or password");
    }
    let (host, port) = split_port(authority).ok_or("has no valid host and port")?;
    if port.is_some_and(|port| port.parse::<u16>().map_or(true, |port| port == 0)) {
        return Err("has no valid port");
    }
    let host = host.to_ascii_lowercase();
    if local && is_loopback(&host) {
        return Ok(text);
    }
    if !secure {
        return Err("must be https (http is for loopback addresses under the local commands)");
    }
    if !host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_')) {
        return Err("must name a host by its DNS name in ASCII (punycode), not by an address");
    }
    if is_private(&host) {
        return Err("names a host that is no public one");
    }
    Ok(text)
}

fn strip<'t>(text: &'t str, scheme: &str) -> Option<&'t str> {
    let head = text.get(..scheme.len())?;
    head.eq_ignore_ascii_case(scheme).then(|| text.get(scheme.len()..)).flatten()
}

fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    if authority.starts_with('[') {
        let (host, after) = authority.split_at(authority.find(']')? + 1);
        return match after.strip_prefix(':') {
            None => after.is_empty().then_some((host, None)),
            port => Some((host, port)),
        };
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    (!host.is_empty()).then_some((host, port))
}

fn is_loopback(host: &str) -> bool {
    matches!(host, "localhost" | "[::1]" | "127.0.0.1")
}

/// Names that resolve inside a network or not at all, and every spelling of an IPv4 address: browsers and fetch read a
/// host whose last label is a number (also octal, also hexadecimal, also a single one) as an address.
fn is_private(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    let numeric = last.bytes().all(|b| b.is_ascii_digit())
        || last.strip_prefix("0x").is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
    let inside = matches!(last, "local" | "localhost" | "internal" | "lan" | "intranet" | "corp" | "home");
    // A trailing dot makes the last label empty; a name without a dot is a search-list name.
    numeric || inside || !host.contains('.') || host.split('.').any(str::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_https_hosts_are_allowed_and_lose_trailing_slashes() {
        for (text, wanted) in [
            ("https://api.openai.com/v1", "https://api.openai.com/v1"),
            ("https://api.anthropic.com/", "https://api.anthropic.com"),
            ("HTTPS://Api.Example.Com:8443/a/b//", "HTTPS://Api.Example.Com:8443/a/b"),
            ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ] {
            assert_eq!(base_url(text, false).as_deref(), Ok(wanted));
        }
    }

    #[test]
    fn every_other_spelling_is_refused() {
        for text in [
            "",
            "api.openai.com",
            "//api.openai.com",
            "ftp://a.example",
            "http://a.example",
            "https://",
            "https:///v1",
            "https://user@a.example",
            "https://user:pw@a.example",
            "https://a.example?x=1",
            "https://a.example#x",
            "https://a.example:0",
            "https://a.example:99999",
            "https://a.example:",
            "https://a.example:80:80",
            "https://127.0.0.1",
            "https://2130706433",
            "https://0x7f000001",
            "https://0177.0.0.1",
            "https://127.1",
            "https://10.0.0.1/v1",
            "https://169.254.169.254",
            "https://[::1]",
            "https://[::ffff:7f00:1]",
            "https://localhost",
            "https://localhost.",
            "https://a.localhost",
            "https://printer.local",
            "https://metadata.google.internal",
            "https://intranet",
            "https://a.example.",
            "https://a..example",
            "https://a b.example",
            "https://a.example\\@b.example",
            "https://bücher.example",
            "https://a%2eexample.com",
            "https://a.example\n",
            "javascript:alert(1)",
            "https://[::1",
            "https://1.2.3.0x4",
        ] {
            assert!(base_url(text, false).is_err(), "{text:?}");
            assert!(text.contains('?') || document_url(text, false).is_err(), "{text:?}");
        }
        assert_eq!(document_url("https://a.example/keys/?p=1", false), Ok("https://a.example/keys/?p=1"));
        assert!(document_url("https://10.0.0.1?p=1", false).is_err());
    }

    #[test]
    fn loopback_is_for_local_mode_only() {
        for text in ["http://127.0.0.1:8080/v1", "http://localhost:1", "http://[::1]:9", "https://localhost"] {
            assert!(base_url(text, true).is_ok(), "{text}");
            assert!(base_url(text, false).is_err(), "{text}");
        }
        for text in
            ["http://10.0.0.1", "http://a.example", "http://127.0.0.1.evil.example", "http://localhost@evil.example"]
        {
            assert!(base_url(text, true).is_err(), "{text}");
        }
    }
}
