//! What the core asks of the world. `edge` implements it on the platform; tests implement it with a script and a
//! virtual clock. Nothing here blocks: waiting is an `await` with an instant at which it gives up.

use std::fmt;

use crate::accounting::limit::{Ask, Verdict};
use crate::accounting::report::{Range, Sums};
use crate::accounting::Row;
use crate::capture::Stored;
use crate::classify::task;
use crate::config::provider::Secret;
use crate::feedback::{self, Score};
use crate::http::{Headers, ResponseHead, UpstreamRequest};
use crate::identity::ports::{JwksSource, SignatureVerifier};
use crate::telemetry::content::Content;
use crate::telemetry::record::RequestRecord;

/// Why a wait ended without what was waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interrupt {
    /// The given instant came first. What was waited for is still under way: the same call may be repeated.
    Timeout,
    /// The caller left. Upstream calls of its exchange have been aborted, but for those that outlive it.
    ClientGone,
    /// The connection could not be made, or broke before headers.
    Connect,
    /// The connection broke after headers.
    Reset,
    /// More bytes came than the given limit allows.
    TooLarge,
}

impl fmt::Display for Interrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timeout => "timeout",
            Self::ClientGone => "client gone",
            Self::Connect => "connect",
            Self::Reset => "reset",
            Self::TooLarge => "too large",
        })
    }
}

/// What the keeper of an answer made of a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It answers with what it has just begun.
    Began,
    /// It answers with what it had.
    Found,
    /// It has given up what it had.
    Cancelled,
    /// It has nothing for this caller.
    Unknown,
    /// It has the answer to another request.
    Differs,
    /// It has less than the caller says it had from it.
    Ahead,
}

/// Reads and masks what was said in a request: takes a while, and is done when the answer is on its way.
pub type MakeContent = Box<dyn FnOnce() -> Content>;

/// What a call is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaited {
    /// [`UpstreamCall::head`].
    Head,
    /// [`UpstreamCall::whole`], up to so many bytes.
    Whole(usize),
    /// [`UpstreamCall::read`].
    Read,
}

/// One of two calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The first named.
    First,
    /// The second named.
    Second,
}

/// One exchange with one caller: clock, chance, waiting, calling out and answering.
#[allow(async_fn_in_trait)] // one thread: nothing here has to be Send
pub trait Platform: SignatureVerifier + JwksSource {
    /// A call to a provider.
    type Call: UpstreamCall<Sink = Self::Sink>;
    /// The caller's end of an open stream.
    type Sink: CallerSink;

    /// The issuer as which a service binding introduces the Worker that calls; `None` for everybody else.
    fn introduced(&self) -> Option<String> {
        None
    }

    /// Whether the platform's own rate limit for a principal lets one more request through, where there is one.
    async fn admits(&self, _principal: &str) -> bool {
        true
    }

    /// The request's body.
    ///
    /// # Errors
    /// Too large; client gone.
    async fn body(&self, limit: usize) -> Result<Vec<u8>, Interrupt>;

    /// Unix milliseconds. On the real platform it moves only across I/O.
    fn now_ms(&self) -> u64;

    /// Uniform random bits.
    fn random(&self) -> u64;

    /// Waits until an instant.
    ///
    /// # Errors
    /// [`Interrupt::ClientGone`] when the caller leaves first.
    async fn sleep_until(&self, at_ms: u64) -> Result<(), Interrupt>;

    /// Starts a call; nothing is known of it yet.
    fn call(&self, request: UpstreamRequest) -> Self::Call;

    /// Waits until one of two calls has come to what it is waited for, or has broken: that step of it then answers at once. The
    /// first one where both have. The other one's step stays under way.
    ///
    /// # Errors
    /// Timeout, client gone (which both calls have been told of, then).
    async fn either(
        &self,
        first: (&mut Self::Call, Awaited),
        second: (&mut Self::Call, Awaited),
        until_ms: u64,
    ) -> Result<Side, Interrupt>;

    /// Answers with a whole body. Only the first answer of an exchange counts.
    fn reply(&self, head: ResponseHead, body: Vec<u8>);

    /// Sends the status line and opens a stream to the caller.
    fn open(&self, head: ResponseHead) -> Self::Sink;

    /// Hands a row to the principal's ledger. It is gathered and sent beside the request; nothing waits for it.
    fn record(&self, principal: &str, row: Row);

    /// Whether there is a place where answers can be kept.
    fn keeps_answers(&self) -> bool;

    /// A file of the page, or the API's description, by its path; `None` where there is none of that name, or the Worker was
    /// built without them.
    fn asset(&self, _path: &str) -> Option<String> {
        None
    }

