//! What identity asks of the world: public-key cryptography, a document over https, a memory that isolates share.

use std::rc::Rc;

use futures::future::LocalBoxFuture;

use super::settings::Algorithm;

/// The platform could not do what was asked; says nothing about the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortFailure;

/// Verifies signatures.
#[allow(async_fn_in_trait)] // one thread: nothing here has to be Send
pub trait SignatureVerifier {
    /// Whether `signature` signs `input` under a public key. `jwk` is a JSON Web Key with the members of the key itself
    /// only (`kty`, `n`, `e`, `crv`, `x`, `y`); signatures are as JWS has them (ECDSA: r and s, not DER).
    ///
    /// # Errors
    /// The key cannot be imported or cryptography is not at hand; a signature that does not hold is `Ok(false)`.
    async fn verify(
        &self,
        algorithm: Algorithm,
        jwk: &str,
        input: &[u8],
        signature: &[u8],
    ) -> Result<bool, PortFailure>;
}

/// A key set, or what says where it is, as it was served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// HTTP status; redirects are not followed.
    pub status: u16,
    /// `cache-control`, empty when there is none.
    pub cache_control: String,
    /// The body, at most [`super::jwks::MAX_BODY_BYTES`].
    pub body: Vec<u8>,
}

/// GETs a configured URL without following redirects; gives up after 2 s or on a larger body. An error: nothing came, or
/// too much.
pub type Fetcher = Rc<dyn Fn(String) -> LocalBoxFuture<'static, Result<Served, PortFailure>>>;

/// Fetches key sets, and remembers what has been used.
#[allow(async_fn_in_trait)] // one thread: nothing here has to be Send
pub trait JwksSource {
    /// What fetches, also after this request.
    fn fetcher(&self) -> Fetcher;

    /// Has work done beside the request; nothing waits for it.
    fn beside(&self, work: LocalBoxFuture<'static, ()>);

    /// Waits. One request cannot wait for another's fetch on this platform, but it can look again.
    async fn pause(&self, ms: u64);

    /// Whether this is the first time that anybody, in any isolate, asks for this text; it is remembered until `until_ms`,
    /// Unix milliseconds.
    ///
    /// # Errors
    /// Nothing here remembers, or it does not answer.
    async fn first_use(&self, _text: &str, _until_ms: u64) -> Result<bool, PortFailure> {
        Err(PortFailure)
    }
}
