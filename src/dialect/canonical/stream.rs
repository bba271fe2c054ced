//! A streamed answer, step by step.

use super::{Extra, Finish, Part, Usage};

/// One step of a streamed answer. Starts, deltas and ends; a decoder emits them in wire order.
#[derive(Debug, Clone)]
pub enum StreamEvent {
    /// First event: ids as the provider gave them.
    Start {
        /// The provider's id.
        id: Option<String>,
        /// The provider's model name.
        model: Option<String>,
        /// Unix seconds.
        created: Option<u64>,
    },
    /// Visible text.
    TextDelta {
        /// Choice index.
        choice: u32,
        /// Text, whole code points.
        text: String,
    },
    /// Thinking text.
    ReasoningDelta {
        /// Choice index.
        choice: u32,
        /// Text.
        text: String,
    },
    /// A signature or redacted block that ends (or is) a reasoning block.
    ReasoningEnd {
        /// Choice index.
        choice: u32,
        /// Opaque signature; `None` when the block simply ends.
        signature: Option<String>,
        /// True: Anthropic's `redacted_thinking` data.
        redacted: bool,
    },
    /// OpenAI's refusal text.
    RefusalDelta {
        /// Choice index.
        choice: u32,
        /// Text.
        text: String,
    },
    /// A tool call begins.
    ToolCallStart {
        /// Choice index.
        choice: u32,
        /// Counter of calls in this choice, from 0.
        index: u32,
        /// The provider's id, or one minted by the decoder where there is none.
        id: String,
        /// Function name.
        name: String,
        /// Gemini's thought signature.
        signature: Option<String>,
    },
    /// More of a call's arguments.
    ToolCallDelta {
        /// Choice index.
        choice: u32,
        /// The call's counter.
        index: u32,
        /// JSON text fragment.
        arguments: String,
    },
    /// A call of a custom tool begins (see [`crate::dialect::custom`]). Its counter is that of all calls.
    CustomCallStart {
        /// Choice index.
        choice: u32,
        /// Counter of calls in this choice, from 0.
        index: u32,
        /// The provider's id, or one minted by the decoder where there is none.
        id: String,
        /// The tool's name.
        name: String,
    },
    /// More of a custom tool's input.
    CustomCallDelta {
        /// Choice index.
        choice: u32,
        /// The call's counter.
        index: u32,
        /// Text, whole code points.
        input: String,
    },
    /// A call of either kind is complete.
    ToolCallEnd {
        /// Choice index.
        choice: u32,
        /// The call's counter.
        index: u32,
    },
    /// A generated picture, sound or document, which comes whole.
    Media {
        /// Choice index.
        choice: u32,
        /// [`Part::Image`], [`Part::Audio`] or [`Part::File`].
        part: Part,
    },
    /// A choice is complete.
    Finish {
        /// Choice index.
        choice: u32,
        /// Why.
        finish: Finish,
    },
    /// Token counts so far: replaces earlier ones, never adds.
    Usage(Usage),
    /// A member or event that the hub has no word for: reported, not forwarded across dialects.
    Extra(Extra),
}

impl StreamEvent {
    /// The choice that an event is about; `None` = the answer as a whole.
    #[must_use]
    pub fn choice(&self) -> Option<u32> {
        match self {
            Self::TextDelta { choice, .. }
            | Self::ReasoningDelta { choice, .. }
            | Self::ReasoningEnd { choice, .. }
            | Self::RefusalDelta { choice, .. }
            | Self::ToolCallStart { choice, .. }
            | Self::ToolCallDelta { choice, .. }
            | Self::CustomCallStart { choice, .. }
            | Self::CustomCallDelta { choice, .. }
            | Self::ToolCallEnd { choice, .. }
            | Self::Media { choice, .. }
            | Self::Finish { choice, .. } => Some(*choice),
            Self::Start { .. } | Self::Usage(_) | Self::Extra(_) => None,
        }
    }

    /// The choice of the call that an event is about, where it is not the choice's first call.
    #[must_use]
    pub fn later_call(&self) -> Option<u32> {
        match self {
            Self::ToolCallStart { choice, index, .. }
            | Self::ToolCallDelta { choice, index, .. }
            | Self::CustomCallStart { choice, index, .. }
            | Self::CustomCallDelta { choice, index, .. }
            | Self::ToolCallEnd { choice, index } => (*index > 0).then_some(*choice),
            _ => None,
        }
    }
}
