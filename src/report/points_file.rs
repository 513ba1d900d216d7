//! Reading a table of points back: ours, or one with the same columns from elsewhere.

use std::collections::BTreeMap;

use crate::explore::{Axes, DesignPoint, Interval95, Range, Sample};

/// What a table of points holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PointsFile {
    /// Rows with a cost and an accuracy, in the order of the file.
    pub points: Vec<DesignPoint>,
    /// Rows without a cost: designs that do not run the network.
    pub without_cost: usize,
    /// Rows with a cost and no accuracy.
    pub without_accuracy: usize,
}

/// The points of one kind of request.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestedPoints {
    /// At least one.
    pub points: Vec<DesignPoint>,
    /// How many rows are left out, and what they are.
    pub left_out: Vec<(usize, &'static str)>,
}

/// A table without a single point of the request.
#[derive(Debug, thiserror::Error)]
#[error("no row has a cost, an accuracy, regime {regime} and batch {batch}")]
pub struct NoSuchPoint {
    regime: String,
    batch: u64,
}

impl PointsFile {
    /// The points of requests of `batch` images in this regime, `cold` or `steady`.
    ///
    /// # Errors
    /// When there is none.
    pub fn of_request(self, regime: &str, batch: u64) -> Result<RequestedPoints, NoSuchPoint> {
        let of_request = |point: &DesignPoint| point.axes.regime == regime && point.axes.batch == batch;
        let (points, others): (Vec<_>, Vec<_>) = self.points.into_iter().partition(of_request);
        if points.is_empty() {
            return Err(NoSuchPoint { regime: regime.to_owned(), batch });
        }
        let mut left_out = vec![
            (self.without_cost, "without a cost"),
            (self.without_accuracy, "without an accuracy"),
            (others.len(), "of other requests (see --regime and --batch)"),
        ];
        left_out.retain(|(count, _)| *count > 0);
        Ok(RequestedPoints { points, left_out })
    }
}

/// Why a table of points cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PointsFileError {
    /// A column is missing.
    #[error("1: no column `{column}`; expected the columns of evaluate's points.csv, at least {}", REQUIRED.join(", "))]
    MissingColumn {
        /// The column.
        column: &'static str,
    },
    /// A column is there twice.
    #[error("1: two columns are named `{column}`")]
    RepeatedColumn {
        /// The column.
        column: String,
    },
    /// A row has no meaning.
    #[error("{line}: column `{column}`: `{found}`; expected {expected}")]
    Cell {
        /// Line of the file.
        line: u64,
        /// The column.
        column: &'static str,
        /// What stands there.
        found: String,
        /// What would be accepted.
        expected: &'static str,
    },
    /// The file is not CSV.
    #[error("{0}")]
    Csv(#[from] csv::Error),
}

/// Without these there is no front.
const REQUIRED: [&str; 6] =
    ["design", "network", "precision", "top1_percent", "latency_s", "energy_per_image_uj"];

/// Reads a table of points. Columns may stand in any order, others may be there; of the optional ones
/// `family`, `batch` and `regime` default to one family of cold single images.
///
/// # Errors
/// When a required column is missing, or a number is none or out of its range.
pub fn read_points(text: &str) -> Result<PointsFile, PointsFileError> {
    // The reader counts the line of a record behind CR LF as the one before.
    let text = text.replace("\r\n", "\n");
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let mut columns = BTreeMap::new();
    for (index, name) in reader.headers()?.iter().enumerate() {
        if columns.insert(name.to_owned(), index).is_some() {
            return Err(PointsFileError::RepeatedColumn { column: name.to_owned() });
        }
    }
    if let Some(column) = REQUIRED.into_iter().find(|column| !columns.contains_key(*column)) {
        return Err(PointsFileError::MissingColumn { column });
    }
    let mut file = PointsFile::default();
    for record in reader.records() {
        let record = record?;
        Row { line: record.position().map_or(0, csv::Position::line), columns: &columns, record: &record }
            .read_into(&mut file)?;
    }
    Ok(file)
}

struct Row<'a> {
    line: u64,
    columns: &'a BTreeMap<String, usize>,
    record: &'a csv::StringRecord,
}

impl<'a> Row<'a> {
    fn read_into(&self, file: &mut PointsFile) -> Result<(), PointsFileError> {
        let [Some(energy), Some(latency_s)] =
            [self.positive("energy_per_image_uj")?, self.positive("latency_s")?]
        else {
            file.without_cost += 1;
            return Ok(());
        };
        let Some(top1) = self.percent("top1_percent")? else {
            file.without_accuracy += 1;
            return Ok(());
        };
        let text = |column: &str| self.cell(column).unwrap_or_default().to_owned();
        let kind = self.cell("accuracy_kind").unwrap_or("user");
        let source = match kind {
            "measured" => self.cell("evaluation_set"),
            "published" => self.cell("citation"),
            "user" => None,
            _ => return Err(self.error("accuracy_kind", "`measured`, `published`, `user` or nothing")),
        };
        let regime = self.cell("regime").unwrap_or("cold");
        if !["cold", "steady"].contains(&regime) {
            return Err(self.error("regime", "`cold`, `steady` or nothing"));
        }
        file.points.push(DesignPoint {
            design: self.required("design")?,
            network: self.required("network")?,
            precision: self.required("precision")?,
            axes: Axes {
                family: text("family"),
                accuracy_kind: kind.to_owned(),
                accuracy_source: source.map_or_else(|| text("accuracy_source"), str::to_owned),
                technology: text("technology"),
                energy_excluded: self
                    .cell("energy_excluded")
                    .map_or_else(Vec::new, |excluded| excluded.split("; ").map(str::to_owned).collect()),
                regime: regime.to_owned(),
                batch: self.count("batch")?.unwrap_or(1),
            },
            top1: Interval95 {
                low: self.percent("top1_low")?.unwrap_or(top1),
                estimate: top1,
                high: self.percent("top1_high")?.unwrap_or(top1),
            },
            sample: match (self.count("training_runs")?, self.count("n")?) {
                (Some(runs), _) => Sample::TrainingRuns(runs),
                (None, Some(images)) => Sample::Images(images),
                (None, None) => Sample::Unknown,
            },
            energy_uj: Range {
                low: self.positive("energy_low_uj")?.unwrap_or(energy),
                typical: energy,
                high: self.positive("energy_high_uj")?.unwrap_or(energy),
            },
            latency_s,
            cost_linear: self.positive("cost_linear")?,
            cost_quadratic: self.positive("cost_quadratic")?,
        });
        Ok(())
    }

