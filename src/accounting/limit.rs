//! What a principal may use, as its ledger is asked: the attempt that wants to go out, what it may cost at most, and the
//! bounds that it falls under. Bounds travel with each question (they are signed claims and configuration); the ledger
//! stores what was used and nothing else.

use serde::{Deserialize, Serialize};

use super::day::{day_of, DAY_MS};
use super::ledger::Opened;
use crate::config::choice::Pattern;
use crate::identity::limits::Period;
use crate::identity::Limits;
use crate::money::{picousd_text, usd};

/// The length of the window in which requests and tokens are counted.
pub const MINUTE_MS: u64 = 60_000;

/// One bound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// Picodollars in a calendar period, for the models that a pattern covers; no pattern = all.
    Money {
        /// Day or month, UTC.
        period: Period,
        /// How much.
        #[serde(with = "picousd_text")]
        picousd: u64,
        /// For which models.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        models: Vec<Pattern>,
    },
    /// Requests begun in any minute.
    Requests(u64),
    /// Tokens in any minute.
    Tokens(u64),
    /// Requests under way at once.
    Concurrent(u64),
}

/// What an attempt may use. It is granted as much of `most` as there is, at the least `least`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// Picodollars without which it is not worth sending.
    #[serde(with = "picousd_text")]
    pub least_picousd: u64,
    /// Picodollars that it may cost.
    #[serde(with = "picousd_text")]
    pub most_picousd: u64,
    /// Tokens that it may take.
    pub tokens: u64,
}

/// An attempt asks to be let out: the body of `POST /grant`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// The attempt. What it is granted is not known yet.
    pub opened: Opened,
    /// What it may use.
    pub need: Need,
    /// What the principal may.
    pub bounds: Vec<Bound>,
    /// The isolate that asks.
    pub by: String,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It may go out; a reservation stands in the books.
    Granted {
        /// Picodollars reserved.
        #[serde(with = "picousd_text")]
        picousd: u64,
        /// More for the isolate's next attempts at the same model.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        slice: Option<Slice>,
        /// Out of a slice: no ledger was asked, and none knows of the attempt yet.
        #[serde(skip)]
        sliced: bool,
    },
    /// It may not.
    Refused(Refused),
}

/// A part of what is left, lent to one isolate for its own grants at one model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    /// Picodollars.
    #[serde(with = "picousd_text")]
    pub picousd: u64,
    /// For so long from the asking on.
    pub ms: u64,
}

/// Which bound stands in the way, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The bound.
    pub bound: Bound,
    /// What is left of it: picodollars, requests or tokens.
    #[serde(with = "picousd_text")]
    pub left: u64,
    /// When it begins anew, Unix ms; for rates, when there is room again.
    pub resets_at_ms: u64,
    /// What is under way may leave enough over before that.
    pub passes: bool,
}

impl Bound {
    /// The bounds of a principal's limits that its ledger keeps.
    #[must_use]
    pub fn of(limits: &Limits) -> Vec<Self> {
        let money = limits.budgets.iter().map(|budget| Self::Money {
            period: budget.period,
            picousd: budget.amount.0,
            models: budget.models.iter().map(|pattern| Pattern::parse(pattern)).collect(),
        });
        let rates = [
            limits.requests_per_minute.map(Self::Requests),
            limits.tokens_per_minute.map(Self::Tokens),
            limits.concurrent_requests.map(Self::Concurrent),
        ];
        money.chain(rates.into_iter().flatten()).collect()
    }

    /// Whether a model (`provider/model`) falls under it.
    #[must_use]
    pub fn covers(&self, model: &str) -> bool {
        match self {
            Self::Money { models, .. } => models.is_empty() || models.iter().any(|pattern| pattern.covers(model)),
            Self::Requests(_) | Self::Tokens(_) | Self::Concurrent(_) => true,
        }
    }

    /// Whether it is about money.
    #[must_use]
    pub fn is_money(&self) -> bool {
        matches!(self, Self::Money { .. })
    }

    /// What is bounded, for people.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Money { period, picousd, models } => {
                let names: Vec<String> = models.iter().cloned().map(String::from).collect();
                let group = if names.is_empty() { String::new() } else { format!(" for {}", names.join(", ")) };
                format!("{} US dollars per {}{group}", usd(u128::from(*picousd)), period.name())
            }
            Self::Requests(most) => format!("{most} requests per minute"),
            Self::Tokens(most) => format!("{most} tokens per minute"),
            Self::Concurrent(most) => format!("{most} requests at a time"),
        }
    }
}

/// The month of a day, `YYYY-MM`.
#[must_use]
pub fn month_of(day: &str) -> &str {
    day.get(..7).unwrap_or(day)
}

/// When the period that holds an instant ends, Unix ms.
#[must_use]
pub fn end_of(period: Period, at_ms: u64) -> u64 {
    let tomorrow = (at_ms / DAY_MS).saturating_add(1).saturating_mul(DAY_MS);
    match period {
        Period::Day => tomorrow,
        Period::Month => {
            let today = day_of(at_ms);
            let midnights = (0..32).map(|days| tomorrow.saturating_add(days * DAY_MS));
            midnights.into_iter().find(|at| month_of(&day_of(*at)) != month_of(&today)).unwrap_or(tomorrow)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_end_at_midnight_utc() {
        let instant = |day: &str| (0..40_000).map(|n| n * DAY_MS).find(|ms| day_of(*ms) == day).unwrap();
        for (at, month_ends) in
            [("2026-01-31", "2026-02-01"), ("2028-02-01", "2028-03-01"), ("2026-12-15", "2027-01-01")]
        {
            let noon = instant(at) + DAY_MS / 2;
            assert_eq!(end_of(Period::Month, noon), instant(month_ends), "{at}");
            assert_eq!(end_of(Period::Day, noon), instant(at) + DAY_MS);
        }
        assert_eq!(end_of(Period::Day, instant("2026-05-05")), instant("2026-05-06"), "midnight belongs to its day");
    }

    #[test]
    fn a_question_is_read_as_it_was_written() {
        let json = r#"{"budget":[{"usd":"5","period":"day"},{"usd":"1","period":"month","models":["a/*","m"]}],"requests_per_minute":9,"concurrent_requests":2}"#;
        let bounds = Bound::of(&serde_json::from_str(json).unwrap());
        let back: Vec<Bound> = serde_json::from_str(&serde_json::to_string(&bounds).unwrap()).unwrap();
        assert_eq!(back, bounds);
        assert_eq!(bounds.len(), 4);
        assert!(bounds[1].covers("a/x") && bounds[1].covers("b/m") && !bounds[1].covers("b/x"));
        assert_eq!(bounds[1].text(), "1 US dollars per month for a/*, m");
    }
}
