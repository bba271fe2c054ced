//! Attempts that the books know singly, on sheets: those of one batch on one, so that a batch is one row of the store
//! however many attempts it tells of. A sheet whose attempts are all over is torn up.

use serde::{Deserialize, Serialize};

use super::{forgotten_at, Opened, GRACE_MS, LONGEST_MS};
use crate::accounting::counters::Counters;

/// A sheet: one row of the store.
pub type Sheet = Vec<Entry>;

/// An attempt on a sheet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// What it is.
    pub opened: Opened,
    /// Where it stands.
    #[serde(default, skip_serializing_if = "State::is_open")]
    pub state: State,
    /// When the ledger learned of its end, Unix ms; 0 while open.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ended_ms: u64,
}

/// Where an attempt stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Under way, or so it seems.
    #[default]
    Open,
    /// Closed by the clock and counted with its estimate; its settle may still come.
    Expired,
    /// Over and counted, or never sent, while its open may still come.
    Closed,
}

impl State {
    fn is_open(&self) -> bool {
        *self == Self::Open
    }
}

impl Entry {
    /// An attempt under way.
    #[must_use]
    pub fn open(opened: Opened) -> Self {
        Self { opened, state: State::Open, ended_ms: 0 }
    }

    /// When the ledger must look at it again, Unix ms: to expire it while it is open, to forget it afterwards.
    #[must_use]
    pub fn due_ms(&self) -> u64 {
        match self.state {
            State::Open => {
                let longest = self.opened.ts_ms.saturating_add(LONGEST_MS);
                self.opened.deadline_ms.min(longest).saturating_add(GRACE_MS)
            }
            State::Expired | State::Closed => forgotten_at(self.ended_ms),
        }
    }

    /// What it adds to what the stored sums say: open attempts are in none.
    #[must_use]
    pub fn uncounted(&self) -> Option<Counters> {
        (self.state == State::Open).then(|| Counters::open(&self.opened))
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // what serde passes
fn is_zero(ms: &u64) -> bool {
    *ms == 0
}
