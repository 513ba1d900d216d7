//! The table of points as a Parquet file with typed columns, for readers that would guess types from a CSV.
//!
//! The only user of the crate `parquet`.

use std::io;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::Type;

use super::error::FolderError;
use super::folder::{ResultFolder, write_whole};
use super::point_table::{Cell, Kind, columns, rows};

/// Rows that are gathered before they are written: what a file of any length needs in memory.
const ROWS_PER_GROUP: usize = 16_384;

/// Values of one column that wait to be written; empty cells have level 0 and no value.
struct Waiting {
    levels: Vec<i16>,
    values: Values,
}

enum Values {
    Text(Vec<ByteArray>),
    Integer(Vec<i64>),
    Number(Vec<f64>),
    Truth(Vec<bool>),
}

/// Writes results.parquet with the rows of `ids`.
pub(super) fn write(folder: &ResultFolder, out: &Path, ids: &[u64]) -> Result<(), FolderError> {
    let path = out.join("results.parquet");
    let failed = |error| FolderError::write(&path)(io_error(error));
    let schema = Arc::new(schema(columns(folder.key_paths())).map_err(failed)?);
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_created_by(concat!("systolab ", env!("CARGO_PKG_VERSION")).to_owned())
        .build();
    write_whole(&path, |file| {
        let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties)).map_err(failed)?;
        let mut waiting: Vec<Waiting> =
            columns(folder.key_paths()).map(|(_, kind)| Waiting::new(kind)).collect();
        folder.each(ids.iter().copied(), |result| {
            for row in rows(&result, folder.key_paths()) {
                waiting.iter_mut().zip(&row).for_each(|(column, cell)| column.add(cell));
            }
            if waiting.iter().any(|column| column.levels.len() >= ROWS_PER_GROUP) {
                write_group(&mut writer, &mut waiting).map_err(failed)?;
            }
            Ok(())
        })?;
        write_group(&mut writer, &mut waiting).map_err(failed)?;
        writer.close().map_err(failed)?;
        Ok(())
    })
}

/// What the disk said, if it was the disk.
fn io_error(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(cause) => match cause.downcast::<io::Error>() {
            Ok(cause) => *cause,
            Err(cause) => io::Error::other(cause),
        },
        other => io::Error::other(other),
    }
}

fn schema<'a>(columns: impl Iterator<Item = (&'a str, Kind)>) -> Result<Type, ParquetError> {
    let field = |(name, kind)| {
        let (physical, logical) = match kind {
            Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Kind::Integer => (Physical::INT64, None),
            Kind::Number => (Physical::DOUBLE, None),
            Kind::Truth => (Physical::BOOLEAN, None),
        };
        let field = Type::primitive_type_builder(name, physical)
            .with_logical_type(logical)
            .with_repetition(Repetition::OPTIONAL);
        field.build().map(Arc::new)
    };
    let fields = columns.map(field).collect::<Result<_, _>>()?;
    Type::group_type_builder("points").with_fields(fields).build()
}

fn write_group<W: io::Write + Send>(
    writer: &mut SerializedFileWriter<W>,
    waiting: &mut [Waiting],
) -> Result<(), ParquetError> {
    if waiting.iter().all(|column| column.levels.is_empty()) {
        return Ok(());
    }
    let mut group = writer.next_row_group()?;
    for column in waiting {
        if let Some(mut writer) = group.next_column()? {
            column.write(&mut writer)?;
            writer.close()?;
        }
    }
    group.close()?;
    Ok(())
}

impl Waiting {
    fn new(kind: Kind) -> Self {
        let values = match kind {
            Kind::Text => Values::Text(Vec::new()),
            Kind::Integer => Values::Integer(Vec::new()),
            Kind::Number => Values::Number(Vec::new()),
            Kind::Truth => Values::Truth(Vec::new()),
        };
        Self { levels: Vec::new(), values }
    }

    fn add(&mut self, cell: &Cell) {
        let there = match (&mut self.values, cell) {
            (_, Cell::Empty) => false,
            (Values::Text(values), cell) => push(values, Some(ByteArray::from(cell.to_string().as_str()))),
            (Values::Integer(values), cell) => push(values, cell.integer()),
            (Values::Number(values), cell) => push(values, cell.number()),
            (Values::Truth(values), cell) => push(values, cell.truth()),
        };
        self.levels.push(i16::from(there));
    }

    /// Writes all that waits; nothing does afterwards.
    fn write(&mut self, writer: &mut SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        match &mut self.values {
            Values::Text(values) => write_column::<ByteArrayType>(writer, values, &self.levels),
            Values::Integer(values) => write_column::<Int64Type>(writer, values, &self.levels),
            Values::Number(values) => write_column::<DoubleType>(writer, values, &self.levels),
            Values::Truth(values) => write_column::<BoolType>(writer, values, &self.levels),
        }?;
        self.levels.clear();
        Ok(())
    }
}

fn write_column<T: DataType>(
    writer: &mut SerializedColumnWriter<'_>,
    values: &mut Vec<T::T>,
    levels: &[i16],
) -> Result<(), ParquetError> {
    writer.typed::<T>().write_batch(values, Some(levels), None)?;
    values.clear();
    Ok(())
}

fn push<T>(values: &mut Vec<T>, value: Option<T>) -> bool {
    let there = value.is_some();
    values.extend(value);
    there
}
