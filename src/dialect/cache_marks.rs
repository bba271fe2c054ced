//! Where a reusable beginning of the prompt ends: Anthropic's `cache_control` on a block, OpenAI's `prompt_cache_breakpoint`
//! on a part (`wire.md` §2 row `prompt_cache_breakpoint`, §2.4 row "system blocks"). Both sit on one piece of content, and at
//! most four count. What a target has no such mark for is a hint and reported.

use super::canonical::{CacheMark, ChatRequest, Extra, Loss, Part};

/// Anthropic's name, which OpenRouter and Qwen have too.
const ANTHROPIC: &str = "cache_control";
/// OpenAI's.
const OPENAI: &str = "prompt_cache_breakpoint";

/// Most marks that a provider takes.
const MOST: usize = 4;

/// Takes the mark of a content part, if it has one, out of what its decoder could not place.
pub(super) fn take(extras: &mut Vec<Extra>, since: usize, part: &Part) -> Option<Extra> {
    if !matches!(part, Part::Text(_) | Part::Image(_) | Part::File(_)) {
        return None;
    }
    let at = extras.iter().skip(since).position(|extra| is_mark(extra) && !extra.is_default)?;
    Some(extras.remove(since + at))
}

/// Whether a member is a mark, wherever it stands.
pub(super) fn is_mark(extra: &Extra) -> bool {
    [ANTHROPIC, OPENAI].iter().any(|name| extra.field.rsplit('.').next() == Some(name))
}

/// The report of a mark that was left out.
pub(super) fn unsaid(extra: &Extra) -> Loss {
    Loss::advisory(&extra.field, "a mark for prompt caches that has no place there")
}

/// The form in which a target takes marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `cache_control`.
    Anthropic,
    /// `prompt_cache_breakpoint`.
    OpenAi,
    /// None.
    None,
}

/// The marks of a request on their way into a target's body.
#[derive(Debug)]
pub(super) struct Marks<'r> {
    form: Form,
    /// Those that count, each until it is written.
    waiting: Vec<&'r CacheMark>,
    losses: Vec<Loss>,
}

impl<'r> Marks<'r> {
    pub(super) fn new(request: &'r ChatRequest, form: Form) -> Self {
        let mut marks = Self { form, waiting: request.cache_marks.iter().collect(), losses: Vec::new() };
        if form != Form::None && marks.waiting.len() > MOST {
            let early = marks.waiting.len() - MOST;
            let told = marks.waiting.drain(..early);
            marks.losses.extend(told.map(|mark| Loss::advisory(&mark.extra.field, "only the last four marks count")));
        }
        marks
    }

    /// Whether any part of a turn is marked in a form that the target takes.
    pub(super) fn has(&self, turn: usize) -> bool {
        self.form != Form::None && self.waiting.iter().any(|mark| mark.turn == turn)
    }

    /// Puts the mark of a part, if there is one, into the part's JSON object.
    pub(super) fn put(&mut self, turn: usize, part: usize, object: &mut Vec<u8>) {
        let found = self.waiting.iter().position(|mark| (mark.turn, mark.part) == (turn, part));
        let Some(at) = found.filter(|_| self.form != Form::None && object.last() == Some(&b'}')) else { return };
        let mark = self.waiting.remove(at);
        let own = mark.extra.field.ends_with(ANTHROPIC);
        let (member, converted) = match self.form {
            Form::Anthropic if own => (format!("\"{ANTHROPIC}\":{}", mark.extra.value.get()), None),
            Form::OpenAi if !own => (format!("\"{OPENAI}\":{}", mark.extra.value.get()), None),
            // Anthropic keeps a prompt for five minutes or an hour, OpenAI for half an hour or half a day.
            Form::Anthropic => {
                (format!("\"{ANTHROPIC}\":{{\"type\":\"ephemeral\",\"ttl\":\"1h\"}}"), Some("kept for an hour"))
            }
            _ => (format!("\"{OPENAI}\":{{\"mode\":\"explicit\"}}"), Some("kept for half an hour")),
        };
        let field = &mark.extra.field;
        self.losses.extend(converted.map(|how| Loss::converted(field, format!("sent as this target's mark, {how}"))));
        object.pop();
        object.push(b',');
        object.extend_from_slice(member.as_bytes());
        object.push(b'}');
    }

    /// What is to be told of the marks, those that found no place included.
    pub(super) fn told(self) -> Vec<Loss> {
        let unwritten = self.waiting.iter().map(|mark| unsaid(&mark.extra));
        self.losses.into_iter().chain(unwritten).collect()
    }
}