    /// What the classifier of tasks has learned.
    fn weights(&self) -> &'static [u8] {
        task::WEIGHTS
    }

    /// Bits that nobody can guess.
    fn secret(&self) -> [u8; 18];

    /// Has the keeper of an answer answer in this exchange's place: by the answer's name, the errand's path and what is sent
    /// there. `headers` are set on what goes to the caller.
    ///
    /// # Errors
    /// The keeper could not be reached.
    async fn hand_over(&self, name: &str, path: &str, sent: &[u8], headers: &Headers) -> Result<Kept, Interrupt>;

    /// The shard of the principal's ledger to which a new attempt is told; 0, the first one, unless the principal is hot.
    /// `spread`: nothing but money is bounded, which shards can keep.
    fn shard(&self, principal: &str, spread: bool) -> u32;

    /// Asks the principal's ledger to let an attempt out under limits; what it grants is on record. `None` when it cannot be
    /// reached.
    async fn grant(&self, principal: &str, ask: Ask) -> Option<Verdict>;

    /// The principal's sums, rows of this isolate included; `None` when its ledger cannot be reached.
    async fn usage(&self, principal: &str, range: &Range) -> Option<Sums>;

    /// Has a score counted; `None` when its place cannot be reached.
    async fn score(&self, _score: Score) -> Option<feedback::Verdict> {
        None
    }

    /// Writes one structured line.
    fn log(&self, line: String);

    /// Whether anybody reads records of requests.
    fn wants_records(&self) -> bool;

    /// Names of bindings that are not bound: what needs them is switched off.
    fn unbound(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// Whether there is a place for captures.
    fn keeps_captures(&self) -> bool {
        false
    }

    /// Has a capture made and stored beside other work, when what has been answered is on its way. `keys`: the first one seals it.
    fn keep_capture(&self, _made: Box<dyn FnOnce() -> Stored>, _keys: &[Secret]) {}

    /// What lists show of captures under a prefix, in the order of their names behind `after` (empty: from the first on);
    /// `None` where the store cannot be reached.
    async fn captures(&self, _prefix: &str, _after: &str, _limit: usize) -> Option<Vec<String>> {
        None
    }

    /// A capture's document, opened with one of the keys; `Some(None)` where there is none that can be.
    async fn capture(&self, _name: &str, _keys: &[Secret]) -> Option<Option<Vec<u8>>> {
        None
    }

    /// Erases what lies under these names; false where the store cannot be reached.
    async fn erase_captures(&self, _names: &[String]) -> bool {
        false
    }

    /// A page of a shard of the register, as JSON; `None` where there is none or it cannot be reached.
    async fn register(&self, shard: u64, path: &str) -> Option<String>;

    /// Hands over the record of a request that is over, and what makes what was said in it, where a collector asks for that. It is
    /// gathered and sent beside other requests.
    fn record_request(&self, record: RequestRecord, content: Option<MakeContent>);
}

#[allow(async_fn_in_trait)]
/// A call to a provider. Dropping it without [`UpstreamCall::abort`] does not stop the provider.
pub trait UpstreamCall {
    /// Where a pumped body goes.
    type Sink: CallerSink;

    /// Waits for status and headers.
    ///
    /// # Errors
    /// Timeout, client gone, connect.
    async fn head(&mut self, until_ms: u64) -> Result<(u16, Headers), Interrupt>;

    /// Waits for the whole body.
    ///
    /// # Errors
    /// Timeout, client gone, reset, too large.
    async fn whole(&mut self, until_ms: u64, limit: usize) -> Result<Vec<u8>, Interrupt>;

    /// Waits for the next bytes; `None` is the end. Bytes may be gathered for some milliseconds when they come fast.
    ///
    /// # Errors
    /// Timeout, client gone, reset.
    async fn read(&mut self, until_ms: u64) -> Result<Option<Vec<u8>>, Interrupt>;

    /// From here on `read` is an observer's branch; the bytes themselves wait for [`UpstreamCall::pump`].
    fn watch(&mut self);

    /// Lets the platform move the watched bytes, from the first one on, to the caller without this code. `read` goes on
    /// as a sample of what has passed, about once a second, sooner where it may take less than two, and at once when it ends.
    fn pump(&mut self, sink: &mut Self::Sink);

    /// The call goes on when the caller leaves: the step under way, or the next one, tells of it once, later ones wait as
    /// before. Without this a call ends with its caller.
    fn outlive(&mut self);

    /// Stops the provider's work.
    fn abort(&mut self);
}

#[allow(async_fn_in_trait)]
/// The caller's end of an open stream.
pub trait CallerSink {
    /// Hands bytes over, waiting for room (after a pump has ended, if one runs).
    ///
    /// # Errors
    /// [`Interrupt::ClientGone`].
    async fn write(&mut self, bytes: &[u8]) -> Result<(), Interrupt>;

    /// The honest end of the bytes.
    async fn close(&mut self);

    /// A transport error: for answers cut inside an event that is already out.
    async fn abort(&mut self);
}
