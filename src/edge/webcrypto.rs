//! Signatures by the platform's WebCrypto (`workers.md` §10): faster than any RSA in wasm, and nothing to carry along.

use std::cell::RefCell;

use js_sys::{Array, Promise, Uint8Array, JSON};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use crate::identity::ports::{PortFailure, SignatureVerifier};
use crate::identity::Algorithm;

/// Imported keys kept in an isolate; an issuer has a handful.
const KEPT_KEYS: usize = 64;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch, js_namespace = ["crypto", "subtle"], js_name = importKey)]
    fn import_key(
        format: &str,
        jwk: &JsValue,
        algorithm: &JsValue,
        extractable: bool,
        usages: &Array,
    ) -> Result<Promise, JsValue>;

    #[wasm_bindgen(catch, js_namespace = ["crypto", "subtle"], js_name = verify)]
    fn verify(
        algorithm: &JsValue,
        key: &JsValue,
        signature: &Uint8Array,
        input: &Uint8Array,
    ) -> Result<Promise, JsValue>;
}

thread_local! {
    /// Algorithm and JWK text → `CryptoKey`. A key set that changes leaves its old keys here until the list is full.
    static KEYS: RefCell<Vec<(Algorithm, String, JsValue)>> = const { RefCell::new(Vec::new()) };
}

/// The platform's cryptography.
#[derive(Debug, Clone, Copy, Default)]
pub struct Verifier;

impl SignatureVerifier for Verifier {
    async fn verify(
        &self,
        algorithm: Algorithm,
        jwk: &str,
        input: &[u8],
        signature: &[u8],
    ) -> Result<bool, PortFailure> {
        let parameters = object(parameters(algorithm))?;
        let key = key(algorithm, &parameters, jwk).await?;
        // Copies: a view of wasm memory would move away under a growing heap.
        let (signature, input) = (Uint8Array::from(signature), Uint8Array::from(input));
        let holds = settled(verify(&parameters, &key, &signature, &input)).await?;
        holds.as_bool().ok_or(PortFailure)
    }
}

/// WebCrypto's name for an algorithm with what import and verification need to know. Both ignore members they don't use.
fn parameters(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::RS256 => r#"{"name":"RSASSA-PKCS1-v1_5","hash":"SHA-256"}"#,
        Algorithm::RS384 => r#"{"name":"RSASSA-PKCS1-v1_5","hash":"SHA-384"}"#,
        Algorithm::RS512 => r#"{"name":"RSASSA-PKCS1-v1_5","hash":"SHA-512"}"#,
        Algorithm::PS256 => r#"{"name":"RSA-PSS","hash":"SHA-256","saltLength":32}"#,
        Algorithm::ES256 => r#"{"name":"ECDSA","namedCurve":"P-256","hash":"SHA-256"}"#,
        Algorithm::ES384 => r#"{"name":"ECDSA","namedCurve":"P-384","hash":"SHA-384"}"#,
        Algorithm::EdDSA => r#"{"name":"Ed25519"}"#,
    }
}

async fn key(algorithm: Algorithm, parameters: &JsValue, jwk: &str) -> Result<JsValue, PortFailure> {
    let known = KEYS.with(|keys| {
        let keys = keys.borrow();
        keys.iter().find(|(a, text, _)| *a == algorithm && text == jwk).map(|(_, _, key)| key.clone())
    });
    if let Some(key) = known {
        return Ok(key);
    }
    let usages = Array::of1(&JsValue::from_str("verify"));
    let key = settled(import_key("jwk", &object(jwk)?, parameters, false, &usages)).await?;
    KEYS.with(|keys| {
        let mut keys = keys.borrow_mut();
        if keys.len() >= KEPT_KEYS {
            keys.clear();
        }
        keys.push((algorithm, jwk.to_owned(), key.clone()));
    });
    Ok(key)
}

fn object(json: &str) -> Result<JsValue, PortFailure> {
    JSON::parse(json).map_err(|_| PortFailure)
}

async fn settled(promise: Result<Promise, JsValue>) -> Result<JsValue, PortFailure> {
    JsFuture::from(promise.map_err(|_| PortFailure)?).await.map_err(|_| PortFailure)
}
