//! Usage × price = cost. The classes of [`Usage`] are disjoint, so each token is priced exactly once (`wire.md` §6, traps
//! 19 to 21).
//!
//! Where a table does not price a class apart:
//!
//! | class | charged as | certainty |
//! |---|---|---|
//! | cache read | input: a table without a discount grants none | stays |
//! | cache write, 5 minutes | input | estimated: providers ask a premium |
//! | cache write, 1 hour | 5-minute write, else input | estimated |
//! | audio in, audio out, cached audio | input, output, cache read | estimated: audio is dearer |
//! | pictures in | input | stays: most count them as text |
//! | pictures out | output | estimated: they are dearer |
//! | reasoning | output | stays |
//! | searches, programs run by the provider | nothing | estimated: providers ask a fee |
//! | another service tier | standard | estimated |
//!
//! A long-context tier holds for the whole request, chosen by all prompt tokens, cached ones included. The hour counts for
//! the standard service tier alone. Read `tests/cost.rs` first.

use serde::{Deserialize, Serialize};

use crate::catalogue::price::{PicoUsd, Rates};
use crate::dialect::canonical::Usage;
pub use crate::dialect::tier::ServiceTier;
use crate::money::{picousd_text, usd};

/// How sure a cost is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Certainty {
    /// The provider's own token counts at known rates.
    Exact,
    /// Counts or rates are partly ours.
    Estimated,
    /// No price is known.
    Unpriced,
}

impl Certainty {
    /// The word in headers and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Estimated => "estimated",
            Self::Unpriced => "unpriced",
        }
    }
}

/// What an attempt costs. An unpriced one has no amount at all, so that it cannot be mistaken for free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "certainty", rename_all = "lowercase", try_from = "Told")]
pub enum Cost {
    /// Known.
    Exact {
        /// Picodollars.
        #[serde(with = "picousd_text")]
        picousd: u64,
    },
    /// About so much.
    Estimated {
        /// Picodollars.
        #[serde(with = "picousd_text")]
        picousd: u64,
    },
    /// Nobody knows.
    Unpriced {},
}

/// A cost as it is read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    certainty: Certainty,
    picousd: Option<Amount>,
}

#[derive(Deserialize)]
struct Amount(#[serde(with = "picousd_text")] u64);

impl TryFrom<Told> for Cost {
    type Error = &'static str;

    fn try_from(Told { certainty, picousd }: Told) -> Result<Self, Self::Error> {
        match (certainty, picousd) {
            (Certainty::Exact, Some(Amount(picousd))) => Ok(Self::Exact { picousd }),
            (Certainty::Estimated, Some(Amount(picousd))) => Ok(Self::Estimated { picousd }),
            (Certainty::Unpriced, None) => Ok(Self::UNPRICED),
            (Certainty::Unpriced, Some(_)) => Err("unpriced is without `picousd`"),
            (_, None) => Err("missing field `picousd`"),
        }
    }
}

impl Cost {
    /// Nothing was charged, and that is certain: an attempt refused before any token.
    pub const NOTHING: Self = Self::Exact { picousd: 0 };
    /// No price is known.
    pub const UNPRICED: Self = Self::Unpriced {};

    /// Picodollars, `None` when unpriced.
    #[must_use]
    pub fn picousd(self) -> Option<u64> {
        match self {
            Self::Exact { picousd } | Self::Estimated { picousd } => Some(picousd),
            Self::Unpriced {} => None,
        }
    }

    /// Exact decimal US dollars (`0.00012`), `None` when unpriced.
    #[must_use]
    pub fn usd(self) -> Option<String> {
        self.picousd().map(|picousd| usd(u128::from(picousd)))
    }

    /// How sure it is.
    #[must_use]
    pub fn certainty(self) -> Certainty {
        match self {
            Self::Exact { .. } => Certainty::Exact,
            Self::Estimated { .. } => Certainty::Estimated,
            Self::Unpriced {} => Certainty::Unpriced,
        }
    }

    /// The same amount, not claimed to be exact.
    #[must_use]
    pub fn as_estimate(self) -> Self {
        match self {
            Self::Exact { picousd } => Self::Estimated { picousd },
            other => other,
        }
    }

    /// Two costs of one request together: as sure as the less sure one, unpriced if either is.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let (Some(a), Some(b)) = (self.picousd(), other.picousd()) else { return Self::UNPRICED };
        let exact = matches!((self, other), (Self::Exact { .. }, Self::Exact { .. }));
        Self::of(a.checked_add(b), exact)
    }

    /// An amount that does not fit is kept at the largest one and called an estimate: it is no real bill.
    fn of(picousd: Option<u64>, exact: bool) -> Self {
        match picousd {
            Some(picousd) if exact => Self::Exact { picousd },
            other => Self::Estimated { picousd: other.unwrap_or(u64::MAX) },
        }
    }
}