    /// The cell, if it is there and not empty.
    fn cell(&self, column: &str) -> Option<&'a str> {
        let cell = self.record.get(*self.columns.get(column)?)?.trim();
        (!cell.is_empty()).then_some(cell)
    }

    fn required(&self, column: &'static str) -> Result<String, PointsFileError> {
        self.cell(column).map(str::to_owned).ok_or_else(|| self.error(column, "a name"))
    }

    fn positive(&self, column: &'static str) -> Result<Option<f64>, PointsFileError> {
        self.number(column, "a number above 0, or nothing", |number| number > 0.0)
    }

    fn percent(&self, column: &'static str) -> Result<Option<f64>, PointsFileError> {
        self.number(column, "a percentage from 0 to 100, or nothing", |number| {
            (0.0..=100.0).contains(&number)
        })
    }

    fn number(
        &self,
        column: &'static str,
        expected: &'static str,
        accepts: fn(f64) -> bool,
    ) -> Result<Option<f64>, PointsFileError> {
        let Some(cell) = self.cell(column) else { return Ok(None) };
        match cell.parse::<f64>() {
            Ok(number) if number.is_finite() && accepts(number) => Ok(Some(number)),
            _ => Err(self.error(column, expected)),
        }
    }

    fn count(&self, column: &'static str) -> Result<Option<u64>, PointsFileError> {
        let Some(cell) = self.cell(column) else { return Ok(None) };
        match cell.parse() {
            Ok(count) if count > 0 => Ok(Some(count)),
            _ => Err(self.error(column, "a whole number above 0, or nothing")),
        }
    }

    fn error(&self, column: &'static str, expected: &'static str) -> PointsFileError {
        let found = self.cell(column).unwrap_or_default().to_owned();
        PointsFileError::Cell { line: self.line, column, found, expected }
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{point, points, unsupported};
    use super::*;
    use crate::report::points_csv;

    #[test]
    fn our_own_table_is_read_back() {
        let mut written = points();
        written.push(unsupported(point("edge", 8, "w4a4", 1.0, 9000)));
        let mut unmeasured = point("edge", 8, "w8a8", 1.0, 9000);
        unmeasured.accuracy = None;
        written.push(unmeasured);
        let read = read_points(&points_csv(&written, "1").unwrap()).unwrap();
        assert_eq!((read.without_cost, read.without_accuracy), (1, 1));
        for (read, written) in read.points.iter().zip(written.iter().filter_map(DesignPoint::of)) {
            assert_eq!(read.axes, written.axes);
            assert_eq!(read.energy_uj, written.energy_uj);
            assert_eq!(read.latency_s, written.latency_s);
            assert!((read.top1.low - written.top1.low).abs() < 1e-4); // four decimals are written
            assert_eq!((&read.network, read.sample), (&written.network, written.sample));
        }
    }

    const HEADER: &str = "network,design,precision,energy_per_image_uj,latency_s,top1_percent";

    #[test]
    fn six_columns_are_enough() {
        let file = read_points(&format!("{HEADER}\na,b,c,2,1e-6,90\n")).unwrap();
        let point = &file.points[0];
        assert_eq!((point.axes.accuracy_kind.as_str(), point.axes.batch), ("user", 1));
        assert_eq!((point.top1.low, point.energy_uj.high, point.latency_s), (90.0, 2.0, 1e-6));
        assert_eq!(read_points(&format!("{HEADER}\n")).unwrap(), PointsFile::default());
    }

    #[test]
    fn errors_name_line_and_column() {
        let with =
            |row: &str| read_points(&format!("{HEADER}\na,b,c,2,1e-6,90\n{row}\n")).unwrap_err().to_string();
        assert_eq!(
            with("a,b,c,NaN,1e-6,90"),
            "3: column `energy_per_image_uj`: `NaN`; expected a number above 0, or nothing"
        );
        assert_eq!(
            with("a,b,c,2,1e-6,101"),
            "3: column `top1_percent`: `101`; expected a percentage from 0 to 100, or nothing"
        );
        let windows = read_points(&format!("{HEADER}\r\na,,c,2,1e-6,90\r\n")).unwrap_err().to_string();
        assert_eq!(windows, "2: column `design`: ``; expected a name");
        assert_eq!(with("a,,c,2,1e-6,90"), "3: column `design`: ``; expected a name");
        assert!(with("a,b").contains("line: 3"), "{}", with("a,b"));
        let missing = read_points("design,network\n").unwrap_err().to_string();
        assert!(missing.starts_with("1: no column `precision`; expected the columns of"), "{missing}");
        let repeated = read_points(&format!("{HEADER},design\n")).unwrap_err().to_string();
        assert_eq!(repeated, "1: two columns are named `design`");
    }
}
