//! OpenAI Responses (`wire.md` §1.2). Under construction: named in the codec table, spoken to nobody. Errors are written
//! and read; everything else refuses until it is true.

pub mod error;
pub mod request;
pub mod response;
pub mod stream;
pub mod view;
