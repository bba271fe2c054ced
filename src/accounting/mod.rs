//! What was used and what it costs: usage × price → cost, and the ledger's books (DESIGN §6).
//!
//! Money is integer picodollars (10⁻¹² USD) from the price table to the answer; no float touches it. What is not known is
//! never 0: a cost is exact, estimated or unpriced, and says so.

pub mod cost;
pub mod counters;
pub mod day;
pub mod gather;
pub mod ledger;
pub mod limit;
pub mod report;

pub use crate::money;
pub use cost::{cost, estimate, Certainty, Cost, Provenance, ServiceTier};
pub use ledger::{Book, Opened, Outcome, Row, Settled};
