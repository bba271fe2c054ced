//! A call to a provider, which says what its script says (`Call` in `edge/seam/call.js`).

use std::collections::VecDeque;
use std::rc::Rc;

use signalbox::http::Headers;
use signalbox::ports::{Awaited, Interrupt, UpstreamCall};

use super::pump::Pump;
use super::{Seen, Sink, World};
use crate::schedules::voice::Said;
use crate::support::{Head, Piece};

/// How often a pumped stream is looked at.
const TICK_MS: u64 = 1_000;

/// A call under way. Times are the world's own, whatever the gateway's clock shows.
pub struct Call {
    world: World,
    index: usize,
    said: Rc<Said>,
    began: u64,
    /// Pieces with the instants at which they are there; known once the head is.
    pieces: Option<Pieces>,
    /// When the look that is under way happens: `Watcher.next`.
    sample: Option<u64>,
    /// The caller has left, and this call has told so.
    alone: bool,
    /// What has come of a whole body: a wait that is interrupted loses none of it.
    gathered: Vec<u8>,
}

struct Pieces {
    list: VecDeque<(u64, Vec<u8>)>,
    /// The last thing that happens, and when.
    last: (u64, Last),
}

#[derive(Clone, Copy, PartialEq)]
enum Last {
    Eof,
    Reset,
    Hang,
}

impl Call {
    pub fn new(world: World, index: usize, said: Rc<Said>) -> Self {
        let began = world.0.real.get();
        Self { world, index, said, began, pieces: None, sample: None, alone: false, gathered: Vec::new() }
    }

    fn seen<T>(&self, change: impl FnOnce(&mut Seen) -> T) -> T {
        change(&mut self.world.0.calls.borrow_mut()[self.index])
    }

    /// When it comes to what it is waited for; `None`: never.
    pub fn due(&self, awaited: Awaited) -> Option<u64> {
        let after_headers = || {
            let pieces = self.pieces.as_ref()?;
            let end = (pieces.last.1 != Last::Hang).then_some(pieces.last.0);
            match awaited {
                Awaited::Read => pieces.list.front().map(|(due, _)| *due).or(end),
                _ => end,
            }
        };
        match self.said.script.head {
            _ if awaited != Awaited::Head => after_headers(),
            Head::After(ms, ..) | Head::Refused(ms) => Some(self.began + ms),
            Head::Never => None,
        }
    }

    /// The caller has left, and the race that this call is in has told so.
    pub fn left_alone(&mut self, left: bool) {
        self.alone |= left && self.seen(|seen| seen.outlives);
    }

    fn now(&self) -> u64 {
        self.world.0.real.get()
    }

    /// Waits for an instant; the caller's leaving is told once where the call outlives it.
    async fn advance(&mut self, at: u64) -> Result<(), Interrupt> {
        if self.alone {
            self.world.pass(at).await;
            return Ok(());
        }
        let done = self.world.advance(at).await;
        self.alone = done.is_err() && self.seen(|seen| seen.outlives);
        done
    }

    async fn held(&mut self, until_ms: u64) -> Result<u64, Interrupt> {
        let until = self.world.real_of(until_ms);
        if self.alone {
            return Ok(until);
        }
        let held = self.world.held(until).await;
        self.alone = held.is_err() && self.seen(|seen| seen.outlives);
        held
    }

    /// Waits for something that is there at `due` (`None`: never), at most until `until`.
    async fn wait(&mut self, due: Option<u64>, until: u64) -> Result<(), Interrupt> {
        match due {
            Some(due) if due <= until || due <= self.now() => self.advance(due).await,
            _ => {
                self.advance(until).await?;
                // A pause that was longer than the wait has brought it too.
                if due.is_some_and(|due| due <= self.now()) {
                    return Ok(());
                }
                Err(Interrupt::Timeout)
            }
        }
    }

    /// What has come until now: all of it, or its first piece.
    fn arrived(&mut self, all: bool) -> Vec<u8> {
        let now = self.now();
        let mut bytes = Vec::new();
        if let Some(pieces) = &mut self.pieces {
            while pieces.list.front().is_some_and(|(due, _)| *due <= now) {
                bytes.extend(pieces.list.pop_front().map(|(_, piece)| piece).unwrap_or_default());
                if !all {
                    break;
                }
            }
        }
        bytes
    }

    fn took(&self, bytes: Vec<u8>) -> Option<Vec<u8>> {
        let now = self.now();
        self.seen(|seen| {
            seen.read += bytes.len();
            seen.reads.push(seen.read);
            seen.read_at.push(now);
        });
        Some(bytes)
    }

    fn saw_end(&self) {
        let now = self.now();
        self.seen(|seen| (seen.over, seen.over_at) = (true, seen.over_at.or(Some(now))));
    }

    fn ended(&self, how: Last) -> Result<Option<Vec<u8>>, Interrupt> {
        self.saw_end();
        if how == Last::Eof {
            Ok(None)
        } else {
            Err(Interrupt::Reset)
        }
    }

