//! A power law through tabulated SRAM macros, and by how much it misses them.

use nalgebra::{DMatrix, DVector};

use super::energy_range::factor;

/// energy = coefficient · bytes^exponent, by least squares of ln(pJ) in ln(bytes).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PowerLaw {
    ln_coefficient: f64,
    exponent: f64,
    macros: usize,
    max_error: f64,
    rms_error: f64,
    least_share: f64,
    greatest_share: f64,
}

impl PowerLaw {
    /// Fewer macros are met exactly by a line, whose error would say nothing.
    pub const MIN_MACROS: usize = 3;

    /// Fits (bytes, pJ) of at least [`Self::MIN_MACROS`] macros of different sizes; None for fewer.
    pub(super) fn fit(macros: &[(u64, f64)]) -> Option<Self> {
        if macros.len() < Self::MIN_MACROS {
            return None;
        }
        let ln_bytes = |row: usize| factor(macros[row].0).ln();
        let design =
            DMatrix::from_fn(macros.len(), 2, |row, column| if column == 0 { 1.0 } else { ln_bytes(row) });
        let ln_pj = DVector::from_fn(macros.len(), |row, _| macros[row].1.ln());
        let solution = design.clone().svd(true, true).solve(&ln_pj, f64::EPSILON).ok()?;
        // Points over the fit; their logarithms are the residuals.
        let shares = (ln_pj - design * &solution).map(f64::exp);
        let errors = shares.map(|share| 1.0 / share - 1.0);
        Some(Self {
            ln_coefficient: solution[0],
            exponent: solution[1],
            macros: macros.len(),
            max_error: errors.amax(),
            rms_error: (errors.norm_squared() / factor(errors.len() as u64)).sqrt(),
            least_share: shares.min(),
            greatest_share: shares.max(),
        })
    }

    /// Energy in pJ that the law gives for a macro of `bytes`.
    pub fn pj(&self, bytes: u64) -> f64 {
        (self.ln_coefficient + self.exponent * factor(bytes).ln()).exp()
    }

    /// Smallest and largest tabulated energy over the law's, around 1.
    pub(super) fn shares(&self) -> (f64, f64) {
        (self.least_share, self.greatest_share)
    }

    /// Exponent of bytes.
    pub fn exponent(&self) -> f64 {
        self.exponent
    }

    /// Number of macros fitted.
    pub fn macros(&self) -> usize {
        self.macros
    }

    /// Largest |law / tabulated − 1|.
    pub fn max_error(&self) -> f64 {
        self.max_error
    }

    /// Root mean square of law / tabulated − 1.
    pub fn rms_error(&self) -> f64 {
        self.rms_error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_law_is_recovered_exactly() {
        let points: Vec<(u64, f64)> = [10_u32, 12, 13, 20]
            .iter()
            .map(|bits| (1 << bits, 0.5 * f64::from(*bits).exp2().powf(0.25)))
            .collect();
        let law = PowerLaw::fit(&points).unwrap();
        assert!((law.exponent() - 0.25).abs() < 1e-12 && (law.pj(1) - 0.5).abs() < 1e-12, "{law:?}");
        assert!(law.max_error() < 1e-12 && law.rms_error() < 1e-12, "{law:?}");
        assert_eq!(law.macros(), 4);
    }

    /// ln pJ = (0, ln 2, 0) at three equally spaced ln bytes: a flat law at ln 2 / 3.
    #[test]
    fn errors_are_those_of_the_law_against_the_points() {
        let law = PowerLaw::fit(&[(1024, 1.0), (2048, 2.0), (4096, 1.0)]).unwrap();
        let flat = 2.0_f64.powf(1.0 / 3.0);
        assert!(law.exponent().abs() < 1e-12 && (law.pj(3000) - flat).abs() < 1e-12, "{law:?}");
        let errors = [flat - 1.0, flat / 2.0 - 1.0];
        assert!((law.max_error() - errors[1].abs()).abs() < 1e-12, "{law:?}");
        let mean_square = (2.0 * errors[0].powi(2) + errors[1].powi(2)) / 3.0;
        assert!((law.rms_error() - mean_square.sqrt()).abs() < 1e-12, "{law:?}");
        let (least, greatest) = law.shares();
        assert!((least - 1.0 / flat).abs() < 1e-12 && (greatest - 2.0 / flat).abs() < 1e-12, "{law:?}");
    }

    #[test]
    fn two_macros_are_no_fit() {
        assert_eq!(PowerLaw::fit(&[(1024, 1.0), (2048, 2.0)]), None);
    }
}