/// Whose counts a usage holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provenance {
    /// The provider reported them at the end of the answer.
    Reported,
    /// They are ours, wholly or in part: see [`estimate`].
    Estimated,
}

/// What a usage costs at a model's rates; `None` rates = unpriced. `at_ms` is when the call was sent, Unix milliseconds:
/// some providers charge by the hour of the day.
#[must_use]
pub fn cost(usage: &Usage, provenance: Provenance, rates: Option<&Rates>, at_ms: u64) -> Cost {
    let Some(standard) = rates else { return Cost::UNPRICED };
    let (rates, tier_priced) = match standard.of_service(usage.service) {
        Some(_) if usage.service.is_standard() => (standard.at_hour(at_ms), true),
        Some(rates) => (rates, true),
        None => (standard.at_hour(at_ms), false),
    };
    let rates = rates.at(usage.prompt_tokens());
    let mut bill = Bill { picousd: Some(0), exact: tier_priced && provenance == Provenance::Reported };

    let audio = (usage.audio_input_tokens, rates.audio_input);
    bill.class(
        usage.input_tokens,
        rates.input,
        audio,
        (usage.image_input_tokens, rates.image_input.or(Some(rates.input))),
    );
    let cached_audio = (usage.cached_audio_tokens, rates.cached_audio);
    bill.class(usage.cached_input_tokens.unwrap_or(0), rates.cached(), cached_audio, (None, None));
    let write_5m = rates.cache_write_5m;
    bill.premium(usage.cache_write_5m_tokens.unwrap_or(0), write_5m, rates.input);
    bill.premium(usage.cache_write_1h_tokens.unwrap_or(0), rates.cache_write_1h, write_5m.unwrap_or(rates.input));
    let audio = (usage.audio_output_tokens, rates.audio_output);
    bill.class(usage.output_tokens, rates.output, audio, (usage.image_output_tokens, rates.image_output));
    bill.tokens(usage.reasoning_tokens.unwrap_or(0), rates.reasoning.unwrap_or(rates.output));
    bill.tokens(1, rates.request.unwrap_or(0));

    let searches = usage.web_searches.unwrap_or(0);
    match (rates.web_search, rates.searched_request) {
        (None, Some(fee)) => bill.tokens(searches.min(1), fee),
        (fee, once) => {
            bill.premium(searches, fee, 0);
            bill.tokens(searches.min(1), once.unwrap_or(0));
        }
    }
    bill.premium(usage.file_searches.unwrap_or(0), rates.file_search, 0);
    bill.premium(usage.code_executions.unwrap_or(0), rates.code_execution, 0);
    Cost::of(bill.picousd, bill.exact)
}

/// The usage of an answer that was cut or aborted before its final counts, or whose provider left some out: what it said stays
/// (Anthropic counts the prompt in its first event), the rest is estimated. Priced as [`Provenance::Estimated`].
///
/// `estimated_input_tokens` is the request view's figure; `output_bytes` are the generated bytes seen, four to a token.
#[must_use]
pub fn estimate(reported: Option<&Usage>, estimated_input_tokens: u64, output_bytes: u64) -> Usage {
    let mut usage = reported.copied().unwrap_or_default();
    let prompt = usage.prompt_tokens();
    if usage.input_unknown || prompt == 0 {
        // Of an uncounted prompt the part that comes from a cache may be known.
        usage.input_tokens = estimated_input_tokens.saturating_sub(prompt);
    }
    (usage.input_unknown, usage.output_unknown) = (false, false);
    let generated = usage.completion_tokens().max(output_bytes.div_ceil(4));
    usage.output_tokens = generated.saturating_sub(usage.reasoning_tokens.unwrap_or(0));
    usage
}

/// A running sum; `None` once it no longer fits.
struct Bill {
    picousd: Option<PicoUsd>,
    exact: bool,
}

impl Bill {
    fn tokens(&mut self, tokens: u64, rate: PicoUsd) {
        self.picousd = self.picousd.and_then(|sum| sum.checked_add(tokens.checked_mul(rate)?));
    }

    /// A class that is known to cost more than the rate it falls back to.
    fn premium(&mut self, tokens: u64, rate: Option<PicoUsd>, fallback: PicoUsd) {
        self.exact &= tokens == 0 || rate.is_some();
        self.tokens(tokens, rate.unwrap_or(fallback));
    }

    /// A class of which parts are sound and pictures; more of them than there is of the class cannot be right and is cut.
    fn class(
        &mut self,
        all: u64,
        rate: PicoUsd,
        audio: (Option<u64>, Option<PicoUsd>),
        image: (Option<u64>, Option<PicoUsd>),
    ) {
        let mut rest = all;
        for (part, part_rate) in [audio, image] {
            let part = part.unwrap_or(0);
            self.exact &= part <= rest;
            let part = part.min(rest);
            rest -= part;
            self.premium(part, part_rate, rate);
        }
        self.tokens(rest, rate);
    }
}
