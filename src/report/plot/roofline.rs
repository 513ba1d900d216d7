//! A simulation's layers under the roofs of their design.

use plotters::prelude::*;

use super::axis;
use super::label::{Rect, place};
use super::{
    FRONT, GRID, LABEL_SIZE, LINE_HEIGHT, MARGIN, TEXT, TEXT_SIZE, TITLE_SIZE, failed, font, style, text,
    text_width, trimmed, wrap,
};
use crate::explore::{Roofline, SimulatedLayer, Simulation};
use crate::report::ReportError;

const SIZE: (i32, i32) = (1000, 640);
/// Layers that are named: those with the most cycles.
const NAMED: usize = 8;
const POINT: RGBColor = RGBColor(0, 114, 178);

/// Reached against operational intensity, one point per layer on the array whose operands cross DRAM; None
/// if there is no such layer.
pub fn roofline(simulation: &Simulation) -> Result<Option<String>, ReportError> {
    let mut layers: Vec<(f64, Roofline, &SimulatedLayer)> = simulation
        .layers
        .iter()
        .filter_map(|layer| Some((layer.roofline?.intensity_op_per_byte?, layer.roofline?, layer)))
        .collect();
    if layers.is_empty() {
        return Ok(None);
    }
    layers.sort_by_key(|(_, _, layer)| std::cmp::Reverse(layer.cycles));
    font()?;
    let hidden = simulation.layers.iter().filter(|layer| layer.roofline.is_some()).count() - layers.len();
    let caption = format!(
        "{}, batch {}. Lines: the DRAM channel's rate times intensity, up to the array's peak for each operand pair. \
         The layers with the most cycles are named. Layers without DRAM traffic are not drawn ({hidden}). A point above \
         its roof moved data while the layer before it ran.",
        simulation.regime, simulation.batch
    );
    let caption = wrap(&caption, SIZE.0 - 2 * MARGIN)?;
    let top = MARGIN + TITLE_SIZE + 8 + LINE_HEIGHT * caption.len() as i32 + 6;
    let x = axis::logarithmic(layers.iter().map(|(intensity, _, _)| *intensity));
    let gops = |ops: f64| ops * 1e-9;
    let y = axis::logarithmic(layers.iter().flat_map(|(_, roofline, _)| {
        [gops(roofline.reached_ops_per_s), gops(roofline.attainable_ops_per_s), gops(roofline.peak_ops_per_s)]
    }));
    let mut peaks: Vec<f64> = layers.iter().map(|(_, roofline, _)| gops(roofline.peak_ops_per_s)).collect();
    peaks.sort_by(f64::total_cmp);
    peaks.dedup();
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (SIZE.0 as u32, SIZE.1 as u32)).into_drawing_area();
        root.fill(&WHITE).map_err(failed)?;
        let title = format!("{} on {}: roofline", simulation.workload, simulation.hardware);
        text(&root, &title, (MARGIN, MARGIN), TITLE_SIZE)?;
        for (index, line) in caption.iter().enumerate() {
            text(&root, line, (MARGIN, MARGIN + TITLE_SIZE + 8 + LINE_HEIGHT * index as i32), TEXT_SIZE)?;
        }
        let area =
            root.clone().shrink((MARGIN, top), ((SIZE.0 - 2 * MARGIN) as u32, (SIZE.1 - top - 8) as u32));
        let (x_range, y_range) = (x.range.clone(), y.range.clone());
        let mut chart = ChartBuilder::on(&area)
            .margin_right(24)
            .margin_top(8)
            .x_label_area_size(44)
            .y_label_area_size(64)
            .build_cartesian_2d(x, y)
            .map_err(failed)?;
        chart
            .configure_mesh()
            .x_desc("operational intensity (op per DRAM byte, log scale)")
            .y_desc("reached (Gop/s, log scale)")
            .x_label_formatter(&|value| trimmed(*value))
            .y_label_formatter(&|value| trimmed(*value))
            .label_style(style(LABEL_SIZE))
            .axis_desc_style(style(TEXT_SIZE))
            .axis_style(TEXT)
            .bold_line_style(GRID)
            .light_line_style(TRANSPARENT)
            .draw()
            .map_err(failed)?;
        let rate = simulation.dram_bytes_per_s * 1e-9;
        for peak in peaks {
            // From where the slope enters the frame, over the ridge, to the right.
            let ridge = peak / rate;
            let from = x_range.start.max(y_range.start / rate);
            let mut line = vec![(from, peak.min(rate * from))];
            if (x_range.start..x_range.end).contains(&ridge) {
                line.push((ridge, peak));
            }
            line.push((x_range.end, peak.min(rate * x_range.end)));
            chart.draw_series(LineSeries::new(line, FRONT.stroke_width(2))).map_err(failed)?;
        }
        let pixel = |intensity: f64, roofline: &Roofline| {
            chart.backend_coord(&(intensity, gops(roofline.reached_ops_per_s)))
        };
        let corner = |x: f64, y: f64| chart.backend_coord(&(x, y));
        let frame = Rect::around(corner(x_range.start, y_range.start), corner(x_range.end, y_range.end), -2);
        let points: Vec<(i32, i32)> =
            layers.iter().map(|(intensity, roofline, _)| pixel(*intensity, roofline)).collect();
        let mut obstacles: Vec<Rect> = points.iter().map(|&point| Rect::around(point, point, 5)).collect();
        for &point in &points {
            root.draw(&Circle::new(point, 4, POINT.filled())).map_err(failed)?;
        }
        for (&point, (_, _, layer)) in points.iter().zip(&layers).take(NAMED) {
            let size = (text_width(&layer.name, LABEL_SIZE)?, LABEL_SIZE);
            let label = place(point, size, &obstacles, frame);
            obstacles.push(label);
            text(&root, &layer.name, (label.left, label.top), LABEL_SIZE)?;
        }
        root.present().map_err(failed)?;
    }
    Ok(Some(svg))
}
