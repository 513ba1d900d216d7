//! One color and one shape per precision, readable in greyscale.

use plotters::prelude::*;

/// The shape of a marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Circle,
    Square,
    Triangle,
    Diamond,
    TriangleDown,
}

/// How the points of one precision look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marker {
    shape: Shape,
    /// The color of marker and error bar.
    pub(super) color: RGBColor,
}

/// Half the height of a marker in pixels.
pub(super) const RADIUS: i32 = 6;

/// Precisions with a marker of their own in every plot; others take the following ones.
const KNOWN: [&str; 4] = ["bf16", "w8a8", "mostly-4-bit", "w4a4"];

const SHAPES: [Shape; 5] =
    [Shape::Circle, Shape::Square, Shape::Triangle, Shape::Diamond, Shape::TriangleDown];

/// Okabe and Ito's colors for all kinds of color vision (2008), without yellow, which is too light for
/// thin lines, and black, which draws the axes.
const COLORS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(213, 94, 0),
];

/// The precisions in the order of the legend: known ones first, the others as given.
pub(super) fn legend_order<'a>(precisions: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut order: Vec<&str> = Vec::new();
    for precision in precisions {
        if !order.contains(&precision) {
            order.push(precision);
        }
    }
    order.sort_by_key(|p| KNOWN.iter().position(|known| known == p).unwrap_or(KNOWN.len()));
    order
}

/// The marker of a precision, given all precisions in the order of the legend.
pub(super) fn marker(precision: &str, legend: &[&str]) -> Marker {
    let index = KNOWN.iter().position(|known| *known == precision).unwrap_or_else(|| {
        let others = legend.iter().filter(|p| !KNOWN.contains(p));
        KNOWN.len() + others.take_while(|p| **p != precision).count()
    });
    Marker { shape: SHAPES[index % SHAPES.len()], color: COLORS[index % COLORS.len()] }
}

impl Marker {
    /// Draws the marker, with a thin dark edge, centered on a pixel of `area`.
    pub(super) fn draw<DB: DrawingBackend>(
        self,
        area: &DrawingArea<DB, plotters::coord::Shift>,
        center: (i32, i32),
    ) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
        let Some(corners) = self.corners(center) else {
            area.draw(&Circle::new(center, RADIUS, self.color.filled()))?;
            return area.draw(&Circle::new(center, RADIUS, BLACK.stroke_width(1)));
        };
        area.draw(&Polygon::new(corners.clone(), self.color.filled()))?;
        let edge: Vec<(i32, i32)> = corners.iter().chain(&corners[..1]).copied().collect();
        area.draw(&PathElement::new(edge, BLACK.stroke_width(1)))
    }

    /// Corners around `(x, y)`; a circle has none.
    fn corners(self, (x, y): (i32, i32)) -> Option<Vec<(i32, i32)>> {
        let r = RADIUS;
        let offsets: &[(i32, i32)] = match self.shape {
            Shape::Circle => return None,
            Shape::Square => &[(1 - r, 1 - r), (r - 1, 1 - r), (r - 1, r - 1), (1 - r, r - 1)],
            Shape::Triangle => &[(0, -r - 1), (r + 1, r - 1), (-r - 1, r - 1)],
            Shape::Diamond => &[(0, -r - 1), (r + 1, 0), (0, r + 1), (-r - 1, 0)],
            Shape::TriangleDown => &[(0, r + 1), (r + 1, 1 - r), (-r - 1, 1 - r)],
        };
        Some(offsets.iter().map(|(dx, dy)| (x + dx, y + dy)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_precisions_look_the_same_in_every_plot() {
        assert_eq!(marker("w8a8", &["w8a8"]), marker("w8a8", &["bf16", "w8a8", "w2a2"]));
    }

    #[test]
    fn every_precision_has_its_own_look() {
        let legend =
            legend_order(["w3a3", "w8a8", "w2a2", "bf16", "w8a8", "w4a4", "mostly-4-bit"].into_iter());
        assert_eq!(legend, ["bf16", "w8a8", "mostly-4-bit", "w4a4", "w3a3", "w2a2"]);
        let markers: Vec<Marker> = legend.iter().map(|p| marker(p, &legend)).collect();
        for (i, m) in markers.iter().enumerate() {
            assert!(!markers[..i].contains(m), "{} looks like another", legend[i]);
        }
    }
}
