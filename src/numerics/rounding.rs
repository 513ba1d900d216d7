//! Rounding a real value to an integer.

/// How a quantizer rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rounding {
    /// Toward −∞; truncation for values that are not negative (AQT legacy, unsigned).
    Floor,
    /// Halves toward +∞: floor(x + 0.5), the sum rounded to f32 (AQT legacy, signed).
    HalfUp,
    /// Halves to the even neighbor (AQT v2, ONNX).
    HalfEven,
}

impl Rounding {
    /// Rounds in f32. NaN stays NaN.
    #[inline(always)] // into loops compiled for AVX2, which has an instruction for it
    pub fn round(self, value: f32) -> f32 {
        match self {
            Self::Floor => value.floor(),
            Self::HalfUp => (value + 0.5).floor(),
            Self::HalfEven => value.round_ties_even(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_where_each_mode_sends_them() {
        let ties = [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5];
        assert_eq!(ties.map(|x| Rounding::Floor.round(x)), [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0]);
        assert_eq!(ties.map(|x| Rounding::HalfUp.round(x)), [-2.0, -1.0, 0.0, 1.0, 2.0, 3.0]);
        assert_eq!(ties.map(|x| Rounding::HalfEven.round(x)), [-2.0, -2.0, 0.0, 0.0, 2.0, 2.0]);
    }
}
