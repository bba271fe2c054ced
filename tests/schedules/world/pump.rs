//! What the runtime moves on its own (`Watcher` in `edge/seam/reading.js`): bytes go to the caller when they are there, whether or not
//! anyone looks.

use std::collections::VecDeque;

/// A body on its way to the caller.
pub struct Pump {
    pub call: usize,
    /// Pieces still to be moved, with the time at which they are there.
    pub pieces: VecDeque<(u64, Vec<u8>)>,
    /// When the source ends; `None`: never.
    pub ends: Option<u64>,
    /// When the caller is ready for the next piece.
    pub ready: u64,
    /// How long it takes for one.
    pub slow: u64,
}

impl Pump {
    /// Moves what can be moved until `at`.
    pub fn run(&mut self, at: u64, writes: &mut Vec<(u64, Vec<u8>)>) {
        while let Some((due, _)) = self.pieces.front() {
            let when = self.ready.max(*due);
            if when > at {
                break;
            }
            let Some((_, bytes)) = self.pieces.pop_front() else { break };
            writes.push((when, bytes));
            self.ready = when + self.slow;
        }
    }

    /// When it is over: the source has ended and all is through. `None`: it never will be.
    pub fn end(&self) -> Option<u64> {
        let through = self.pieces.iter().fold(self.ready, |ready, (due, _)| ready.max(*due) + self.slow);
        Some(self.ends?.max(through))
    }

    /// The source is aborted. What is in the tee already still goes through.
    pub fn abort(&mut self, now: u64) {
        self.pieces.retain(|(due, _)| *due <= now);
        self.ends = Some(self.ends.unwrap_or(now).min(now));
    }
}
