//! One schedule: who calls whom, what goes wrong and when. Drawn from a seed, shrunk by leaving out, written down as a
//! literal: what a seed means changes with this file, a literal does not.

use signalbox::dialect::Dialect;

use super::random::Random;
use super::refusals::{EVENT_ERRORS, REFUSALS};

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
    pub candidates: Vec<Candidate>,
    /// When the caller leaves, ms after it came.
    pub leaves: Option<u64>,
    /// A caller that leaves before the status line is noticed only when it is out, as in a local runtime.
    pub noticed_late: bool,
    /// How long the caller takes for what it is handed, ms.
    pub reads_slowly: u64,
    /// The clock's jumps: after the wait of this number it stands so many ms later. Negative: it steps back.
    pub jumps: Vec<(u32, i64)>,
    /// The upstreams' retry budgets are used up.
    pub no_budget: bool,
    /// Index into [`super::gateway::POLICIES`].
    pub policy: usize,
}

/// One who may be called. Its place in the list is its rank.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    pub speaks: Dialect,
    /// Of two accounts per dialect: candidates with the same dialect and account share a key.
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
}

impl Answer {
    pub const PLAIN: Self =
        Self { voice: 0, thoughts: 0, words: 4, tools: 0, cut_short: false, counts: true, ends_with_words: false };
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
            candidates,
            leaves: None,
            noticed_late: false,
            reads_slowly: 0,
            jumps: Vec::new(),
            no_budget: false,
            policy: 0,
        }
    }

    /// The schedule of a seed.
    pub fn draw(seed: u64) -> Self {
        let random = &mut Random(seed);
        let caller = random.one_of(&DIALECTS);
        let tools = random.chance(15);
        let native = random.chance(50);
        let count = random.one_of(&[1, 2, 2, 2, 3, 3, 4]);
        let trouble = random.one_of(&[20, 50, 75, 90]);
        let mut candidates: Vec<Candidate> = Vec::with_capacity(count);
        for _ in 0..count {
            let speaks = if native && random.chance(70) { caller } else { random.one_of(&DIALECTS) };
            candidates.push(Candidate::draw(random, speaks, tools, trouble));
        }
        // Voices tell the calls apart.
        for (at, call) in candidates.iter_mut().flat_map(|c| &mut c.calls).enumerate() {
            call.answer.voice = at as u8;
        }
        Self {
            seed: random.next(),
            caller,
            stream: random.chance(75),
            asks_usage: random.chance(50),
            explains: random.chance(15),
            as_array: random.chance(20),
            tools,
            candidates,
            leaves: random.chance(12).then(|| random.one_of(&[10, 25, 60, 200, 3_000, 20_000]) + random.below(50)),
            noticed_late: random.chance(20),
            reads_slowly: if random.chance(15) { random.one_of(&[1, 30, 400, 20_000]) } else { 0 },
            jumps: if random.chance(10) { jumps(random) } else { Vec::new() },
            no_budget: random.chance(10),
            policy: random.below(super::gateway::POLICIES.len() as u64) as usize,
        }
    }

    /// Simpler schedules, the boldest first; each is one step.
    pub fn simpler(&self) -> Vec<Self> {
        let mut list = Vec::new();
        let mut offer = |change: &dyn Fn(&mut Self)| {
            let mut other = self.clone();
            change(&mut other);
            if other != *self {
                list.push(other);
            }
        };
        for at in (0..self.candidates.len()).filter(|_| self.candidates.len() > 1) {
            offer(&|s| drop(s.candidates.remove(at)));
        }
        offer(&|s| s.leaves = None);
        offer(&|s| s.reads_slowly = 0);
        offer(&|s| s.jumps.clear());
        offer(&|s| s.no_budget = false);
        offer(&|s| s.policy = 0);
        offer(&|s| s.explains = false);
        offer(&|s| s.asks_usage = false);
        offer(&|s| s.as_array = false);
        offer(&|s| s.noticed_late = false);
        offer(&|s| {
            s.tools = false;
            s.candidates.iter_mut().flat_map(|c| &mut c.calls).for_each(|call| call.answer.tools = 0);
        });
        for (at, candidate) in self.candidates.iter().enumerate() {
            offer(&|s| s.candidates[at].speaks = s.caller);
            offer(&|s| s.candidates[at].window = None);
            offer(&|s| s.candidates[at].priced = true);
            offer(&|s| s.candidates[at].account = 0);
            for (nth, call_plan) in candidate.calls.iter().enumerate() {
                if candidate.calls.len() > 1 {
                    offer(&|s| {
                        s.candidates[at].calls.remove(nth);
                    });
                }
                let mut call = |change: &dyn Fn(&mut Call)| offer(&|s| change(&mut s.candidates[at].calls[nth]));
                call(&|c| c.fault = Fault::None);
                if call_plan.split != Split::Events {
                    call(&|c| c.split = Split::Events);
                }
                call(&|c| c.comments = false);
                call(&|c| c.crlf = false);
                call(&|c| (c.head_ms, c.pace_ms) = (20, 10));
                call(&|c| c.answer.thoughts = 0);
                call(&|c| c.answer.tools = 0);
                call(&|c| c.answer.words = c.answer.words.min(2));
                call(&|c| c.answer.cut_short = false);
                call(&|c| c.answer.counts = true);
                call(&|c| c.answer.ends_with_words = false);
            }
        }
        list
    }
}

