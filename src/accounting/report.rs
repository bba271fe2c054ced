//! The answers of `GET /v1/usage`: a principal's sums. Their JSON Schemas are `docs/schemas/usage.schema.json` and
//! `usage.groups.schema.json`.

mod query;

use serde::{Deserialize, Serialize};

use super::counters::Counters;
use super::ledger::Place;
use crate::money::PicoSum;
use crate::sorted::Map;

pub use query::{Format, Group, Query, Range};

/// Days that an answer without a range lists at most; its totals and models cover everything.
pub const DAYS: usize = 92;

/// A principal's sums as its ledger tells them: the body of the object's `GET /sums`.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Sums {
    sums: Vec<(Place, Counters)>,
    /// How many shards have more.
    #[serde(default)]
    pub shards: u32,
}

impl Sums {
    /// None yet, of a ledger with so many shards.
    #[must_use]
    pub fn with_more(shards: u32) -> Self {
        Self { sums: Vec::new(), shards }
    }

    /// Puts one in.
    pub fn add(&mut self, sum: (Place, Counters)) {
        self.sums.push(sum);
    }

    /// Puts all of another ledger's in.
    pub fn join(&mut self, other: Self) {
        self.sums.extend(other.sums);
    }

    /// The body that [`Sums::read`] reads.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Texts and integers only: there is nothing here that JSON cannot say.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads what a ledger says.
    ///
    /// # Errors
    /// The ledger's: no sums.
    pub fn read(body: &str) -> Result<Self, serde_json::Error> {
        crate::json::from_str(body)
    }

    /// Renders the answer to a query: the body and its media type.
    #[must_use]
    pub fn answer(&self, principal: &str, query: &Query) -> (String, &'static str) {
        match (query.format, query.group_by) {
            (Format::Csv, group) => (self.csv(group.unwrap_or(Group::Day)), "text/csv; charset=utf-8"),
            (Format::Json, Some(group)) => (self.grouped(principal, query, group), "application/json"),
            (Format::Json, None) => (self.whole(principal, query), "application/json"),
        }
    }

    fn whole(&self, principal: &str, query: &Query) -> String {
        let days = self.by(Group::Day);
        let since = days.keys().next().copied();
        let listed = if query.range.is_open() { DAYS } else { usize::MAX };
        json(&Report {
            object: "signalbox.usage",
            principal,
            since,
            totals: Figures::of(&self.totals()),
            models: self
                .by(Group::Model)
                .iter()
                .map(|(model, sum)| OfModel { model, sums: Figures::of(sum) })
                .collect(),
            days: days.iter().rev().take(listed).map(|(day, sum)| OfDay { day, sums: Figures::of(sum) }).collect(),
        })
    }

    fn grouped(&self, principal: &str, query: &Query, group: Group) -> String {
        json(&Groups {
            object: "signalbox.usage.groups",
            principal,
            from: query.range.from(),
            to: query.range.to(),
            group_by: group.name(),
            totals: Figures::of(&self.totals()),
            groups: self.by(group).iter().map(|(name, sum)| OfGroup { group: name, sums: Figures::of(sum) }).collect(),
        })
    }

    fn csv(&self, group: Group) -> String {
        let mut out = format!("{},{}\r\n", group.name(), Figures::COLUMNS.join(","));
        for (name, sum) in self.by(group) {
            out.push_str(&cell(name));
            for value in Figures::of(&sum).row() {
                out.push(',');
                out.push_str(&value);
            }
            out.push_str("\r\n");
        }
        out
    }

    fn totals(&self) -> Counters {
        self.sums.iter().fold(Counters::default(), |mut all, (_, sum)| {
            all.add(sum);
            all
        })
    }

    fn by(&self, group: Group) -> Map<&str, Counters> {
        let mut groups: Map<&str, Counters> = Map::new();
        for ((day, model, task), sum) in &self.sums {
            let name = match group {
                Group::Day => day.as_str(),
                Group::Model => model,
                // Of what no task is known.
                Group::Task if task.is_empty() => "unknown",
                Group::Task => task,
            };
            groups.entry(name).or_default().add(sum);
        }
        groups
    }
}

fn json(report: &impl Serialize) -> String {
    // Strings and integers only: there is nothing here that JSON cannot say.
    serde_json::to_string(report).unwrap_or_default()
}

/// A name as a CSV cell (RFC 4180). Names that a spreadsheet would read as formulas are told apart by a leading apostrophe.
fn cell(name: &str) -> String {
    let name = if name.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{name}") } else { name.to_owned() };
    if name.contains(['"', ',', '\r', '\n']) {
        format!("\"{}\"", name.replace('"', "\"\""))
    } else {
        name
    }
}

#[derive(Serialize)]
struct Report<'a> {
    object: &'static str,
    principal: &'a str,
    since: Option<&'a str>,
    totals: Figures,
    models: Vec<OfModel<'a>>,
    days: Vec<OfDay<'a>>,
}

