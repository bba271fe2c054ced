//! Least squares with a penalty on size, over texts' numbers, by conjugate gradients; and the result as a table's function.

use base64::prelude::{Engine, BASE64_STANDARD};
use serde_json::{json, Value};
use signalbox::hashed::{Hashed, MEASURES, ONE};

/// Texts as rows of a sparse matrix: slots folded to a table's size, then measures, then one.
pub struct Matrix {
    rows: Vec<Vec<(u32, f64)>>,
    slots: usize,
}

impl Matrix {
    #[must_use]
    pub fn new<'t>(texts: impl Iterator<Item = &'t Hashed>, bits: u32) -> Self {
        let slots = 1_usize << bits;
        let row = |text: &Hashed| {
            let value = |value: u16| f64::from(value) / text.length as f64;
            let mut row: Vec<(u32, f64)> =
                text.slots.iter().map(|(slot, v)| (u32::from(*slot) & (slots as u32 - 1), value(*v))).collect();
            // The order of the sum below decides its last bits: it must not depend on the text's.
            row.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
            let measures = text.measures.iter().map(|m| *m as f64 / ONE as f64).chain([1.0]);
            row.extend(measures.enumerate().map(|(at, value)| ((slots + at) as u32, value)));
            row
        };
        Self { rows: texts.map(row).collect(), slots }
    }

    /// Weights w that make |Xw − y|² + penalty·|w|² small; the bias is free.
    #[must_use]
    pub fn ridge(&self, targets: &[f64], penalty: f64) -> Vec<f64> {
        const STEPS: usize = 60;
        const ENOUGH: f64 = 1e-7;
        let size = self.slots + MEASURES + 1;
        let mut weights = vec![0.0; size];
        let mut rest = vec![0.0; size];
        // The bias starts at the mean: what is left is small, and few steps are enough.
        let mean = targets.iter().sum::<f64>() / targets.len().max(1) as f64;
        weights[size - 1] = mean;
        for (row, target) in self.rows.iter().zip(targets) {
            row.iter().for_each(|(at, value)| rest[*at as usize] += value * (target - mean));
        }
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let mut direction = rest.clone();
        let first = dot(&rest, &rest);
        let mut error = first;
        for _ in 0..STEPS {
            if error <= first * ENOUGH {
                break;
            }
            let image = self.normal(&direction, penalty);
            let step = error / dot(&direction, &image);
            for at in 0..size {
                weights[at] += step * direction[at];
                rest[at] -= step * image[at];
            }
            let next = dot(&rest, &rest);
            for at in 0..size {
                direction[at] = rest[at] + next / error * direction[at];
            }
            error = next;
        }
        weights
    }

    /// (XᵀX + penalty) v
    fn normal(&self, vector: &[f64], penalty: f64) -> Vec<f64> {
        let bias = vector.len() - 1;
        let mut image: Vec<f64> = vector.iter().map(|value| value * penalty).collect();
        image[bias] = 1e-6 * vector[bias];
        for row in &self.rows {
            let value: f64 = row.iter().map(|(at, value)| vector[*at as usize] * value).sum();
            row.iter().for_each(|(at, own)| image[*at as usize] += value * own);
        }
        image
    }

    /// Weights as a table's function: signed bytes and what one of them stands for.
    #[must_use]
    pub fn function(&self, weights: &[f64]) -> Value {
        let (words, rest) = weights.split_at(self.slots);
        let most = words.iter().fold(1e-9_f64, |most, weight| most.max(weight.abs()));
        let scale = round(most / 127.0);
        let bytes: Vec<u8> =
            words.iter().map(|weight| ((weight / scale).round().clamp(-127.0, 127.0) as i8) as u8).collect();
        json!({
            "weights": BASE64_STANDARD.encode(bytes),
            "scale": scale,
            "measures": rest[..MEASURES].iter().map(|weight| round(*weight)).collect::<Vec<_>>(),
            "bias": round(rest[MEASURES]),
        })
    }
}

/// To the billionth: what the gateway reads of it.
fn round(number: f64) -> f64 {
    (number * 1e9).round() / 1e9
}
