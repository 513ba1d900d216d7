//! Where a label stands beside its point without covering anything.

/// The distance in pixels beyond which a label needs a line to its point.
const FAR: i32 = 17;

/// A rectangle in pixels, ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rect {
    pub(super) left: i32,
    pub(super) top: i32,
    pub(super) right: i32,
    pub(super) bottom: i32,
}

impl Rect {
    /// The rectangle around two points, grown by `margin` on every side.
    pub(super) fn around(a: (i32, i32), b: (i32, i32), margin: i32) -> Self {
        Self {
            left: a.0.min(b.0) - margin,
            top: a.1.min(b.1) - margin,
            right: a.0.max(b.0) + margin,
            bottom: a.1.max(b.1) + margin,
        }
    }

    /// Where a line from a point ends that leads to this label, if the label stands too far away to
    /// be taken for the point's without one.
    pub(super) fn leader(self, point: (i32, i32)) -> Option<(i32, i32)> {
        let end = (point.0.clamp(self.left, self.right), point.1.clamp(self.top, self.bottom));
        let (dx, dy) = (end.0 - point.0, end.1 - point.1);
        (dx * dx + dy * dy > FAR * FAR).then_some(end)
    }

    fn area(self) -> i64 {
        let side = |low: i32, high: i32| i64::from((high - low + 1).max(0));
        side(self.left, self.right) * side(self.top, self.bottom)
    }

    fn overlap(self, other: Self) -> i64 {
        let (left, top) = (self.left.max(other.left), self.top.max(other.top));
        let (right, bottom) = (self.right.min(other.right), self.bottom.min(other.bottom));
        if left > right || top > bottom { 0 } else { Self { left, top, right, bottom }.area() }
    }
}

/// The place for a label of `size` beside `point` that covers least of `obstacles` and leaves `frame`
/// least; among equals the first of a fixed list, nearest first.
pub(super) fn place(point: (i32, i32), size: (i32, i32), obstacles: &[Rect], frame: Rect) -> Rect {
    let (x, y) = point;
    let (w, h) = size;
    let cost = |r: &Rect| {
        let outside = r.area() - r.overlap(frame);
        outside * 100 + obstacles.iter().map(|o| r.overlap(*o)).sum::<i64>()
    };
    let candidates = [9, 16, 26, 38].into_iter().flat_map(|d| {
        let (lefts, tops) = ([x + d, x - d - w, x - w / 2], [y - h / 2, y - d - h, y + d]);
        // Right, left, above, below, then the corners.
        let order = [(0, 0), (1, 0), (2, 1), (2, 2), (0, 1), (0, 2), (1, 1), (1, 2)];
        order.map(|(l, t)| (lefts[l], tops[t]))
    });
    let rects = candidates.map(|(left, top)| Rect { left, top, right: left + w, bottom: top + h });
    // `min_by_key` returns the first of equal candidates; the list is not empty.
    rects.min_by_key(cost).unwrap_or(Rect::around(point, point, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Rect = Rect { left: 0, top: 0, right: 200, bottom: 200 };

    #[test]
    fn a_free_point_is_labeled_on_its_right() {
        let label = place((100, 100), (40, 12), &[], FRAME);
        assert_eq!(label, Rect { left: 109, top: 94, right: 149, bottom: 106 });
    }

    #[test]
    fn the_frame_pushes_it_to_the_left() {
        assert_eq!(place((190, 100), (40, 12), &[], FRAME).right, 181);
    }

    #[test]
    fn only_a_far_label_needs_a_line() {
        let label = place((100, 100), (40, 12), &[], FRAME);
        assert_eq!(label.leader((100, 100)), None);
        assert_eq!(label.leader((80, 100)), Some((109, 100)));
    }

    #[test]
    fn labels_of_near_points_do_not_overlap() {
        let mut obstacles = Vec::new();
        for i in 0..5 {
            let label = place((100, 100 + i), (40, 12), &obstacles, FRAME);
            assert!(obstacles.iter().all(|o| label.overlap(*o) == 0));
            obstacles.push(label);
        }
    }
}
