//! What is known of a candidate's present state, as values. Who measures them is elsewhere; decisions only read them, and
//! they are recorded with the decision so that it can be replayed.

pub mod circuit;
pub mod histogram;
pub mod meter;
pub mod share;
pub mod watch;

/// One candidate's recent behaviour, as one isolate sees it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Health {
    /// Milliseconds from sending to first content, smoothed; `None` = not seen yet.
    pub ttft_ms: Option<u64>,
    /// Microseconds per generated token after that, smoothed; `None` = not seen yet.
    pub us_per_token: Option<u64>,
    /// Share of recent attempts that failed by the provider's fault, in millionths.
    pub errors_micro: i64,
    /// Attempts in flight.
    pub outstanding: u32,
    /// Its circuit breaker.
    pub breaker: Breaker,
}

/// A circuit breaker, see [`circuit`]: closed lets traffic through, open refuses (also while a probe is under way), half-open
/// lets the next request through as a probe.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "state", rename_all = "snake_case", try_from = "Told")]
pub enum Breaker {
    /// Healthy.
    #[default]
    Closed,
    /// Probing.
    HalfOpen,
    /// Refusing.
    Open {
        /// When the first probe is let through, Unix milliseconds.
        until_ms: u64,
    },
}

/// A circuit breaker as it is read.
#[derive(serde::Deserialize)]
struct Told {
    state: State,
    until_ms: Option<u64>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Closed,
    HalfOpen,
    Open,
}

impl TryFrom<Told> for Breaker {
    type Error = &'static str;

    fn try_from(Told { state, until_ms }: Told) -> Result<Self, Self::Error> {
        match state {
            State::Closed => Ok(Self::Closed),
            State::HalfOpen => Ok(Self::HalfOpen),
            State::Open => until_ms.map(|until_ms| Self::Open { until_ms }).ok_or("missing field `until_ms`"),
        }
    }
}

impl Health {
    /// Whether the breaker refuses at this instant, and until when.
    #[must_use]
    pub fn refuses_until(&self, now_ms: u64) -> Option<u64> {
        match self.breaker {
            Breaker::Open { until_ms } if now_ms < until_ms => Some(until_ms),
            _ => None,
        }
    }

    /// Share of attempts expected to fail, in millionths. A candidate that is refused and tried all the same counts as
    /// failing half of the time at least.
    #[must_use]
    pub fn risk_micro(&self) -> i64 {
        let errors = self.errors_micro.clamp(0, 1_000_000);
        match self.breaker {
            Breaker::Closed | Breaker::HalfOpen => errors,
            Breaker::Open { .. } => errors.max(500_000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_breaker_is_read_as_it_was_written() {
        for breaker in [Breaker::Closed, Breaker::HalfOpen, Breaker::Open { until_ms: 7 }] {
            let text = serde_json::to_string(&breaker).unwrap();
            assert_eq!(serde_json::from_str::<Breaker>(&text).unwrap(), breaker, "{text}");
        }
        assert!(serde_json::from_str::<Breaker>(r#"{"state":"open"}"#).is_err(), "until when?");
    }
}
