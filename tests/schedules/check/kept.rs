//! Invariant 2 for answers that are kept: each reader gets exactly what stands behind its cursor, from any place.

use signalbox::dialect::Dialect;

use super::require;
use crate::schedules::ear;
use crate::schedules::keeper::{Connection, Ended};
use crate::schedules::schedule::Schedule;
use crate::schedules::world::Transcript;
use crate::schedules::Finding;

pub fn check(schedule: &Schedule, transcript: &Transcript) -> Result<(), Finding> {
    let Some(kept) = &transcript.kept else { return Ok(()) };
    let as_array = schedule.as_array && schedule.caller == Dialect::Gemini;
    for connection in &kept.connections {
        let shown = || format!("{connection:?}\n{}", String::from_utf8_lossy(&connection.got));
        match (&kept.whole, connection.ended) {
            (Some(whole), _) => behind(as_array, whole, connection)
                .then_some(())
                .ok_or_else(|| Finding { rule: "a reader gets exactly the rest", what: shown() })?,
            (None, Ended::Closed) => {
                let heard = ear::stream(schedule.caller, as_array && connection.after == 0, &connection.got);
                let told =
                    as_array || heard.is_ok_and(|h| h.error.is_some() || h.complete || connection.got.is_empty());
                require(told || connection.after > 0, "readers of a deleted stream are told", shown)?;
            }
            (None, _) => {}
        }
    }
    let Some(whole) = &kept.whole else { return Ok(()) };
    let heard = ear::stream(schedule.caller, as_array, whole)
        .map_err(|what| Finding { rule: "what is kept is the dialect's", what })?;
    let shown = || String::from_utf8_lossy(whole).into_owned();
    require(!heard.partial, "what is kept ends", shown)?;
    require(heard.complete != heard.error.is_some(), "what is kept has one end", shown)?;
    if as_array {
        return Ok(());
    }
    require(numbered(whole), "events are numbered from 1 on", shown)?;
    // Nothing is added but numbers, and an end where there was none.
    let (plain, written) = (without_numbers(schedule.caller, whole), transcript.body());
    let rule = "what is kept is what was written";
    if transcript.killed.is_some() {
        let same = plain.iter().zip(&written).take_while(|(a, b)| a == b).count();
        let cut = plain[..same].iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let ours = plain[cut..].starts_with(b"event: error") || plain[cut..].starts_with(b"data: {\"error\"");
        return require(ours || plain == written, rule, shown);
    }
    require(plain == written, rule, || {
        format!("{}\ninstead of\n{}", String::from_utf8_lossy(&plain), String::from_utf8_lossy(&written))
    })
}

/// Whether a connection brought what stands behind its cursor: all of it, unless somebody broke it off.
fn behind(as_array: bool, whole: &[u8], connection: &Connection) -> bool {
    let Connection { after, got, .. } = connection;
    let end = if *after == 0 {
        Some(0)
    } else if as_array {
        ear::ends_of_elements(&String::from_utf8_lossy(whole)).get(*after as usize - 1).copied()
    } else {
        end_of(whole, *after)
    };
    let Some(rest) = end.map(|end| &whole[end..]) else { return connection.ended == Ended::Ahead && got.is_empty() };
    match connection.ended {
        Ended::Closed => got == rest,
        Ended::Left | Ended::Broken => rest.starts_with(got),
        // Not yet there when it came.
        Ended::Ahead => got.is_empty(),
        Ended::Unknown => false,
    }
}

/// Where the event of a number ends.
fn end_of(whole: &[u8], number: u64) -> Option<usize> {
    let text = std::str::from_utf8(whole).ok()?;
    let mut at = 0;
    let mut found = false;
    for line in text.split_inclusive('\n') {
        at += line.len();
        let line = line.trim_end_matches(['\r', '\n']);
        found |= line == format!("id: {number}");
        if found && line.is_empty() {
            return Some(at);
        }
    }
    None
}

fn numbered(whole: &[u8]) -> bool {
    let text = String::from_utf8_lossy(whole);
    let ids = text.lines().filter_map(|line| line.strip_prefix("id: "));
    let ids: Vec<Option<u64>> = ids.map(|id| id.parse().ok()).collect();
    let events = text.lines().filter(|line| line.starts_with("data:")).count();
    ids.iter().copied().eq((1..=events as u64).map(Some))
}

/// The same without numbers. Gemini's stand in blocks of their own.
fn without_numbers(dialect: Dialect, whole: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(whole);
    let mut out = String::with_capacity(text.len());
    let mut skip_blank = false;
    for line in text.split_inclusive('\n') {
        let blank = line.trim_end_matches(['\r', '\n']).is_empty();
        if line.starts_with("id: ") {
            skip_blank = dialect == Dialect::Gemini;
        } else if !(skip_blank && blank) {
            out.push_str(line);
            skip_blank = false;
        } else {
            skip_blank = false;
        }
    }
    out.into_bytes()
}
