//! Plain lists of matrix products, one per line: `layer,m,n,k,groups,activation,weight`.
//!
//! Each product stands alone: its first operand comes from DRAM, its result goes back there. A list has
//! shapes and formats but no values.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::numerics::{OperandFormat, OperandPair};
use crate::source::{SourceError, SourceFile};

use super::layer::{FeatureMap, Padding, Size, Window, WindowKind};
use super::network::{IndependentLayer, MAX_LAYERS, Network, operand_name};

const COLUMNS: [&str; 7] = ["layer", "m", "n", "k", "groups", "activation", "weight"];
/// Of m, n, k and groups.
const MAX_EXTENT: u64 = 1 << 24;
/// Of each operand and each result.
const MAX_ELEMENTS: u64 = 1 << 32;
/// Of the whole list, per request of one.
const MAX_MACS: u64 = 1 << 50;

/// A matrix product that has nothing to do with other layers: m × k times k × n, `groups` times.
#[derive(Clone, Debug)]
struct MatrixProduct {
    name: String,
    m: u64,
    n: u64,
    k: u64,
    groups: u64,
    pair: OperandPair,
}

impl MatrixProduct {
    /// A 1×1 convolution over m pixels.
    fn layer(self) -> IndependentLayer {
        let one = Size { height: 1, width: 1 };
        let [m, n, k, groups] = [self.m, self.n, self.k, self.groups].map(|extent| extent as usize); // at most 2^24
        let matrix = |columns| FeatureMap { height: m, width: 1, channels: columns * groups };
        IndependentLayer {
            name: self.name,
            kind: WindowKind::MatrixProduct,
            input: matrix(k),
            window: Window { kernel: one, stride: one, dilation: one, padding: Padding::default() },
            output: matrix(n),
            groups,
            pair: self.pair,
        }
    }
}

/// One line and where it stands.
struct Line<'a> {
    file: &'a SourceFile,
    /// First byte.
    start: usize,
    record: csv::StringRecord,
}

impl Line<'_> {
    /// Bytes of a field: with quoting off, fields are what stands between commas.
    fn span(&self, column: usize) -> Range<usize> {
        let before: usize = self.record.iter().take(column).map(|field| field.len() + 1).sum();
        let field = &self.record[column];
        let start = self.start + before + (field.len() - field.trim_start().len());
        start..start + field.trim().len().max(1)
    }

    fn error(&self, column: usize, message: impl std::fmt::Display) -> SourceError {
        self.file.error(self.span(column), format!("column `{}`: {message}", COLUMNS[column]))
    }

    fn error_in_line(&self, message: impl Into<String>) -> SourceError {
        let length: usize = self.record.iter().map(|field| field.len() + 1).sum();
        self.file.error(self.start..self.start + length.saturating_sub(1), message)
    }

    fn field(&self, column: usize) -> &str {
        self.record[column].trim()
    }

    fn extent(&self, column: usize) -> Result<u64, SourceError> {
        let extent = self.field(column).parse().ok().filter(|extent| (1..=MAX_EXTENT).contains(extent));
        extent.ok_or_else(|| {
            let message = format!("`{}`: expected a whole number from 1 to {MAX_EXTENT}", self.field(column));
            self.error(column, message)
        })
    }

    fn format(&self, column: usize) -> Result<OperandFormat, SourceError> {
        self.field(column).parse().map_err(|error| self.error(column, error))
    }

    fn product(&self) -> Result<MatrixProduct, SourceError> {
        if self.record.len() != COLUMNS.len() {
            let (found, expected) = (self.record.len(), COLUMNS.len());
            return Err(
                self.error_in_line(format!("{found} fields; expected {expected}: {}", COLUMNS.join(",")))
            );
        }
        let name = self.field(0).to_owned();
        if name.is_empty() {
            return Err(self.error(0, "a name is at least one character"));
        }
        let [m, n, k, groups] = [self.extent(1)?, self.extent(2)?, self.extent(3)?, self.extent(4)?];
        for (what, rows, columns) in [("m × k", m, k), ("k × n", k, n), ("m × n", m, n)] {
            // Three factors of at most 2^24 exceed 64 bits.
            if u128::from(rows) * u128::from(columns) * u128::from(groups) > u128::from(MAX_ELEMENTS) {
                let message =
                    format!("{what} in {groups} groups exceeds the {MAX_ELEMENTS} elements of a matrix");
                return Err(self.error_in_line(message));
            }
        }
        let pair = match (self.format(5)?, self.format(6)?) {
            (OperandFormat::Integer(activation), OperandFormat::Integer(weight)) => {
                OperandPair::Integer { activation, weight }
            }
            (OperandFormat::Bf16, OperandFormat::Bf16) => OperandPair::Bf16,
            (activation, weight) => {
                return Err(self.error(
                    6,
                    format!("`{weight}` beside `{activation}`: expected two integer formats, or bf16 twice"),
                ));
            }
        };
        Ok(MatrixProduct { name, m, n, k, groups, pair })
    }
}

