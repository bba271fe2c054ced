//! The hub between dialects: a chat request, its answer and its stream in no provider's words.
//!
//! Every dialect decodes into these types and encodes from them. Same-dialect traffic does not pass through here.
//! What a dialect can say and the hub cannot is kept as [`Extra`] (request fields) or [`Part::Native`] (content), so that
//! an encoder for another dialect can report or refuse it: nothing disappears between two `match` arms.

mod answer;
mod content;
mod request;
mod stream;
mod told;

pub use answer::{later_calls, ChatResponse, Choice, Finish, FinishReason, Usage};
pub use content::{Media, MediaSource, Part, ReasoningPart, ToolCall, ToolResult};
pub use request::{CacheMark, ChatRequest, Format, Reasoning, Role, SignedTurn, Tool, ToolChoice, Turn};
pub use stream::StreamEvent;
pub use told::{Disposition, Extra, Loss};
