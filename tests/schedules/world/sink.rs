//! The caller's end of a stream (`Sink` in `edge/seam/sink.js`), or the log that callers read.

use signalbox::ports::{CallerSink, Interrupt};

use super::{End, Place, World};

pub struct Sink(pub(super) World);

impl Sink {
    fn end(&self, how: End) {
        if self.0 .0.end.get() != End::Open {
            self.0.object("a stream has one end");
        }
        self.0 .0.end.set(how);
    }
}

impl CallerSink for Sink {
    /// `Sink.write`: the last write is waited for, this one is not. A keeper's takes it at once.
    async fn write(&mut self, bytes: &[u8]) -> Result<(), Interrupt> {
        let state = &self.0 .0;
        if state.gone.get().is_some() {
            return Err(Interrupt::ClientGone);
        }
        if state.end.get() != End::Open {
            self.0.object("bytes after the end of the stream");
        }
        if let Place::Keeper(keeper) = &state.place {
            keeper.append(bytes, self.0.real())?;
            state.writes.borrow_mut().push((self.0.real(), bytes.to_vec()));
            return Ok(());
        }
        if state.pump.borrow().is_some() {
            state.behind_pump.borrow_mut().extend_from_slice(bytes);
            return Ok(());
        }
        if state.busy_until.get() > self.0.real() {
            self.0.advance(state.busy_until.get()).await?;
        }
        let now = self.0.real();
        state.writes.borrow_mut().push((now, bytes.to_vec()));
        state.busy_until.set(now + state.schedule.reads_slowly);
        Ok(())
    }

    async fn close(&mut self) {
        self.end(End::Closed);
        if let Place::Keeper(keeper) = &self.0 .0.place {
            keeper.end(false, self.0.real());
        }
    }

    async fn abort(&mut self) {
        self.end(End::Aborted);
    }
}
