//! Getting the answer through: a state machine that is fed events and answers with actions. It owns no clock, no timer
//! and no socket.
pub mod budget;
pub mod continuation;
mod limits;
mod outcome;
pub mod plan;
