//! The two ends of an exchange: calls to providers, and where a streamed answer goes.

use std::rc::Rc;

use crate::edge::seam::{bytes, left, taken, unflat, JsCall, JsSink};
use crate::edge::stream_log::Keeper;
use crate::edge::task::Step;
use crate::http::Headers;
use crate::ports::{Awaited, CallerSink, Interrupt, UpstreamCall};

/// A `fetch` under way.
pub struct EdgeCall {
    pub(super) call: JsCall,
    pub(super) step: Rc<Step>,
}

impl EdgeCall {
    pub(super) fn begin(&self, awaited: Awaited) {
        #[allow(clippy::cast_precision_loss)]
        let (step, limit) = match awaited {
            Awaited::Head => ("head", 0.0),
            Awaited::Whole(limit) => ("whole", limit as f64),
            Awaited::Read => ("read", 0.0),
        };
        self.call.begin(step, limit);
    }
}

impl UpstreamCall for EdgeCall {
    type Sink = EdgeSink;

    async fn head(&mut self, until_ms: u64) -> Result<(u16, Headers), Interrupt> {
        let text = taken(&self.step, self.call.head(left(until_ms))).await?.as_string().unwrap_or_default();
        let mut lines = text.split('\n');
        let status = lines.next().and_then(|s| s.parse().ok()).ok_or(Interrupt::Connect)?;
        Ok((status, unflat(lines)))
    }

    async fn whole(&mut self, until_ms: u64, limit: usize) -> Result<Vec<u8>, Interrupt> {
        #[allow(clippy::cast_precision_loss)]
        let value = taken(&self.step, self.call.whole(left(until_ms), limit as f64)).await?;
        Ok(bytes(&value).unwrap_or_default())
    }

    async fn read(&mut self, until_ms: u64) -> Result<Option<Vec<u8>>, Interrupt> {
        Ok(bytes(&taken(&self.step, self.call.read(left(until_ms))).await?))
    }

    fn watch(&mut self) {
        self.call.watch();
    }

    fn pump(&mut self, sink: &mut EdgeSink) {
        // What is kept is never pumped: it is numbered.
        if let EdgeSink::Caller(sink, _) = sink {
            self.call.pump(sink);
        }
    }

    fn outlive(&mut self) {
        self.call.outlive();
    }

    fn abort(&mut self) {
        self.call.abort();
    }
}

/// Where a streamed answer goes.
pub enum EdgeSink {
    /// To the caller: the writable side of the response.
    Caller(JsSink, Rc<Step>),
    /// To the log from which callers read.
    Keeper(Rc<Keeper>),
}

impl CallerSink for EdgeSink {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), Interrupt> {
        match self {
            Self::Caller(sink, step) => taken(step, sink.write(bytes)).await.map(|_| ()),
            Self::Keeper(keeper) => keeper.append(bytes),
        }
    }

    async fn close(&mut self) {
        match self {
            Self::Caller(sink, _) => sink.close(),
            Self::Keeper(keeper) => keeper.close(),
        }
    }

    async fn abort(&mut self) {
        if let Self::Caller(sink, _) = self {
            sink.abort();
        } // what is kept is whole events: nothing is ever cut inside one
    }
}
