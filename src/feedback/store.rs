//! The SQL for scores. What one call does is not interrupted, so that a score counts once and whole.

/// Sums by policy, task and model, and how many scores each principal has given on a day (days since 1970).
pub const SCHEMA: &str =
    "CREATE TABLE IF NOT EXISTS scores (policy TEXT NOT NULL, task TEXT NOT NULL, model TEXT NOT NULL, \
    count INTEGER NOT NULL, total INTEGER NOT NULL, PRIMARY KEY (policy, task, model)) WITHOUT ROWID; \
    CREATE TABLE IF NOT EXISTS givers (principal TEXT NOT NULL, day INTEGER NOT NULL, count INTEGER NOT NULL, \
    PRIMARY KEY (principal, day)) WITHOUT ROWID;";
/// A row where a principal has given as many as it may: principal, day, most.
pub const SELECT_FULL: &str = "SELECT 1 FROM givers WHERE principal = ? AND day = ? AND count >= ?";
/// One more of a principal: principal, day.
pub const COUNT_GIVER: &str = "INSERT INTO givers VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET count = count + 1";
/// Forgets days before: day.
pub const FORGET_GIVERS: &str = "DELETE FROM givers WHERE day < ?";
/// One more score: policy, task, model, score. What is old weighs less and less: sums are halved at ten thousand.
pub const ADD_SCORE: &str = "INSERT INTO scores VALUES (?, ?, ?, 1, ?) ON CONFLICT DO UPDATE SET \
    total = iif(count >= 10000, total / 2, total) + excluded.total, count = iif(count >= 10000, count / 2, count) + 1";
/// The sums, those of most scores where there are very many, each as a JSON array.
pub const SELECT_SCORES: &str = "SELECT json_array(policy, task, model, count, total) FROM (SELECT * FROM scores \
    ORDER BY count DESC LIMIT 5000) ORDER BY policy, task, model";
