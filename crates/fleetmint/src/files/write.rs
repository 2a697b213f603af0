//! Writes all outputs of a call, or none of them.

use std::path::Path;

use super::commit::{commit, prepare};
use super::is_standard;
use super::output::{Output, OutputKind};
use super::target::Target;
use crate::exit::Failure;

/// Writes an image whole or not at all; see [`write_all`].
pub(crate) fn write(path: &Path, bytes: &[u8], force: bool) -> Result<(), Failure> {
    let kind = OutputKind::Image;
    write_all(&[Output { path, bytes, kind }], force)
}

/// Writes all these files or none of them: first to temporary files beside them, which are then renamed, new keys first
/// and the others in this order. Creates missing folders. Writes directly to a pipe or a device.
///
/// Images and keys hold secrets: only their owner can read the files, and the permissions are as strict as those of the
/// strictest input.
///
/// An output that is also an input of this call is always refused. With `force` an output may replace a table or keys.
pub(crate) fn write_all(outputs: &[Output<'_>], force: bool) -> Result<(), Failure> {
    let targets: Vec<Target<'_>> = outputs
        .iter()
        .map(|output| Target::find(output, force))
        .collect::<Result<_, _>>()?;
    for (number, target) in targets.iter().enumerate() {
        if let Some(same) = targets.iter().take(number).find(|other| other.is_same(target)) {
            let rule = format_args!("is the same file as the output {}", same.output.name());
            return Err(target.output.refused(rule));
        }
    }
    let prepared = targets.iter().map(prepare).collect::<Result<_, _>>()?;
    commit(prepared, || ())
}

/// `created FILE`, or that the output went to standard output.
pub(crate) fn created(path: &Path) -> String {
    if is_standard(path) {
        "written to standard output".to_string()
    } else {
        format!("created {}", path.display())
    }
}
