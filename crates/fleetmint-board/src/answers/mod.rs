//! What is said of a file or a board as a whole, in the JSON form that the page reads: where its NVS partition is, what a
//! flash plan changes, and why something cannot be done. What is said of single values is in [`crate::report`].

mod plan;
mod problem;
mod table;

pub use plan::PlanReport;
pub use problem::ProblemReport;
pub use table::{FileReport, KeysReport, PartitionReport, TableReport};

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}
