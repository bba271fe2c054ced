//! What routing and the native path need of a request, and what the native path learns from an answer.

mod observe;
mod request;

pub use observe::{observe_event, observe_response, usage};
pub use request::{view, view_count_tokens};

#[cfg(test)]
mod tests;