#[derive(Serialize)]
struct Groups<'a> {
    object: &'static str,
    principal: &'a str,
    from: Option<&'a str>,
    to: Option<&'a str>,
    group_by: &'static str,
    totals: Figures,
    groups: Vec<OfGroup<'a>>,
}

#[derive(Serialize)]
struct OfModel<'a> {
    model: &'a str,
    #[serde(flatten)]
    sums: Figures,
}

#[derive(Serialize)]
struct OfDay<'a> {
    day: &'a str,
    #[serde(flatten)]
    sums: Figures,
}

#[derive(Serialize)]
struct OfGroup<'a> {
    group: &'a str,
    #[serde(flatten)]
    sums: Figures,
}

#[derive(Serialize)]
struct Figures {
    requests: u64,
    attempts: u64,
    open: u64,
    outcomes: Outcomes,
    input_tokens: u64,
    cached_input_tokens: u64,
    cache_write_5m_tokens: u64,
    cache_write_1h_tokens: u64,
    output_tokens: u64,
    reasoning_tokens: u64,
    audio_input_tokens: u64,
    audio_output_tokens: u64,
    cost_usd: String,
    cost_picousd: PicoSum,
    certainty: ByCertainty,
}

#[derive(Serialize)]
struct Outcomes {
    completed: u64,
    failed: u64,
    cut: u64,
    client_gone: u64,
    hedged: u64,
    expired: u64,
}

#[derive(Serialize)]
struct ByCertainty {
    exact: Share,
    estimated: Share,
    unpriced: u64,
}

#[derive(Serialize)]
struct Share {
    attempts: u64,
    cost_usd: String,
    cost_picousd: PicoSum,
}

impl Figures {
    const COLUMNS: [&str; 23] = [
        "requests",
        "attempts",
        "open",
        "completed",
        "failed",
        "cut",
        "client_gone",
        "hedged",
        "expired",
        "input_tokens",
        "cached_input_tokens",
        "cache_write_5m_tokens",
        "cache_write_1h_tokens",
        "output_tokens",
        "reasoning_tokens",
        "audio_input_tokens",
        "audio_output_tokens",
        "cost_usd",
        "cost_picousd",
        "exact_cost_usd",
        "estimated_cost_usd",
        "estimated_attempts",
        "unpriced_attempts",
    ];

    /// One line of CSV, in the order of [`Figures::COLUMNS`].
    fn row(&self) -> [String; 23] {
        let counts = [
            self.requests,
            self.attempts,
            self.open,
            self.outcomes.completed,
            self.outcomes.failed,
            self.outcomes.cut,
            self.outcomes.client_gone,
            self.outcomes.hedged,
            self.outcomes.expired,
            self.input_tokens,
            self.cached_input_tokens,
            self.cache_write_5m_tokens,
            self.cache_write_1h_tokens,
            self.output_tokens,
            self.reasoning_tokens,
            self.audio_input_tokens,
            self.audio_output_tokens,
        ];
        let money = [
            self.cost_usd.clone(),
            self.cost_picousd.0.to_string(),
            self.certainty.exact.cost_usd.clone(),
            self.certainty.estimated.cost_usd.clone(),
            self.certainty.estimated.attempts.to_string(),
            self.certainty.unpriced.to_string(),
        ];
        let mut cells = counts.iter().map(u64::to_string).chain(money);
        std::array::from_fn(|_| cells.next().unwrap_or_default())
    }

    fn of(counters: &Counters) -> Self {
        let share = |attempts, picousd: PicoSum| Share { attempts, cost_usd: picousd.usd(), cost_picousd: picousd };
        Self {
            requests: counters.requests,
            attempts: counters.attempts,
            open: counters.open,
            outcomes: Outcomes {
                completed: counters.completed,
                failed: counters.failed,
                cut: counters.cut,
                client_gone: counters.client_gone,
                hedged: counters.hedged,
                expired: counters.expired,
            },
            input_tokens: counters.input_tokens,
            cached_input_tokens: counters.cached_input_tokens,
            cache_write_5m_tokens: counters.cache_write_5m_tokens,
            cache_write_1h_tokens: counters.cache_write_1h_tokens,
            output_tokens: counters.output_tokens,
            reasoning_tokens: counters.reasoning_tokens,
            audio_input_tokens: counters.audio_input_tokens,
            audio_output_tokens: counters.audio_output_tokens,
            cost_usd: counters.picousd().usd(),
            cost_picousd: counters.picousd(),
            certainty: ByCertainty {
                exact: share(counters.exact_attempts, counters.exact_picousd),
                estimated: share(counters.estimated_attempts, counters.estimated_picousd),
                unpriced: counters.unpriced_attempts,
            },
        }
    }
}

#[cfg(test)]
mod tests;
