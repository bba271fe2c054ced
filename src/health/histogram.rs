//! Times as a histogram that can be added to others: 72 buckets, four to each doubling from 8 ms to half an hour. What it
//! says of a quantile is right to a fifth.

use serde::{Deserialize, Serialize};

const BUCKETS: usize = 72;

/// Counts by bucket. Sparse as JSON: `[[bucket, count], …]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    counts: [u32; BUCKETS],
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: [0; BUCKETS] }
    }
}

impl Histogram {
    /// Counts one time.
    pub fn add(&mut self, ms: u64) {
        if let Some(count) = self.counts.get_mut(bucket(ms)) {
            *count = count.saturating_add(1);
        }
    }

    /// Adds another's counts.
    pub fn merge(&mut self, other: &Self) {
        for (own, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *own = own.saturating_add(*theirs);
        }
    }

    /// Buckets that hold something: where each ends in milliseconds, and its count.
    pub fn edges(&self) -> impl Iterator<Item = (u64, u32)> + '_ {
        self.counts.iter().enumerate().filter(|(_, count)| **count > 0).map(|(at, count)| (edge(at), *count))
    }

    /// How many times were counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().map(|count| u64::from(*count)).sum()
    }

    /// The time that `share_micro` millionths of all stay below, at the upper edge of its bucket; `None` when nothing was
    /// counted.
    #[must_use]
    pub fn quantile(&self, share_micro: u64) -> Option<u64> {
        let rank = self.total().saturating_mul(share_micro).div_ceil(1_000_000).max(1);
        let mut seen = 0u64;
        self.counts.iter().enumerate().find_map(|(at, count)| {
            seen = seen.saturating_add(u64::from(*count));
            (seen >= rank).then(|| edge(at))
        })
    }
}

/// Below 8 ms is bucket 0; bucket `4k + q + 1` begins at `2^(k+3) · (1 + q/4)`.
fn bucket(ms: u64) -> usize {
    if ms < 8 {
        return 0;
    }
    let power = 63 - ms.leading_zeros();
    let quarter = (ms >> (power - 2)) & 3;
    let at = u64::from(power - 3) * 4 + quarter + 1;
    usize::try_from(at).unwrap_or(BUCKETS).min(BUCKETS - 1)
}

/// Where a bucket ends.
fn edge(bucket: usize) -> u64 {
    let at = bucket as u64;
    let (power, quarter) = (3 + at / 4, at % 4);
    (1u64 << power) / 4 * (4 + quarter)
}

impl Serialize for Histogram {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.counts.iter().enumerate().filter(|(_, count)| **count > 0))
    }
}

impl<'de> Deserialize<'de> for Histogram {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut read = Self::default();
        for (at, count) in Vec::<(usize, u32)>::deserialize(deserializer)? {
            if let Some(slot) = read.counts.get_mut(at) {
                *slot = slot.saturating_add(count);
            }
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_quantile_is_the_edge_below_which_so_many_stay() {
        let mut times = Histogram::default();
        assert_eq!(times.quantile(950_000), None);
        (0..95).for_each(|_| times.add(100));
        (0..5).for_each(|_| times.add(5_000));
        assert_eq!(times.quantile(500_000), Some(112));
        assert_eq!(times.quantile(950_000), Some(112));
        assert_eq!(times.quantile(951_000), Some(5_120));
    }

    proptest! {
        #[test]
        fn every_time_is_in_a_bucket_not_much_wider_than_itself(ms in 8u64..12_000) {
            let at = bucket(ms);
            prop_assert!(ms < edge(at) && edge(at - 1) <= ms, "{ms}: bucket {at} ends at {}", edge(at));
            prop_assert!(edge(at) * 4 <= ms * 5 + 4);
        }

        #[test]
        fn adding_histograms_is_adding_times(a in prop::collection::vec(0u64..1_000_000, 0..50), b in prop::collection::vec(0u64..1_000_000, 0..50)) {
            let of = |times: &[u64]| times.iter().fold(Histogram::default(), |mut h, ms| { h.add(*ms); h });
            let mut merged = of(&a);
            merged.merge(&of(&b));
            prop_assert_eq!(&merged, &of(&[a, b].concat()));
            let json = serde_json::to_string(&merged).unwrap();
            prop_assert_eq!(serde_json::from_str::<Histogram>(&json).unwrap(), merged);
        }
    }
}
