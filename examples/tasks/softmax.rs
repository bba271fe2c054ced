//! Weights of a softmax over sparse rows, by stochastic gradient with steps that shrink where a weight has moved much
//! (AdaGrad). Parts of each row are left out at random, so that no single word decides.

use super::phrases::Random;

/// (column, value)
pub type Row = Vec<(u32, f32)>;

pub struct Settings {
    pub epochs: usize,
    pub step: f32,
    /// Pull of each weight towards zero, per step.
    pub decay: f32,
    /// Parts of a row that are left out, in percent.
    pub dropped: usize,
}

/// Weights by class.
#[must_use]
pub fn train(rows: &[(Row, usize)], columns: usize, classes: usize, settings: &Settings, seed: u64) -> Vec<Vec<f32>> {
    let mut random = Random(seed);
    let mut weights = vec![vec![0.0_f32; classes]; columns];
    let mut moved = vec![vec![1e-3_f32; classes]; columns];
    let mut order: Vec<usize> = (0..rows.len()).collect();
    for _ in 0..settings.epochs {
        for at in (1..order.len()).rev() {
            order.swap(at, random.below(at + 1));
        }
        for at in &order {
            let (row, class) = &rows[*at];
            let kept: Row = row.iter().copied().filter(|_| random.below(100) >= settings.dropped).collect();
            let mut error = probabilities(&kept, &weights, classes);
            error[*class] -= 1.0;
            for (column, value) in &kept {
                let (weights, moved) = (&mut weights[*column as usize], &mut moved[*column as usize]);
                for k in 0..classes {
                    let slope = error[k] * value + settings.decay * weights[k];
                    moved[k] += slope * slope;
                    weights[k] -= settings.step * slope / moved[k].sqrt();
                }
            }
        }
    }
    (0..classes).map(|k| weights.iter().map(|column| column[k]).collect()).collect()
}

fn probabilities(row: &Row, weights: &[Vec<f32>], classes: usize) -> Vec<f32> {
    let mut logits = vec![0.0_f32; classes];
    for (column, value) in row {
        for (logit, weight) in logits.iter_mut().zip(&weights[*column as usize]) {
            *logit += weight * value;
        }
    }
    softmax(&logits)
}

/// Of a row with weights by class, with logits divided by a temperature.
#[must_use]
pub fn probabilities_at(row: &Row, weights: &[Vec<f32>], temperature: f32) -> Vec<f32> {
    let logit = |weights: &Vec<f32>| row.iter().map(|(column, value)| weights[*column as usize] * value).sum::<f32>();
    softmax(&weights.iter().map(|weights| logit(weights) / temperature).collect::<Vec<_>>())
}

fn softmax(logits: &[f32]) -> Vec<f32> {
    let most = logits.iter().copied().fold(f32::MIN, f32::max);
    let powers: Vec<f32> = logits.iter().map(|logit| (logit - most).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.iter().map(|power| power / sum).collect()
}
