//! What one isolate remembers of conversations: who answered last, and how much of it lies in that provider's prompt cache.
//! A hint, bounded, lost with the isolate; what a decision used of it is part of its recorded input.

use std::collections::HashMap;

use super::input::Session;
use super::rank::draw;
use crate::dialect::canonical::Usage;
use crate::dialect::Dialect;

/// Most conversations that are remembered, twice.
const GENERATION: usize = 1_024;
/// OpenAI's and Gemini's providers cache by themselves from this length on (OpenAI "Prompt caching", Gemini "Implicit caching").
const LEAST_CACHED: u64 = 1_024;

/// Conversations by key. The newer generation takes all that is new; when it is full, the older one is forgotten.
#[derive(Debug, Default)]
pub struct Sessions {
    newer: HashMap<u64, Remembered>,
    older: HashMap<u64, Remembered>,
}

#[derive(Debug, Clone)]
struct Remembered {
    last: String,
    at_ms: u64,
    cached_tokens: u64,
}

/// The key of a principal's conversation: what stands for its name from here on. Also the seed of its draws.
#[must_use]
pub fn key(principal: &str, name: &str) -> u64 {
    seed(draw(draw(0, principal), name))
}

/// The seed of a request without a conversation.
#[must_use]
pub fn seed_of(request_id: &str) -> u64 {
    seed(draw(0, request_id))
}

/// Small enough for every reader of JSON.
fn seed(mixed: u64) -> u64 {
    mixed >> 11
}

/// How much of a conversation its provider has in its cache after an answer: what it reports, or the whole prompt where it
/// caches by itself. Anthropic caches where it is told to, and says what.
#[must_use]
pub fn cached_tokens(dialect: Dialect, usage: &Usage) -> u64 {
    let told = usage.cached_input_tokens.unwrap_or(0).saturating_add(usage.cache_write_tokens());
    let whole = usage.prompt_tokens();
    if dialect == Dialect::AnthropicMessages || whole < LEAST_CACHED {
        told
    } else {
        whole
    }
}

impl Sessions {
    /// What is known of a conversation; forgotten after `keep_ms`.
    #[must_use]
    pub fn find(&self, key: u64, now_ms: u64, keep_ms: u64) -> Session {
        let found = self.newer.get(&key).or_else(|| self.older.get(&key));
        let found = found.map(|found| (found, now_ms.saturating_sub(found.at_ms))).filter(|(_, age)| *age < keep_ms);
        found.map_or_else(Session::default, |(found, age_ms)| Session {
            last: Some(found.last.clone()),
            age_ms,
            cached_tokens: found.cached_tokens,
        })
    }

    /// A conversation was answered by `model` (`provider/model`).
    pub fn answered(&mut self, key: u64, model: &str, cached_tokens: u64, now_ms: u64) {
        if self.newer.len() >= GENERATION && !self.newer.contains_key(&key) {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(key, Remembered { last: model.to_owned(), at_ms: now_ms, cached_tokens });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_answer_of_a_conversation_is_remembered_for_its_time() {
        let mut sessions = Sessions::default();
        let key = key("principal", "name");
        assert_eq!(sessions.find(key, 0, 100), Session::default());
        sessions.answered(key, "a/b", 70, 10);
        let known = Session { last: Some("a/b".into()), age_ms: 99, cached_tokens: 70 };
        assert_eq!(sessions.find(key, 109, 100), known);
        assert_eq!(sessions.find(key, 110, 100), Session::default());
        assert_ne!(key, super::key("another", "name"), "a name is the principal's own");
        assert!(key < 1 << 53);
    }

    #[test]
    fn memory_is_bounded_and_keeps_the_newest() {
        let mut sessions = Sessions::default();
        for key in 0..100_000 {
            sessions.answered(key, "a/b", 0, 0);
        }
        assert!(sessions.newer.len() + sessions.older.len() <= 2 * GENERATION);
        assert!((99_000..100_000).all(|key| sessions.find(key, 0, 1).last.is_some()));
    }

    #[test]
    fn what_is_cached_is_what_providers_say_or_do() {
        let usage = Usage { input_tokens: 2_000, cached_input_tokens: Some(500), ..Usage::default() };
        assert_eq!(cached_tokens(Dialect::AnthropicMessages, &usage), 500);
        assert_eq!(cached_tokens(Dialect::OpenAiChat, &usage), 2_500);
        assert_eq!(cached_tokens(Dialect::Gemini, &Usage { input_tokens: 900, ..Usage::default() }), 0);
    }
}
