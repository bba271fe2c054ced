//! What is asked of `GET /v1/usage`: `from`, `to`, `group_by`, `format`.

use crate::accounting::day::is_day;
use crate::error::GatewayError;

/// A query, read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// Which days.
    pub range: Range,
    /// By what the sums are grouped; absent = the whole report.
    pub group_by: Option<Group>,
    /// How the answer is written.
    pub format: Format,
}

/// Days, both ends included; an absent end is open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Range {
    from: Option<String>,
    to: Option<String>,
}

/// By what sums are grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// `provider/model`.
    Model,
    /// UTC days.
    Day,
    /// Kinds of task.
    Task,
}

/// How an answer is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    #[default]
    Json,
    /// CSV with a head line; grouped by day where nothing else is said.
    Csv,
}

impl Query {
    /// Reads a query string, without `?`.
    ///
    /// # Errors
    /// 400 naming the parameter: one that is unknown, given twice, or not understood.
    pub fn read(query: &str) -> Result<Self, GatewayError> {
        let mut read = Self::default();
        let mut seen: Vec<&str> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let bad = |message: &str| Err(GatewayError::invalid(name, message));
            if seen.contains(&name) {
                return bad("The parameter is given twice.");
            }
            seen.push(name);
            match name {
                "from" | "to" if !is_day(value) => return bad("A day is written YYYY-MM-DD (UTC)."),
                "from" => read.range.from = Some(value.to_owned()),
                "to" => read.range.to = Some(value.to_owned()),
                "group_by" => match [Group::Model, Group::Day, Group::Task].into_iter().find(|g| g.name() == value) {
                    Some(group) => read.group_by = Some(group),
                    None => return bad("Sums are grouped by model, day or task."),
                },
                "format" => match value {
                    "json" => read.format = Format::Json,
                    "csv" => read.format = Format::Csv,
                    _ => return bad("The format is json or csv."),
                },
                _ => return bad("There is no such parameter; there are from, to, group_by and format."),
            }
        }
        let Range { from, to } = &read.range;
        if from.as_ref().zip(to.as_ref()).is_some_and(|(from, to)| from > to) {
            return Err(GatewayError::invalid("from", "The first day lies after the last."));
        }
        Ok(read)
    }
}

impl Range {
    /// Reads a range alone, as [`Range::query`] writes it.
    ///
    /// # Errors
    /// As [`Query::read`].
    pub fn read(query: &str) -> Result<Self, GatewayError> {
        Query::read(query).map(|query| query.range)
    }

    /// The range as a query string.
    #[must_use]
    pub fn query(&self) -> String {
        let ends = [("from", &self.from), ("to", &self.to)];
        let given = ends.into_iter().filter_map(|(name, day)| Some(format!("{name}={}", day.as_ref()?)));
        given.collect::<Vec<_>>().join("&")
    }

    /// The first and last day in the order of their names; open ends before and after all.
    #[must_use]
    pub fn days(&self) -> (&str, &str) {
        (self.from.as_deref().unwrap_or(""), self.to.as_deref().unwrap_or("~"))
    }

    /// Whether a day lies in it.
    #[must_use]
    pub fn holds(&self, day: &str) -> bool {
        let (first, last) = self.days();
        first <= day && day <= last
    }

    /// Whether both ends are.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.from.is_none() && self.to.is_none()
    }

    /// The first day, where one is said.
    #[must_use]
    pub fn from(&self) -> Option<&str> {
        self.from.as_deref()
    }

    /// The last day, where one is said.
    #[must_use]
    pub fn to(&self) -> Option<&str> {
        self.to.as_deref()
    }
}

impl Group {
    /// The word in queries and answers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Day => "day",
            Self::Task => "task",
        }
    }
}
