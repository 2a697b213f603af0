//! What a report must be.

use jiff::Timestamp;

use super::{ChangeFlash, End, Error, Flash, FlashOutcome, Mac, NewFlash};
use crate::name;
use crate::violation::Violation;

/// The names of chips, as ESP-IDF calls its targets, for the OpenAPI document: more of them come every year.
pub(crate) const CHIP_PATTERN: &str = "^esp32[a-z0-9]{0,8}$";

/// The longest name of a partition in bytes: the field `label` of a row in ESP-IDF's partition table.
pub(crate) const PARTITION_NAME_MAX: usize = 16;

/// The size of a sector, the smallest part of a flash that can be erased, in bytes. Partitions begin and end at sectors.
pub(crate) const SECTOR: i64 = 4096;

/// The largest offset of a partition in bytes: the largest partition still ends within 32 bits.
pub(crate) const OFFSET_MAX: i64 = (1 << 32) - SIZE_MAX;

/// The largest size of an NVS partition in bytes.
pub(crate) const SIZE_MAX: i64 = 16 << 20;

/// The longest name of a tool in characters.
pub(crate) const TOOL_MAX: usize = 200;

/// The longest reason in characters.
pub(crate) const REASON_MAX: usize = 1000;

/// The largest count of sectors or bytes.
pub(crate) const COUNT_MAX: i64 = u32::MAX as i64;

/// Checks a new flash. Returns the MAC of its board.
///
/// # Errors
/// A violation for each value that breaks a rule.
pub(super) fn check(new: &NewFlash) -> Result<Mac, Vec<Violation>> {
    let mut violations = Vec::new();
    let mac = Mac::parse(&new.mac);
    let mut require = |holds: bool, pointer: &str, rule: String| {
        if !holds {
            violations.push(Violation::new(pointer, rule));
        }
    };
    require(
        mac.is_some(),
        "/mac",
        "the mac must be six bytes in hexadecimal digits with colons between them, such as 60:55:f9:aa:00:01"
            .to_owned(),
    );
    require(
        is_chip(&new.chip),
        "/chip",
        "the chip must be a target of ESP-IDF, such as esp32 or esp32c3".to_owned(),
    );
    let partition = &new.partition;
    require(
        (1..=PARTITION_NAME_MAX).contains(&partition.name.len()) && !partition.name.chars().any(char::is_control),
        "/partition/name",
        format!("the name must be 1 to {PARTITION_NAME_MAX} bytes without control characters"),
    );
    require(
        (SECTOR..=OFFSET_MAX).contains(&partition.offset) && partition.offset % SECTOR == 0,
        "/partition/offset",
        format!("the offset must be a multiple of {SECTOR} from {SECTOR} to {OFFSET_MAX}"),
    );
    require(
        (SECTOR..=SIZE_MAX).contains(&partition.size) && partition.size % SECTOR == 0,
        "/partition/size",
        format!("the size must be a multiple of {SECTOR} from {SECTOR} to {SIZE_MAX}"),
    );
    name::check_line("/tool", &new.tool, TOOL_MAX, &mut violations);
    match mac {
        Some(mac) if violations.is_empty() => Ok(mac),
        _ => Err(violations),
    }
}

fn is_chip(name: &str) -> bool {
    name.strip_prefix("esp32").is_some_and(|series| {
        series.len() <= 8
            && series
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    })
}

impl ChangeFlash {
    /// How the flash ends by this change; `None` if the change changes nothing.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Ended`].
    pub(super) fn end_of(&self, flash: &Flash, now: Timestamp) -> Result<Option<End>, Error> {
        let mut violations = Vec::new();
        self.check_fixed(flash, &mut violations);
        if !violations.is_empty() {
            return Err(Error::Invalid(violations));
        }
        let end = flash.end.as_ref();
        let outcome = self.outcome.clone().apply(end.map(|end| end.outcome.name().to_owned()));
        let sectors = self.sectors.clone().apply(end.map(|end| end.sectors));
        let bytes = self.bytes.clone().apply(end.map(|end| end.bytes));
        let reason = self.reason.clone().apply(end.and_then(|end| end.reason.clone()));
        let is_same = match end {
            None => outcome.is_none() && sectors.is_none() && bytes.is_none() && reason.is_none(),
            Some(end) => {
                outcome.as_deref() == Some(end.outcome.name())
                    && sectors == Some(end.sectors)
                    && bytes == Some(end.bytes)
                    && reason == end.reason
            }
        };
        match end {
            _ if is_same => Ok(None),
            Some(_) => Err(Error::Ended),
            None => report(outcome.as_deref(), sectors, bytes, reason, now)
                .map(Some)
                .map_err(Error::Invalid),
        }
    }

    fn check_fixed(&self, flash: &Flash, violations: &mut Vec<Violation>) {
        self.id.check_fixed("/id", &flash.id, violations);
        self.device_id.check_fixed("/device_id", &flash.device_id, violations);
        let mac = flash.mac.to_string();
        self.mac.check_fixed("/mac", &mac, violations);
        self.chip.check_fixed("/chip", &flash.chip, violations);
        self.partition.check_fixed("/partition", &flash.partition, violations);
        self.tool.check_fixed("/tool", &flash.tool, violations);
        let state = flash.state().name().to_owned();
        self.state.check_fixed("/state", &state, violations);
        self.started_at
            .check_fixed("/started_at", &flash.started_at, violations);
        let ended_at = flash.end.as_ref().map(|end| &end.at);
        self.ended_at.check_fixed_optional("/ended_at", ended_at, violations);
    }
}

/// The end that these values report.
fn report(
    outcome: Option<&str>,
    sectors: Option<i64>,
    bytes: Option<i64>,
    reason: Option<String>,
    at: Timestamp,
) -> Result<End, Vec<Violation>> {
    let mut violations = Vec::new();
    let known = outcome.and_then(FlashOutcome::with_name);
    if known.is_none() {
        let names = FlashOutcome::ALL.map(FlashOutcome::name).join(", ");
        violations.push(Violation::new(
            "/outcome",
            format!("the outcome must be one of {names}"),
        ));
    }
    let counts = [("/sectors", sectors), ("/bytes", bytes)];
    for (pointer, count) in counts {
        let allowed = match known {
            Some(FlashOutcome::Written) => 1..=COUNT_MAX,
            Some(FlashOutcome::Unchanged) => 0..=0,
            Some(FlashOutcome::Failed) | None => 0..=COUNT_MAX,
        };
        if !count.is_some_and(|count| allowed.contains(&count)) {
            let member = pointer.trim_start_matches('/');
            let rule = match (known, allowed.start(), allowed.end()) {
                (Some(FlashOutcome::Unchanged), ..) => "must be 0 if the outcome is unchanged".to_owned(),
                (_, least, most) => format!("must be a number from {least} to {most}"),
            };
            violations.push(Violation::new(pointer, format!("{member} {rule}")));
        }
    }
    if let Some(reason) = &reason {
        if matches!(known, Some(FlashOutcome::Failed) | None) {
            name::check_line("/reason", reason, REASON_MAX, &mut violations);
        } else {
            violations.push(Violation::new("/reason", "only a flash that failed has a reason"));
        }
    }
    match (known, sectors, bytes) {
        (Some(outcome), Some(sectors), Some(bytes)) if violations.is_empty() => Ok(End {
            outcome,
            sectors,
            bytes,
            reason,
            at,
        }),
        _ => Err(violations),
    }
}
