//! Why something cannot be done with a file, a partition or a board.

#[cfg(feature = "changes")]
use fleetmint_nvs::storage::{PatchError, PatchFault};
use serde::Serialize;

use crate::partition_table::{self, Unfit};
use crate::plan::Refusal;
use crate::{flash_dump, patch};

/// Why something cannot be done: a kind for programs, and a sentence for people that says what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProblemReport {
    /// A name that stays the same.
    pub kind: &'static str,
    pub message: String,
    /// Whether a plan that overwrites the partition would be made.
    #[serde(skip_serializing_if = "super::is_false")]
    pub overwritable: bool,
    /// Whether other keys would help.
    #[serde(skip_serializing_if = "super::is_false")]
    pub about_keys: bool,
    /// The partitions to choose from, where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// The row of a list of changes that fails, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<usize>,
}

impl ProblemReport {
    /// One that has only its kind and its message.
    #[must_use]
    pub fn new(kind: &'static str, message: String) -> Self {
        Self {
            kind,
            message,
            overwritable: false,
            about_keys: false,
            names: Vec::new(),
            row: None,
        }
    }
}

impl From<&Refusal> for ProblemReport {
    fn from(refusal: &Refusal) -> Self {
        let mut problem = Self::new(kind_of_refusal(refusal), refusal.to_string());
        problem.overwritable = refusal.is_overwritable();
        problem.about_keys = refusal.is_about_keys();
        match refusal {
            Refusal::Partition(Unfit::SeveralNvs { names } | Unfit::NotNvs { nvs: names, .. }) => {
                problem.names.clone_from(names);
            }
            #[cfg(feature = "changes")]
            Refusal::Row(error) => problem.row = Some(error.row),
            _ => {}
        }
        problem
    }
}

impl From<&flash_dump::Error> for ProblemReport {
    fn from(error: &flash_dump::Error) -> Self {
        use flash_dump::Error;
        let kind = match error {
            Error::Table { error, .. } => kind_of_table(error),
            Error::SeveralTables { .. } => "several-tables",
            Error::UnprovenTable { .. } => "unproven-table",
            Error::NotFromStart { .. } => "not-from-start",
            Error::Shifted { .. } => "shifted",
            Error::Partition(unfit) => kind_of_unfit(unfit),
            Error::Size { .. } => "size",
            Error::NotNvs { .. } => "not-nvs",
        };
        let mut problem = Self::new(kind, error.to_string());
        if let Error::Partition(Unfit::SeveralNvs { names } | Unfit::NotNvs { nvs: names, .. }) = error {
            problem.names.clone_from(names);
        }
        problem
    }
}

impl From<&fleetmint_nvs::Error> for ProblemReport {
    fn from(error: &fleetmint_nvs::Error) -> Self {
        use fleetmint_nvs::Error;
        let kind = match error {
            Error::WrongKey { plain: true, .. } => "not-encrypted",
            Error::WrongKey { encrypted: true, .. } => "wrong-key",
            Error::WrongKey { .. } => "key-missing",
            Error::NoFreePages { .. } | Error::NewVersion { .. } => "would-be-erased",
            Error::PartitionSize { .. } => "size",
            Error::NotEnoughSpace { .. } => "no-room",
            Error::KeyFile { .. } | Error::HmacKeyFile { .. } => "key-file",
            _ => "cannot-open",
        };
        let mut problem = Self::new(kind, error.to_string());
        problem.about_keys = matches!(error, Error::WrongKey { .. });
        problem
    }
}

#[cfg(feature = "changes")]
impl From<&PatchError> for ProblemReport {
    fn from(error: &PatchError) -> Self {
        let kind = match error.cause {
            PatchFault::Call(fleetmint_nvs::Error::NotEnoughSpace { .. }) => "no-room",
            _ => "change",
        };
        let mut problem = Self::new(kind, error.to_string());
        problem.row = Some(error.row);
        problem
    }
}

impl From<&patch::Error> for ProblemReport {
    fn from(error: &patch::Error) -> Self {
        let mut problem = match error {
            patch::Error::WrongKey(cause) | patch::Error::Open(cause) => cause.into(),
            #[cfg(feature = "changes")]
            patch::Error::Row(row) => row.into(),
            error => Self::new(kind_of_patch(error), String::new()),
        };
        problem.message = error.to_string();
        problem
    }
}

fn kind_of_patch(error: &patch::Error) -> &'static str {
    use patch::Error;
    match error {
        Error::OnePage => "one-page",
        Error::NotNvs(_) => "not-nvs",
        Error::Values(_) => "image",
        Error::Set { .. } => "change",
        Error::TooManyChanges => "too-many-changes",
        Error::DoesNotFit { .. } => "no-room",
        #[cfg(feature = "changes")]
        Error::Row(_) => "change",
        Error::WrongKey(_) | Error::Open(_) | Error::Stopped => "cannot-open",
    }
}

fn kind_of_refusal(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::FlashErased { .. } => "flash-erased",
        Refusal::TableEncrypted { .. } => "table-encrypted",
        Refusal::NoTable { .. } => "no-table",
        Refusal::Table(error) => kind_of_table(error),
        Refusal::Partition(unfit) => kind_of_unfit(unfit),
        Refusal::ReadOnly { .. } => "read-only",
        Refusal::BeyondFlash { .. } => "beyond-flash",
        Refusal::Size { .. } => "size",
        Refusal::CutShort { .. } => "cut-short",
        Refusal::OnePage => "one-page",
        Refusal::KeyMissing { .. } => "key-missing",
        Refusal::WrongKey { .. } => "wrong-key",
        Refusal::NotEncrypted { .. } => "not-encrypted",
        Refusal::KeysDoNotFit { .. } => "keys-do-not-fit",
        Refusal::KeysUnreadable { .. } => "keys-unreadable",
        Refusal::NotNvs { .. } => "not-nvs",
        Refusal::WouldBeErased { .. } => "would-be-erased",
        Refusal::CannotOpen { .. } => "cannot-open",
        Refusal::UnknownType { .. } => "unknown-type",
        Refusal::NoRoom { .. } => "no-room",
        Refusal::Image(_) => "image",
        #[cfg(feature = "changes")]
        Refusal::Row(_) => "change",
        Refusal::Patch(error) => kind_of_patch(error),
    }
}

fn kind_of_table(error: &partition_table::Error) -> &'static str {
    use partition_table::Error;
    match error {
        Error::NoTable { .. } => "no-table",
        Error::Unusable { .. } => "table",
        Error::NotFound { .. } => "partition-not-found",
        Error::CutOff { .. } => "cut-short",
    }
}

fn kind_of_unfit(unfit: &Unfit) -> &'static str {
    match unfit {
        Unfit::NotFound(_) => "partition-not-found",
        Unfit::NoNvs { .. } => "no-nvs",
        Unfit::SeveralNvs { .. } => "several-nvs",
        Unfit::NotNvs { .. } => "not-nvs-type",
        Unfit::EncryptedFlag { .. } => "encrypted-flag",
        Unfit::Overlap { .. } => "overlap",
        Unfit::BeforeTable { .. } => "before-table",
        Unfit::Misaligned(_) => "misaligned",
    }
}
