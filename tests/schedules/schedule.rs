//! One schedule: who calls whom, what goes wrong and when. Drawn from a seed (`draw.rs`), shrunk by leaving out
//! (`simpler.rs`), written down as a literal: what a seed means changes with these files, a literal does not.

use signalbox::dialect::Dialect;

pub const DIALECTS: [Dialect; 4] =
    [Dialect::OpenAiChat, Dialect::AnthropicMessages, Dialect::Gemini, Dialect::OpenAiResponses];

/// Everything that happens to one request.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// Of the gateway's own chance: ids, jitter.
    pub seed: u64,
    pub caller: Dialect,
    pub stream: bool,
    /// OpenAI chat: `stream_options.include_usage`.
    pub asks_usage: bool,
    pub explains: bool,
    /// Gemini without `alt=sse`.
    pub as_array: bool,
    /// The request declares a tool.
    pub tools: bool,
    /// The request wants a JSON document.
    pub json: bool,
    /// The policy holds calls and documents back until they are whole.
    pub holds_back: bool,
    /// The request is to be answered the same each time.
    pub deterministic: bool,
    pub continues: Continues,
    /// The policy asks a second candidate when the first has brought nothing for so many ms: one of
    /// [`super::gateway::HEDGES`].
    pub hedges: Option<u64>,
    pub candidates: Vec<Candidate>,
    /// When the caller leaves, ms after it came.
    pub leaves: Option<u64>,
    /// A caller that leaves before the status line is noticed only when it is out, as in a local runtime.
    pub noticed_late: bool,
    /// How long the caller takes for what it is handed, ms.
    pub reads_slowly: u64,
    /// What happens to time after the wait of a number.
    pub jumps: Vec<(u32, Jump)>,
    /// The upstreams' retry budgets are used up.
    pub no_budget: bool,
    /// Index into [`super::gateway::POLICIES`].
    pub policy: usize,
    /// The answer is kept, and what becomes of it. A kept answer's caller is its first reader.
    pub kept: Option<Kept>,
    /// Requests of the same isolate: ms after this one, and what they are. They have its candidates, in name.
    pub beside: Vec<(u64, Self)>,
    /// Whose calls fail for a while, whatever their plan says.
    pub outages: Vec<Outage>,
}

/// What happens to time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jump {
    /// The runtime stands still for so many ms; the world does not.
    Pause(u64),
    /// The gateway's clock is set by so many ms.
    Step(i64),
}

/// `x-signalbox-continue`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Continues {
    Off,
    Auto,
    Restart,
    Prefill,
}

/// What becomes of an answer that is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    pub readers: Vec<Reader>,
    /// The runtime is killed so many ms after the request came, and starts anew.
    pub killed: Option<u64>,
    /// The stream is deleted so many ms after the request came.
    pub cancelled: Option<u64>,
}

/// Who reads a kept answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Reader {
    /// Milliseconds after the stream began.
    pub comes: u64,
    /// The number of the event that it says it has.
    pub from: u64,
    /// It leaves when it has so many bytes, each time anew, and then no more.
    pub cuts: Vec<usize>,
    /// How long it stays away each time.
    pub away: u64,
    /// How long it takes for what it is handed, ms.
    pub slow: u64,
}

/// All accounts of a dialect, or one, are down.
#[derive(Debug, Clone, PartialEq)]
pub struct Outage {
    pub speaks: Dialect,
    pub account: usize,
    /// From and until, ms after the first request came.
    pub during: (u64, u64),
    pub fault: Fault,
}

/// One who may be called. Its place in the list is its rank.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    pub speaks: Dialect,
    /// Of [`super::gateway::ACCOUNTS`] accounts per dialect: candidates with the same dialect and account share a key.
    pub account: usize,
    /// Window in thousands of tokens.
    pub window: Option<u64>,
    pub priced: bool,
    /// What its calls bring; the last one for all further calls.
    pub calls: Vec<Call>,
}

/// What a provider does with one call.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    pub answer: Answer,
    pub fault: Fault,
    /// Milliseconds to the status line, and between events.
    pub head_ms: u64,
    pub pace_ms: u64,
    /// How the bytes are cut into reads.
    pub split: Split,
    /// Comments between the events.
    pub comments: bool,
    pub crlf: bool,
}

