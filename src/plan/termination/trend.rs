//! The memory of the cells before it foretells the memory of a cell.
//!
//! Two descriptions: the plane `a + b·parameters + c·bits a weight`, which holds between what was measured, and the line over
//! the weights' bytes (parameters × bits ÷ 8), which holds beyond it, too. Each is a least-squares fit with its error: the root
//! mean square of the relative residuals, over the cells beyond those that determine the fit.

use super::memory::Limit;
use super::words::{billions, evidence, size, sizes};
use super::{Candidate, Rule, Seen, Settings, Skip};
use crate::stats::float;

/// Fewer cells foretell nothing.
const LEAST_CELLS: usize = 3;
/// A fit that misses the measured cells by more than this share foretells nothing.
const WORST_ERROR: f64 = 0.15;
/// Two models' files of one quantization differ in bits a weight by so much at most.
const MARGIN: f64 = 0.05;

/// More is foretold than the smaller of free and allowed memory, of a cell whose need was not counted.
pub(super) fn decide(settings: &Settings, seen: &[Seen], candidate: &Candidate) -> Option<Skip> {
    if candidate.need_bytes.is_some() {
        return None;
    }
    let limit = Limit::of(settings)?;
    let measured: Vec<(&Seen, u64)> = seen.iter().filter_map(|seen| Some((seen, seen.memory_bytes?))).collect();
    let cells: Vec<Cell> = measured.iter().map(|(seen, bytes)| Cell::new(&seen.candidate, *bytes)).collect();
    let forecast = forecast(&cells, &Cell::new(candidate, 0))?;
    if forecast.bytes <= float(limit.bytes) {
        return None;
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // positive, and saturates
    let (need, allowed) = sizes(forecast.bytes.round() as u64, limit.bytes);
    let error = forecast.error.map(|error| format!(", which it fits within {:.0} %", (error * 100.0).ceil().max(1.0)));
    let reason = format!(
        "would take about {need} by the trend of {} cells{}; {}",
        cells.len(),
        error.unwrap_or_default(),
        limit.words(&allowed)
    );
    let what = |seen: &Seen, bytes: u64| {
        let params = seen.candidate.n_params.map(|n| format!(", {}", billions(n))).unwrap_or_default();
        format!("took {} of memory; file {}{params}", size(bytes), size(seen.candidate.size_bytes))
    };
    let evidence = measured.iter().map(|(seen, bytes)| evidence(seen, what(seen, *bytes))).collect();
    Some(Skip::new(Rule::MemoryTrend, reason, evidence))
}

/// What the trend needs to know of a cell. Sizes are in GB and billions, so that the equations are well conditioned.
#[derive(Clone, Copy, Debug)]
struct Cell {
    weights_gb: f64,
    /// Billions of parameters and bits a weight, where the parameters are known.
    shape: Option<(f64, f64)>,
    memory_gb: f64,
}

impl Cell {
    fn new(candidate: &Candidate, memory_bytes: u64) -> Self {
        let weights_gb = float(candidate.size_bytes) / 1e9;
        let params = candidate.n_params.filter(|&n| n > 0).map(|n| float(n) / 1e9);
        let shape = params.map(|params| (params, weights_gb * 8.0 / params));
        Self { weights_gb, shape, memory_gb: float(memory_bytes) / 1e9 }
    }
}

/// A foretold size.
#[derive(Clone, Copy, Debug)]
struct Forecast {
    bytes: f64,
    /// As a share of what was measured; none where as many cells as coefficients leave nothing to tell it from.
    error: Option<f64>,
}

/// Between what was measured the better of plane and line, beyond it the line.
fn forecast(cells: &[Cell], wanted: &Cell) -> Option<Forecast> {
    if cells.len() < LEAST_CELLS {
        return None;
    }
    let line = fit(cells, wanted, |cell| Some([1.0, cell.weights_gb]));
    let plane = is_between(cells, wanted)
        .then(|| fit(cells, wanted, |cell| cell.shape.map(|(params, bits)| [1.0, params, bits])))
        .flatten();
    // of two that are as good the plane, which knows more
    let error = |forecast: &Forecast| forecast.error.unwrap_or(0.0);
    let better = plane.into_iter().chain(line).min_by(|a, b| error(a).total_cmp(&error(b)))?;
    (error(&better) <= WORST_ERROR && better.bytes > 0.0).then_some(better)
}

/// Neither larger nor smaller than what was measured, in parameters and in bits a weight.
fn is_between(cells: &[Cell], wanted: &Cell) -> bool {
    let Some(wanted) = wanted.shape else { return false };
    let within = |of: fn((f64, f64)) -> f64| {
        let values = || cells.iter().filter_map(|cell| cell.shape).map(of);
        let (least, most) = (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
        (least * (1.0 - MARGIN)..=most * (1.0 + MARGIN)).contains(&of(wanted))
    };
    within(|(params, _)| params) && within(|(_, bits)| bits)
}

/// Least squares over `N` columns; none where a column is unknown or the cells do not determine the fit.
fn fit<const N: usize>(cells: &[Cell], wanted: &Cell, columns: impl Fn(&Cell) -> Option<[f64; N]>) -> Option<Forecast> {
    let rows: Vec<([f64; N], f64)> =
        cells.iter().map(|cell| Some((columns(cell)?, cell.memory_gb))).collect::<Option<_>>()?;
    let coefficients = solve(&rows)?;
    let at = |row: &[f64; N]| row.iter().zip(&coefficients).map(|(x, c)| x * c).sum::<f64>();
    let squares: f64 = rows.iter().map(|(row, y)| ((at(row) - y) / y).powi(2)).sum();
    #[allow(clippy::cast_precision_loss)] // a few cells
    let error = match rows.len().checked_sub(N)? {
        0 => None,
        free => Some((squares / free as f64).sqrt()),
    };
    Some(Forecast { bytes: at(&columns(wanted)?) * 1e9, error })
}

/// The normal equations by Gaussian elimination; none where they are singular. Columns other than the first are centered, so that
/// "singular" means that the cells do not differ enough.
fn solve<const N: usize>(rows: &[([f64; N], f64)]) -> Option<[f64; N]> {
    /// The least part of a column's own spread that the other columns may leave of it.
    const LEAST_PIVOT: f64 = 1e-3;
    #[allow(clippy::cast_precision_loss)] // a few cells
    let n = rows.len() as f64;
    let mut means = [0.0; N];
    for (row, _) in rows {
        (0..N).for_each(|i| means[i] += row[i] / n);
    }
    let mean_y = rows.iter().map(|(_, y)| y / n).sum::<f64>();
    // the matrix of the centered columns (the constant's place stays empty) beside the right-hand side
    let (mut matrix, mut right) = ([[0.0; N]; N], [0.0; N]);
    for (row, y) in rows {
        for i in 1..N {
            right[i] += (row[i] - means[i]) * (y - mean_y);
            (1..N).for_each(|j| matrix[i][j] += (row[i] - means[i]) * (row[j] - means[j]));
        }
    }
    let spread = matrix;
    for i in 1..N {
        // a spread of a hundredth of the mean is no difference between cells
        let needed = (means[i] * 0.01).powi(2) * n;
        if matrix[i][i] <= needed.max(spread[i][i] * LEAST_PIVOT) {
            return None;
        }
        for k in i + 1..N {
            let factor = matrix[k][i] / matrix[i][i];
            (i..N).for_each(|j| matrix[k][j] -= factor * matrix[i][j]);
            right[k] -= factor * right[i];
        }
    }
    let mut coefficients = [0.0; N];
    for i in (1..N).rev() {
        let known: f64 = (i + 1..N).map(|j| matrix[i][j] * coefficients[j]).sum();
        coefficients[i] = (right[i] - known) / matrix[i][i];
    }
    coefficients[0] = mean_y - (1..N).map(|i| coefficients[i] * means[i]).sum::<f64>();
    Some(coefficients)
}
