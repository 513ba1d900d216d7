//! The exact Pareto front of energy (less is better) against accuracy (more is better).

use std::cmp::Ordering;

/// Indices of the items on the front, by ascending energy.
///
/// `key` gives (energy, accuracy). An item is on the front unless another one is at least as good in
/// both and better in one; items equal in both are kept together. An item with a NaN is never on it.
pub fn pareto_front<T>(items: &[T], key: impl Fn(&T) -> (f64, f64)) -> Vec<usize> {
    let mut candidates: Vec<(usize, f64, f64)> = items
        .iter()
        .enumerate()
        .map(|(i, item)| {
            let (energy, accuracy) = key(item);
            (i, energy, accuracy)
        })
        .filter(|(_, energy, accuracy)| !energy.is_nan() && !accuracy.is_nan())
        .collect();
    let compare = |a: f64, b: f64| a.partial_cmp(&b).unwrap_or(Ordering::Equal);
    // The sort is stable: ties stay in the order of the input.
    candidates.sort_by(|a, b| compare(a.1, b.1).then(compare(b.2, a.2)));

    // Cheapest first, so an item is on the front if it beats everything before it, or ties the last one kept.
    let mut front: Vec<(usize, f64, f64)> = Vec::new();
    for item in candidates {
        let on_front = match front.last() {
            None => true,
            Some(last) => item.2 > last.2 || (item.1 == last.1 && item.2 == last.2),
        };
        if on_front {
            front.push(item);
        }
    }
    front.into_iter().map(|(i, _, _)| i).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn by_definition(items: &[(f64, f64)]) -> Vec<usize> {
        let beats = |a: &(f64, f64), b: &(f64, f64)| a.0 <= b.0 && a.1 >= b.1 && (a.0 < b.0 || a.1 > b.1);
        (0..items.len()).filter(|&i| !items.iter().any(|other| beats(other, &items[i]))).collect()
    }

    proptest! {
        // A coarse grid, so that ties in one and in both coordinates are common.
        #[test]
        fn equals_the_definition(raw in prop::collection::vec((0u8..8, 0u8..8), 0..40)) {
            let items: Vec<(f64, f64)> = raw.iter().map(|&(e, a)| (f64::from(e), f64::from(a))).collect();
            let front = pareto_front(&items, |&item| item);
            prop_assert!(front.windows(2).all(|w| items[w[0]].0 <= items[w[1]].0));
            let mut sorted = front;
            sorted.sort_unstable();
            prop_assert_eq!(sorted, by_definition(&items));
        }
    }

    #[test]
    fn ties_are_kept_and_nan_is_not() {
        let items = [(1.0, 90.0), (1.0, 90.0), (0.5, f64::NAN), (f64::NAN, 99.0), (2.0, 90.0), (1.0, 89.0)];
        assert_eq!(pareto_front(&items, |&item| item), [0, 1]);
    }

    #[test]
    fn no_items_have_no_front() {
        assert!(pareto_front(&[] as &[(f64, f64)], |&item| item).is_empty());
    }
}
