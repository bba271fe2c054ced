//! Which requests' spans are exported. Head: a share, decided by the trace id, so that every part of a trace is decided
//! alike. Tail: what failed, was slow or was dear is exported in any case. A caller's sampled flag decides nothing: it
//! could otherwise make us pay for its traces.

use super::record::RequestRecord;
use crate::config::telemetry::{Tail, Telemetry};

/// Whether a request's spans go to collectors.
#[must_use]
pub fn exported(record: &RequestRecord, settings: &Telemetry) -> bool {
    let tail = &settings.tail;
    let slow = tail.slow_ms.is_some_and(|bound| record.duration_ms >= bound);
    let dear = tail.cost_picousd.is_some_and(|bound| record.picousd().is_some_and(|cost| cost >= bound));
    (tail.errors && record.failed()) || slow || dear || in_share(&record.trace_id, settings.sampling_micro)
}

/// Whether they may: false only where nothing can be found out of the request that would have them exported.
#[must_use]
pub fn may_be_exported(trace_id: &str, settings: &Telemetry) -> bool {
    settings.tail != Tail::default() || in_share(trace_id, settings.sampling_micro)
}

/// The last 56 bits of a trace id are random (W3C trace context, level 2): below a bound by that share of traces.
fn in_share(trace_id: &str, share_micro: i64) -> bool {
    let random = trace_id.get(18..).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or(0);
    let bound = (1u128 << 56) * u128::try_from(share_micro).unwrap_or(0) / 1_000_000;
    u128::from(random) < bound
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounting::Cost;

    fn record(trace_id: &str) -> RequestRecord {
        RequestRecord { trace_id: trace_id.to_owned(), ..RequestRecord::default() }
    }

    #[test]
    fn the_share_is_that_of_traces_and_the_same_for_every_part_of_one() {
        let settings = |share| Telemetry { sampling_micro: share, ..Telemetry::default() };
        let ids: Vec<String> =
            (0..10_000u64).map(|n| format!("{:032x}", u128::from(n.wrapping_mul(0x9E37_79B9_7F4A_7C15)))).collect();
        let count = |share| ids.iter().filter(|id| exported(&record(id), &settings(share))).count();
        assert_eq!((count(0), count(1_000_000)), (0, 10_000));
        let tenth = count(100_000);
        assert!((900..1_100).contains(&tenth), "{tenth}");
    }

    #[test]
    fn what_failed_was_slow_or_dear_is_exported_whatever_the_share() {
        let settings = Telemetry {
            tail: Tail { errors: true, slow_ms: Some(5_000), cost_picousd: Some(1_000) },
            ..Telemetry::default()
        };
        let never = "ffffffffffffffffffffffffffffffff";
        assert!(!exported(&record(never), &settings));
        let failed = RequestRecord { blame: Some("upstream".into()), ..record(never) };
        let callers = RequestRecord { blame: Some("caller".into()), ..record(never) };
        let slow = RequestRecord { duration_ms: 5_000, ..record(never) };
        let dear = RequestRecord { cost: Some(Cost::Estimated { picousd: 1_000 }), ..record(never) };
        let told = [failed, callers, slow, dear].map(|record| exported(&record, &settings));
        assert_eq!(told, [true, false, true, true]);
    }
}