/// Whether the file's first line that is neither empty nor a comment names columns of a list, be it not all
/// of them: a list with a missing column is no topology of SCALE-Sim, whose lines end with a comma.
pub(super) fn is_list(file: &SourceFile) -> bool {
    let mut lines = file.text().lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines.next().is_some_and(|header| {
        let names: Vec<&str> = header.split(',').map(str::trim).collect();
        names[0] == COLUMNS[0] && names.iter().all(|name| COLUMNS.contains(name))
    })
}

/// The list's network and the label of its precision: `w8a8`, `bf16`, or `mixed`.
pub(super) fn network(file: &SourceFile) -> Result<(Network, String), SourceError> {
    let mut lines = lines(file)?.into_iter();
    let header = lines.next().filter(|header| header.record.iter().map(str::trim).eq(COLUMNS));
    if header.is_none() {
        return Err(file.error(0..0, format!("expected the columns {}", COLUMNS.join(","))));
    }
    let (mut names, mut macs, mut products) = (BTreeSet::new(), 0u128, Vec::new());
    for line in lines {
        let product = line.product()?;
        if !names.insert(product.name.clone()) || !names.insert(operand_name(&product.name)) {
            return Err(line.error(0, format!("`{}` is already taken; names must be unique", product.name)));
        }
        macs += [product.m, product.n, product.k, product.groups].map(u128::from).iter().product::<u128>();
        if macs > u128::from(MAX_MACS) {
            return Err(
                line.error_in_line(format!("{macs} MACs up to here; at most {MAX_MACS} are accepted"))
            );
        }
        if products.len() == MAX_LAYERS {
            return Err(line.error_in_line(format!("one line too many; at most {MAX_LAYERS} are accepted")));
        }
        products.push(product);
    }
    if products.is_empty() {
        return Err(file.error_in_file("a list needs at least one matrix product"));
    }
    let pairs: BTreeSet<OperandPair> = products.iter().map(|product| product.pair).collect();
    let labels: BTreeSet<String> = pairs.into_iter().map(label).collect();
    let precision = match labels.iter().collect::<Vec<_>>()[..] {
        [label] => label.clone(),
        _ => "mixed".to_owned(),
    };
    Ok((Network::independent(products.into_iter().map(MatrixProduct::layer).collect()), precision))
}

fn label(pair: OperandPair) -> String {
    match pair {
        OperandPair::Integer { activation, weight } => format!("w{}a{}", weight.bits(), activation.bits()),
        OperandPair::Bf16 => "bf16".to_owned(),
    }
}