/// What a provider would say if nothing went wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Answers of the same voice say the same words.
    pub voice: u8,
    pub thoughts: u8,
    pub words: u8,
    /// Calls of the declared tool.
    pub tools: u8,
    /// Ends for length.
    pub cut_short: bool,
    /// Counts its tokens (Anthropic always does).
    pub counts: bool,
    /// Gemini: the last words come with the finish reason.
    pub ends_with_words: bool,
    /// Its last call's arguments, or its document, are no whole JSON (not where arguments are objects).
    pub unsound: bool,
    /// Where it goes on from a text, that comes first.
    pub repeats: Repeats,
}

/// What an answer repeats of the text that it goes on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeats {
    Nothing,
    All,
    /// As much of its end as is no accident.
    End,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Split {
    /// One event each.
    Events,
    /// Everything at once.
    Whole,
    /// Pieces of so many bytes.
    Bytes(usize),
    /// At random, from this seed.
    Random(u64),
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    None,
    /// Row of [`REFUSALS`].
    Refuses(usize),
    NoConnection,
    NoHeaders,
    /// The first content comes so many ms later.
    LateContent(u64),
    /// Silent after this share of its bytes, in thousandths.
    Stalls(usize),
    /// Ends after this share of its bytes; `clean` as if it were the end.
    Cuts {
        at: usize,
        clean: bool,
    },
    /// At this share of its events one that cannot be read: instead of the event there, or before it.
    Garbage {
        at: usize,
        instead: bool,
    },
    /// At this share of its events, row of [`EVENT_ERRORS`], and the end.
    ErrorEvent {
        at: usize,
        row: usize,
    },
    /// The error as the whole JSON body of a 200, row of [`EVENT_ERRORS`].
    ErrorBody(usize),
    /// A page of HTML with status 200.
    Html,
    /// Everything but the last event (chat: but `[DONE]`).
    NoTerminator,
    /// Everything, and then the connection stays open.
    StaysOpen,
    /// Reports by its finish reason that the turn failed (Gemini; elsewhere nothing).
    FailedTurn,
    /// In one piece what was to be a stream, as a stream what was to be one piece.
    OtherForm,
}

impl Answer {
    pub const PLAIN: Self = Self {
        voice: 0,
        thoughts: 0,
        words: 4,
        tools: 0,
        cut_short: false,
        counts: true,
        ends_with_words: false,
        unsound: false,
        repeats: Repeats::Nothing,
    };
}

impl Call {
    pub const PLAIN: Self = Self {
        answer: Answer::PLAIN,
        fault: Fault::None,
        head_ms: 20,
        pace_ms: 10,
        split: Split::Events,
        comments: false,
        crlf: false,
    };

    pub fn fails(fault: Fault) -> Self {
        Self { fault, ..Self::PLAIN }
    }
}

impl Candidate {
    pub fn plain(speaks: Dialect) -> Self {
        Self { speaks, account: 0, window: None, priced: true, calls: vec![Call::PLAIN] }
    }

    pub fn with(speaks: Dialect, calls: Vec<Call>) -> Self {
        Self { calls, ..Self::plain(speaks) }
    }
}

impl Schedule {
    /// A stream of OpenAI's chat that goes well.
    pub fn plain(caller: Dialect, candidates: Vec<Candidate>) -> Self {
        Self {
            seed: 1,
            caller,
            stream: true,
            asks_usage: true,
            explains: false,
            as_array: false,
            tools: false,
            json: false,
            holds_back: false,
            deterministic: false,
            continues: Continues::Off,
            hedges: None,
            candidates,
            leaves: None,
            noticed_late: false,
            reads_slowly: 0,
            jumps: Vec::new(),
            no_budget: false,
            policy: 0,
            kept: None,
            beside: Vec::new(),
            outages: Vec::new(),
        }
    }

    /// This request and those beside it, each with the time at which it comes, ms after this one.
    pub fn requests(&self) -> impl Iterator<Item = (u64, &Self)> {
        std::iter::once((0, self)).chain(self.beside.iter().map(|(after, other)| (*after, other)))
    }
}

impl Reader {
    /// The caller, who stays.
    pub const PLAIN: Self = Self { comes: 0, from: 0, cuts: Vec::new(), away: 0, slow: 0 };
}
