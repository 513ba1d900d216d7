//! What a cost depends on beside design and network: choices that are not ranges.

use std::fmt;

use crate::cost::{Action, Technology};
use crate::explore::Regime;

/// Shares of a MAC's energy that an idle MAC slot is said to cost.
const IDLE_FRACTIONS: [f64; 2] = [0.0, 0.3];

/// One choice of everything that a design's energy depends on and a source cannot settle.
#[derive(Clone, Debug)]
pub struct Condition<'a> {
    /// Prices of actions.
    pub technology: &'a Technology,
    /// DRAM part whose energy per bit is taken.
    pub dram_part: String,
    /// Where the weights are when a request starts.
    pub regime: Regime,
    /// Share of a MAC's energy that an idle MAC slot costs.
    pub idle_fraction: f64,
}

impl<'a> Condition<'a> {
    /// A design's own: its technology and DRAM part, cold, idle slots free.
    pub fn of_design(technology: &'a Technology, dram_part: &str) -> Self {
        Self { technology, dram_part: dram_part.to_owned(), regime: Regime::Cold, idle_fraction: 0.0 }
    }

    /// All of them: technologies × their DRAM parts × cold and steady × idle slots free or not.
    pub fn all(technologies: &'a [Technology]) -> Vec<Self> {
        let mut conditions = Vec::new();
        for technology in technologies {
            let parts = technology.entries().filter_map(|(action, _)| match action {
                Action::DramBit(part) => Some(part.clone()),
                _ => None,
            });
            for dram_part in parts {
                for regime in [Regime::Cold, Regime::Steady] {
                    for idle_fraction in IDLE_FRACTIONS {
                        let dram_part = dram_part.clone();
                        conditions.push(Self { technology, dram_part, regime, idle_fraction });
                    }
                }
            }
        }
        conditions
    }

    /// The one thing that differs from another condition; None if nothing or more does.
    pub fn single_departure(&self, from: &Self) -> Option<String> {
        #[expect(clippy::float_cmp, reason = "both are one of two constants")]
        let departures = [
            (self.technology.sha256() != from.technology.sha256()).then(|| self.technology.name().to_owned()),
            (self.dram_part != from.dram_part).then(|| self.dram_part.clone()),
            (self.regime != from.regime).then(|| self.regime.to_string()),
            (self.idle_fraction != from.idle_fraction)
                .then(|| format!("an idle MAC slot costs {} of a MAC", self.idle_fraction)),
        ];
        let mut departures = departures.into_iter().flatten();
        departures.next().filter(|_| departures.next().is_none())
    }
}

impl fmt::Display for Condition<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { technology, dram_part, regime, idle_fraction } = self;
        write!(f, "{}, {dram_part}, {regime}, idle MAC {idle_fraction}", technology.name())
    }
}