/// Lines that are neither empty nor comments.
fn lines(file: &SourceFile) -> Result<Vec<Line<'_>>, SourceError> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .quoting(false)
        .comment(Some(b'#'))
        .from_reader(file.text().as_bytes());
    let mut record = csv::StringRecord::new();
    let mut lines = Vec::new();
    loop {
        let mut start = usize::try_from(reader.position().byte()).unwrap_or(usize::MAX);
        match reader.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => return Ok(lines),
            Err(error) => return Err(file.error_in_file(error.to_string())),
        }
        // The reader's position is before what it skips.
        for skipped in file.text()[start..].split_inclusive('\n') {
            if !skipped.starts_with('#') && !skipped.trim_end_matches(['\r', '\n']).is_empty() {
                break;
            }
            start += skipped.len();
        }
        lines.push(Line { file, start, record: record.clone() });
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Stored, Workload};
    use super::*;

    const HEADER: &str = "layer,m,n,k,groups,activation,weight\n";

    fn parse(text: &str) -> Result<Workload, SourceError> {
        Workload::parse(&SourceFile::embedded("list.csv", text))
    }

    #[test]
    fn every_line_is_a_product_of_its_own() {
        let text = format!(
            "# a list\n\n{HEADER}qkv, 128 ,192,64,1,int8,int8\r\n# last\nheads,128,128,16,4,uint4,int8\n"
        );
        let workload = parse(&text).unwrap();
        assert_eq!((workload.name(), workload.family(), workload.precision()), ("list", "list", "mixed"));
        let network = workload.network();
        let edges: Vec<_> = network
            .edges()
            .iter()
            .enumerate()
            .map(|(index, edge)| {
                let id = network.layers()[index / 2].input;
                let id = if index % 2 == 0 { id } else { network.layers()[index / 2].output };
                (
                    edge.name.as_str(),
                    edge.shape.height,
                    edge.shape.channels,
                    network.stored_format(id).to_string(),
                )
            })
            .collect();
        let expected = [
            ("qkv.input", 128, 64, "int8"),
            ("qkv", 128, 192, "int8"),
            ("heads.input", 128, 64, "uint4"),
            ("heads", 128, 512, "uint4"),
        ];
        assert_eq!(edges, expected.map(|(name, m, channels, format)| (name, m, channels, format.to_owned())));
        assert!(network.layers().iter().all(|layer| network.quantizes_on_read(layer).is_none()));
        let bf16 = parse(&format!("{HEADER}a,1,1,1,1,bf16,bf16\n")).unwrap();
        assert_eq!(bf16.precision(), "bf16");
        assert!(bf16.network().edges().iter().all(|edge| edge.stored == Stored::Bf16));
    }

    #[test]
    fn wrong_lines_are_refused_with_their_place() {
        for (lines, expected) in [
            ("a,1,1,1,1,int8\n", "list.csv:2:1: 6 fields; expected 7"),
            (
                "\n#\na,1,1, 0,1,int8,int8\n",
                "list.csv:4:8: column `k`: `0`: expected a whole number from 1 to",
            ),
            ("a,1,x,1,1,int8,int8\n", "list.csv:2:5: column `n`: `x`"),
            ("a,1,,1,1,int8,int8\n", "list.csv:2:5: column `n`: ``"),
            ("a,1,1,1,99999999999999999999,int8,int8\n", "list.csv:2:9: column `groups`"),
            ("a,1,1,1,1,int9,int8\n", "list.csv:2:11: column `activation`: unknown format `int9`"),
            ("a,1,1,1,1,bf16,int8\n", "list.csv:2:16: column `weight`: `int8` beside `bf16`"),
            (" ,1,1,1,1,int8,int8\n", "column `layer`: a name is at least one character"),
            (
                "a,1,1,1,1,int8,int8\na,1,1,1,1,int8,int8\n",
                "list.csv:3:1: column `layer`: `a` is already taken",
            ),
            ("a,16777216,1,16777216,1,int8,int8\n", "list.csv:2:1: m × k in 1 groups exceeds"),
            ("", "list.csv: a list needs at least one matrix product"),
        ] {
            let error = parse(&format!("{HEADER}{lines}")).unwrap_err().to_string();
            assert!(error.contains(expected), "expected {expected:?} in:\n{error}");
        }
        let cubes: String = (0..5).map(|line| format!("{line},65536,65536,65536,1,int8,int8\n")).collect();
        let error = parse(&format!("{HEADER}{cubes}")).unwrap_err().to_string();
        assert!(error.contains("list.csv:6:1: 1407374883553280 MACs up to here; at most"), "{error}");
        let error = parse("m,n,k\n1,2,3\n").unwrap_err().to_string();
        assert!(error.contains("list.csv:1:1: expected the columns layer,m,n,k,groups"), "{error}");
        assert!(parse("").unwrap_err().to_string().contains("expected the columns"));
    }
}