    /// A read: the next piece, or all that have come meanwhile.
    async fn read_piece(&mut self, until: u64, all: bool) -> Result<Option<Vec<u8>>, Interrupt> {
        let Some(pieces) = &self.pieces else { return Err(Interrupt::Reset) };
        let (last_at, last) = pieces.last;
        match pieces.list.front().map(|(due, _)| *due) {
            Some(due) => {
                self.wait(Some(due), until).await?;
                let bytes = self.arrived(all);
                Ok(self.took(bytes))
            }
            None if last == Last::Hang => self.wait(None, until).await.map(|()| None),
            None => {
                self.wait(Some(last_at), until).await?;
                self.ended(last)
            }
        }
    }

    /// A look at what the pump has moved: about once a second, sooner before a deadline, and at once when it is over.
    async fn look(&mut self, until: u64) -> Result<Option<Vec<u8>>, Interrupt> {
        let now = self.now();
        let pump_end = self.world.pump_end();
        let due = *self
            .sample
            .get_or_insert_with(|| pump_end.unwrap_or(u64::MAX).min(now + TICK_MS.min(until.saturating_sub(now) / 2)));
        // An abort ends the pump sooner.
        let due = pump_end.map_or(due, |end| end.min(due));
        self.wait(Some(due), until).await?;
        let read = self.read_piece(until, true).await;
        if !matches!(read, Err(Interrupt::Timeout)) {
            self.sample = None;
        }
        read
    }
}

impl UpstreamCall for Call {
    type Sink = Sink;

    async fn head(&mut self, until_ms: u64) -> Result<(u16, Headers), Interrupt> {
        let until = self.held(until_ms).await?;
        match self.said.script.head.clone() {
            Head::After(ms, status, headers) => {
                let due = self.began + ms;
                self.wait(Some(due), until).await?;
                let mut at = due;
                let mut list = VecDeque::new();
                let mut last = Last::Eof;
                for (delay, piece) in &self.said.script.body {
                    at += delay;
                    match piece {
                        Piece::Bytes(bytes) => list.push_back((at, bytes.clone())),
                        Piece::Reset => last = Last::Reset,
                        Piece::Hang => last = Last::Hang,
                    }
                }
                self.pieces = Some(Pieces { list, last: (at, last) });
                let now = self.now();
                let clock = self.world.clock();
                self.seen(|seen| seen.head_at = Some((now, clock)));
                Ok((status, headers.into_iter().collect()))
            }
            Head::Refused(ms) => {
                self.wait(Some(self.began + ms), until).await?;
                self.saw_end();
                Err(Interrupt::Connect)
            }
            Head::Never => self.wait(None, until).await.and(Err(Interrupt::Timeout)),
        }
    }

    async fn whole(&mut self, until_ms: u64, limit: usize) -> Result<Vec<u8>, Interrupt> {
        let until = self.held(until_ms).await?;
        while let Some(bytes) = self.read_piece(until, true).await? {
            self.gathered.extend_from_slice(&bytes);
            if self.gathered.len() > limit {
                return Err(Interrupt::TooLarge);
            }
        }
        Ok(std::mem::take(&mut self.gathered))
    }

    async fn read(&mut self, until_ms: u64) -> Result<Option<Vec<u8>>, Interrupt> {
        let until = self.held(until_ms).await?;
        if self.seen(|seen| seen.pumped) {
            self.look(until).await
        } else {
            self.read_piece(until, false).await
        }
    }

    fn watch(&mut self) {}

    /// `Watcher.pump`: what was read before goes first.
    fn pump(&mut self, _sink: &mut Sink) {
        let now = self.now();
        let Some(pieces) = &self.pieces else { return };
        let read = self.seen(|seen| {
            seen.pumped = true;
            seen.read
        });
        let mut moved = VecDeque::from([(now, self.said.bytes[..read].to_vec())]);
        moved.extend(pieces.list.iter().cloned());
        let ends = Some(pieces.last.0).filter(|_| pieces.last.1 != Last::Hang);
        let state = &self.world.0;
        let ready = state.busy_until.get().max(now);
        let slow = state.schedule.reads_slowly;
        *state.pump.borrow_mut() = Some(Pump { call: self.index, pieces: moved, ends, ready, slow });
        self.world.move_pumped(now);
    }

    fn outlive(&mut self) {
        self.seen(|seen| seen.outlives = true);
    }

    fn abort(&mut self) {
        let now = self.now();
        if self.seen(|seen| seen.aborted_at.is_some()) {
            return;
        }
        self.seen(|seen| seen.aborted_at = Some(now));
        if let Some(pieces) = &mut self.pieces {
            pieces.list.retain(|(due, _)| *due <= now);
            pieces.last = (now, Last::Reset);
        }
        if let Some(pump) = self.world.0.pump.borrow_mut().as_mut().filter(|pump| pump.call == self.index) {
            pump.abort(now);
        }
    }
}
