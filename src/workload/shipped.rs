//! Network files compiled into the program, so that costs can be given without the repository.
//! Their traces are too large for that and stay in `workloads/`.

macro_rules! networks {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../workloads/", $name, ".toml")))),*]
    };
}

/// Name and text of the networks in `workloads/`, in natural order.
pub const SHIPPED: &[(&str, &str)] = networks![
    "resnet8-width4-bf16",
    "resnet8-width4-mostly-4-bit",
    "resnet8-width4-w8a8",
    "resnet8-width8-bf16",
    "resnet8-width8-mostly-4-bit",
    "resnet8-width8-w8a8",
    "resnet8-width16-bf16",
    "resnet8-width16-mostly-4-bit",
    "resnet8-width16-w8a8",
    "resnet8-width32-bf16",
    "resnet8-width32-mostly-4-bit",
    "resnet8-width32-w8a8",
    "resnet50-bf16",
    "resnet50-mostly-4-bit",
    "resnet50-w4a4",
    "resnet50-w8a8",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{SourceFile, natural_order};
    use crate::workload::Workload;

    #[test]
    fn the_list_is_the_folder() {
        let mut names: Vec<String> = std::fs::read_dir("workloads")
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
            .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        names.sort_by_cached_key(|name| natural_order(name));
        assert_eq!(names, SHIPPED.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    }

    #[test]
    fn every_name_is_its_files() {
        for (name, text) in SHIPPED {
            assert_eq!(Workload::parse(&SourceFile::embedded("n.toml", text)).unwrap().name(), *name);
        }
    }
}
