//! Records as CSV text.

use super::ReportError;

/// Header and rows as CSV: comma, quotes where needed, one `\n` per record.
pub(super) fn csv_text(header: &[String], rows: &[Vec<String>]) -> Result<String, ReportError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for record in std::iter::once(header).chain(rows.iter().map(Vec::as_slice)) {
        writer.write_record(record).map_err(|e| ReportError::Csv(e.to_string()))?;
    }
    let bytes = writer.into_inner().map_err(|e| ReportError::Csv(e.to_string()))?;
    String::from_utf8(bytes).map_err(|e| ReportError::Csv(e.to_string()))
}
