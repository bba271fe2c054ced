//! The measures of `routing-data/score.py`, whose docstring defines them.

use super::Row;

/// What a curve of decisions is worth.
#[derive(Debug, Clone, Copy)]
pub struct Score {
    /// 0 = mixing single models at random, 1 = knowing every answer in advance.
    pub gain: f64,
    /// Least cost for 95 % of the best single model's quality, as a share of its cost.
    pub cost_at_95: Option<f64>,
}

type Point = (f64, f64);

/// Scores picks: per row, one for each knob.
#[must_use]
pub fn score(rows: &[Row], picks: &[Vec<usize>]) -> Score {
    let all: Vec<usize> = (0..rows.len()).collect();
    score_of(rows, picks, &all)
}

/// The bounds within which 95 of 100 resampled sets of rows fall: gain, cost@0.95.
#[must_use]
pub fn intervals(rows: &[Row], picks: &[Vec<usize>], times: usize) -> [(f64, f64); 2] {
    let mut state = 7_u64;
    let mut draw = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let scores: Vec<Score> = (0..times)
        .map(|_| {
            let sample: Vec<usize> = rows.iter().map(|_| draw(rows.len())).collect();
            score_of(rows, picks, &sample)
        })
        .collect();
    let bounds = |figure: fn(&Score) -> f64| {
        let mut values: Vec<f64> = scores.iter().map(figure).collect();
        values.sort_by(f64::total_cmp);
        let at = |share: f64| values[((share * values.len() as f64) as usize).min(values.len() - 1)];
        (at(0.025), at(0.975))
    };
    [bounds(|score| score.gain), bounds(|score| score.cost_at_95.unwrap_or(f64::INFINITY))]
}

fn score_of(rows: &[Row], picks: &[Vec<usize>], sample: &[usize]) -> Score {
    let models = rows[0].quality.len();
    let count = sample.len() as f64;
    let point = |pick: &dyn Fn(usize) -> usize| -> Point {
        let (mut cost, mut quality) = (0.0, 0.0);
        for at in sample {
            let model = pick(*at);
            cost += rows[*at].cost[model] / count;
            quality += rows[*at].quality[model] / count;
        }
        (cost, quality)
    };
    let singles: Vec<Point> = (0..models).map(|model| point(&|_| model)).collect();
    let best = singles.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.total_cmp(&a.0))).unwrap();
    let cheapest = singles.iter().copied().min_by(|a, b| a.0.total_cmp(&b.0).then(b.1.total_cmp(&a.1))).unwrap();
    let oracle = (-9..65).map(|step| {
        let lambda = if step == -9 { 0.0 } else { 10_f64.powf(f64::from(step) / 8.0) };
        point(&|at| {
            let row = &rows[at];
            let value = |model: &usize| row.quality[*model] - lambda * row.cost[*model];
            let better =
                |a: &usize, b: &usize| value(a).total_cmp(&value(b)).then(row.cost[*b].total_cmp(&row.cost[*a]));
            // max_by keeps the last of equals, score.py the first.
            (0..models).rev().max_by(better).unwrap()
        })
    });
    let knobs = picks.first().map_or(0, Vec::len);
    let ours = hull((0..knobs).map(|knob| point(&|at| picks[at][knob])).chain([cheapest]).collect());
    let (oracle, zero) = (hull(oracle.chain([cheapest]).collect()), hull(singles));
    let area = |curve: &[Point]| area(curve, cheapest.0, best.0);
    Score {
        gain: (area(&ours) - area(&zero)) / (area(&oracle) - area(&zero)),
        cost_at_95: cost_at(&ours, 0.95 * best.1).map(|cost| cost / best.0),
    }
}

/// Upper concave, non-decreasing envelope, left to right.
fn hull(mut points: Vec<Point>) -> Vec<Point> {
    points.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.total_cmp(&a.1)));
    let mut hull: Vec<Point> = Vec::new();
    for (cost, quality) in points {
        if hull.last().is_some_and(|last| quality <= last.1) {
            continue;
        }
        while let [.., (a, p), (b, q)] = hull[..] {
            if (q - p) * (cost - a) > (quality - p) * (b - a) {
                break;
            }
            hull.pop();
        }
        hull.push((cost, quality));
    }
    hull
}

fn height(hull: &[Point], cost: f64) -> f64 {
    let after = hull.windows(2).find(|pair| cost <= pair[1].0);
    match after {
        _ if cost <= hull[0].0 => hull[0].1,
        Some(pair) => pair[0].1 + (pair[1].1 - pair[0].1) * (cost - pair[0].0) / (pair[1].0 - pair[0].0),
        None => hull[hull.len() - 1].1,
    }
}

fn area(hull: &[Point], from: f64, to: f64) -> f64 {
    let inside = hull.iter().map(|point| point.0).filter(|cost| from < *cost && *cost < to);
    let mut places: Vec<f64> = inside.chain([from, to]).collect();
    places.sort_by(f64::total_cmp);
    let slice = |pair: &[f64]| (height(hull, pair[0]) + height(hull, pair[1])) / 2.0 * (pair[1] - pair[0]);
    places.windows(2).map(slice).sum::<f64>() / (to - from)
}

fn cost_at(hull: &[Point], quality: f64) -> Option<f64> {
    if hull[0].1 >= quality {
        return Some(hull[0].0);
    }
    let pair = hull.windows(2).find(|pair| pair[1].1 >= quality)?;
    Some(pair[0].0 + (pair[1].0 - pair[0].0) * (quality - pair[0].1) / (pair[1].1 - pair[0].1))
}
