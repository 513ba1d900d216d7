//! From a sweep file or a point to the base files that it names, found as those of --hw and --workload are.

use std::path::Path;

use crate::explore::{PointSpec, Sweep, Workbench};
use crate::inputs::{self, Failure};
use crate::source::SourceFile;

/// A sweep file with its base files, every key path checked.
///
/// # Errors
/// When a file is not valid, or a key path leads nowhere.
pub fn load(path: &Path) -> Result<(Sweep, Workbench), Failure> {
    let sweep = Sweep::parse(&SourceFile::read(path)?)?;
    let mut workbench = workbench();
    for name in sweep.hardware() {
        add_hardware(&mut workbench, name)?;
    }
    for name in sweep.workload() {
        add_workload(&mut workbench, name)?;
    }
    sweep.check(&workbench)?;
    Ok((sweep, workbench))
}

/// Without any base file.
pub fn workbench() -> Workbench {
    Workbench::new(inputs::design)
}

/// Adds the base files of a point, unless they are there.
///
/// # Errors
/// When one is not valid.
pub fn add_bases(workbench: &mut Workbench, spec: &PointSpec) -> Result<(), Failure> {
    add_hardware(workbench, &spec.hardware)?;
    add_workload(workbench, &spec.workload)
}

fn add_hardware(workbench: &mut Workbench, name: &str) -> Result<(), Failure> {
    if !workbench.has_hardware(name) {
        workbench.add_hardware(name, inputs::design_file(name)?)?;
    }
    Ok(())
}

fn add_workload(workbench: &mut Workbench, name: &str) -> Result<(), Failure> {
    if !workbench.has_workload(name) {
        workbench.add_workload(name, inputs::workload_file(name)?)?;
    }
    Ok(())
}