impl Candidate {
    fn draw(random: &mut Random, speaks: Dialect, tools: bool, trouble: u64) -> Self {
        let calls = (0..3).map(|_| Call::draw(random, tools, trouble)).collect();
        let window = random.one_of(&[None, None, Some(8), Some(32)]);
        Self { speaks, account: random.below(2) as usize, window, priced: random.chance(80), calls }
    }
}

impl Call {
    fn draw(random: &mut Random, tools: bool, trouble: u64) -> Self {
        let answer = Answer {
            voice: 0,
            thoughts: if random.chance(20) { random.below(3) as u8 } else { 0 },
            words: random.one_of(&[0, 1, 2, 3, 5, 9]),
            tools: if tools { random.below(3) as u8 } else { 0 },
            cut_short: random.chance(15),
            counts: random.chance(85),
            ends_with_words: random.chance(50),
        };
        let split = match random.below(6) {
            0..=2 => Split::Events,
            3 => Split::Whole,
            4 => Split::Bytes(random.one_of(&[1, 7, 100])),
            _ => Split::Random(random.next()),
        };
        Self {
            answer,
            fault: if random.chance(trouble) { Fault::draw(random) } else { Fault::None },
            head_ms: random.one_of(&[0, 5, 20, 300]),
            pace_ms: random.one_of(&[0, 1, 10, 20, 20, 250, 2_500]),
            split,
            comments: random.chance(10),
            crlf: random.chance(15),
        }
    }
}

impl Fault {
    fn draw(random: &mut Random) -> Self {
        let share = random.below(1_000) as usize;
        match random.below(24) {
            0..=6 => Self::Refuses(random.below(REFUSALS.len() as u64) as usize),
            7 => Self::NoConnection,
            8 => Self::NoHeaders,
            9 => Self::LateContent(random.one_of(&[100, 900, 9_000, 16_000, 700_000])),
            10 | 11 => Self::Stalls(share),
            12..=15 => Self::Cuts { at: share, clean: random.chance(40) },
            16 => Self::Garbage { at: share, instead: random.chance(50) },
            17 | 18 => Self::ErrorEvent { at: share, row: random.below(EVENT_ERRORS.len() as u64) as usize },
            19 => Self::ErrorBody(random.below(EVENT_ERRORS.len() as u64) as usize),
            20 => Self::Html,
            21 => Self::NoTerminator,
            22 => Self::StaysOpen,
            _ => Self::FailedTurn,
        }
    }
}

fn jumps(random: &mut Random) -> Vec<(u32, i64)> {
    (0..=random.below(2))
        .map(|_| (random.below(12) as u32, random.one_of(&[40, 900, 5_000, 60_000, -30, -2_000])))
        .collect()
}
