//! A design with other accumulators, to see what their width costs.

use crate::numerics::{MacSpec, RegisterWidth};

use super::accelerator::Accelerator;

impl Accelerator {
    /// This design with integer accumulators of this width, and partial sums no wider. Whether a network's
    /// sums still fit is for execution to say.
    pub fn with_accumulators(&self, width: RegisterWidth) -> Self {
        let mut changed = self.clone();
        for mac in &mut changed.macs {
            if let MacSpec::Integer(mut spec) = mac.spec() {
                spec.accumulator = width;
                spec.partial_sum = spec.partial_sum.min(width);
                mac.set_spec(MacSpec::Integer(spec));
            }
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hardware::SHIPPED;
    use crate::source::SourceFile;

    #[test]
    fn partial_sums_are_never_wider() {
        for (name, text) in SHIPPED {
            let design = Accelerator::parse(&SourceFile::embedded(name, text)).unwrap();
            let changed = design.with_accumulators(RegisterWidth::NARROWEST);
            for (mac, was) in changed.macs().iter().zip(design.macs()) {
                match (mac.spec(), was.spec()) {
                    (MacSpec::Integer(mac), MacSpec::Integer(was)) => {
                        assert_eq!(mac.accumulator, RegisterWidth::NARROWEST);
                        assert_eq!(mac.partial_sum, was.partial_sum.min(RegisterWidth::NARROWEST));
                    }
                    (mac, was) => assert_eq!(mac, was),
                }
            }
        }
    }
}
