//! The page at `/` and its files: a shell without any data (ADR 0028). What it shows it asks for as its user.

use crate::error::{ErrorKind, GatewayError};
use crate::http::ResponseHead;
use crate::pipeline::exchange::Exchange;
use crate::pipeline::reply;
use crate::ports::Platform;

/// What the page may do: run its own files and ask its own origin. No inline code, nobody else's frame, no form's target.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";
/// Names of files hold a digest of their content; the document names them.
const FOREVER: &str = "public, max-age=31536000, immutable";

/// `GET /` (an empty name) and `GET /page/{file}`.
///
/// # Errors
/// 404 for a file that is none, and for all of them where the Worker was built without the page.
pub fn asset<P: Platform>(exchange: &Exchange<'_, P>, file: &str) -> Result<u16, GatewayError> {
    let path = if file.is_empty() { "/index.html".to_owned() } else { format!("/page/{file}") };
    let Some(body) = exchange.platform.asset(&path) else {
        let message = match file {
            "" => "There is no page here: this Worker was built without it.".to_owned(),
            _ => format!("Unknown request URL: GET {}.", exchange.request.path),
        };
        return Err(GatewayError::new(ErrorKind::RouteNotFound, message));
    };
    let mut headers = reply::base_headers(exchange);
    headers.push("content-type", media_type(&path));
    headers.push("cache-control", if file.is_empty() { "no-cache" } else { FOREVER });
    headers.push("content-security-policy", POLICY);
    headers.push("referrer-policy", "no-referrer");
    headers.push("cross-origin-opener-policy", "same-origin");
    headers.push("cross-origin-resource-policy", "same-origin");
    headers.push("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()");
    headers.push("x-frame-options", "DENY");
    exchange.platform.reply(ResponseHead { status: 200, headers }, body.into_bytes());
    Ok(200)
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}
