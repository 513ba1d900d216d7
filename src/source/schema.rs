//! JSON Schemas of the files that systolab reads, from the types that it reads them into.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;

/// The schema of files that are read as a `T`, as indented JSON. It knows names, types and some values and limits of
/// keys, not the rules between keys.
pub fn schema_of<T: JsonSchema>(title: &str) -> String {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>();
    schema.insert("title".to_owned(), title.into());
    schema.insert("description".to_owned(), "Every key: docs/formats.md".into());
    // A `Schema` is plain JSON, which can always be written.
    serde_json::to_string_pretty(&schema).unwrap_or_default() + "\n"
}
