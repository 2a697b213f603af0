//! Names: what the files of a device are called, as `mfg_gen.py` calls them.

use fleetmint_board::escape::is_unseen;

/// The most bytes that the name of a file can have, on every file system that is in use.
const FILE_NAME_MAX: usize = 255;

/// The longest text that is put around a name: `hmac-keys-….bin`.
const AROUND_MAX: usize = "hmac-keys-.bin".len();

/// The names of the files of a run.
#[derive(Clone, Debug)]
pub(super) struct Names {
    prefix: String,
    numbers: Option<Numbers>,
}

/// `--prefix_num START LENGTH`: a number between prefix and id.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbers {
    pub(super) start: u64,
    /// The number of digits that it is filled up to.
    pub(super) length: usize,
}

impl Names {
    pub(super) fn new(prefix: &str, numbers: Option<Numbers>) -> Result<Self, String> {
        check_part("the prefix", prefix)?;
        Ok(Self {
            prefix: prefix.to_owned(),
            numbers,
        })
    }

    pub(super) fn manifest(&self) -> String {
        format!("{}-manifest.csv", self.prefix)
    }

    /// The table of the labels.
    pub(super) fn labels(&self) -> String {
        format!("{}-labels.csv", self.prefix)
    }

    /// The names of the files of a device: `number` counts the devices from 0.
    pub(super) fn of(&self, number: usize, id: &str) -> Result<DeviceNames, String> {
        check_part("the id", id)?;
        let stem = match self.numbers {
            None => format!("{}-{id}", self.prefix),
            Some(Numbers { start, length }) => {
                let number = u64::try_from(number)
                    .ok()
                    .and_then(|number| start.checked_add(number))
                    .ok_or("the numbers of --prefix_num are used up")?;
                format!("{}-{number:0length$}-{id}", self.prefix)
            }
        };
        if stem.len() + AROUND_MAX > FILE_NAME_MAX {
            return Err(format!(
                "the name of a file with the prefix and the id {:?} has more than {FILE_NAME_MAX} bytes",
                excerpt(id)
            ));
        }
        Ok(DeviceNames { stem })
    }
}

/// The names of the files of one device.
#[derive(Clone, Debug)]
pub(super) struct DeviceNames {
    /// `PREFIX-ID` or `PREFIX-0098-ID`.
    pub(super) stem: String,
}

impl DeviceNames {
    /// In the folder `bin`.
    pub(super) fn image(&self) -> String {
        format!("{}.bin", self.stem)
    }

    /// In the folder `keys`.
    pub(super) fn keys(&self) -> String {
        format!("keys-{}.bin", self.stem)
    }

    /// In the folder `keys`.
    pub(super) fn hmac_key(&self) -> String {
        format!("hmac-keys-{}.bin", self.stem)
    }
}

/// Checks a text that becomes a part of the name of a file.
fn check_part(what: &str, part: &str) -> Result<(), String> {
    let shown = excerpt(part);
    if part.trim().is_empty() {
        Err(format!("{what} is empty; it is a part of the name of each file"))
    } else if part == "." || part == ".." {
        Err(format!("{what} {shown:?} names a folder"))
    } else if part.contains(['/', '\\']) {
        Err(format!(
            "{what} {shown:?} has a slash or backslash, which would put the file into another folder"
        ))
    } else if part.contains(is_unseen) {
        Err(format!("{what} {shown:?} has a control or invisible character"))
    } else {
        Ok(())
    }
}

/// The part of an id that a message shows.
pub(super) fn excerpt(text: &str) -> String {
    const MOST: usize = 48;
    let mut shown: String = text.chars().take(MOST).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_espressif_script_gives_them() {
        let plain = Names::new("Fan", None).unwrap();
        assert_eq!(plain.of(0, "SN.1").unwrap().image(), "Fan-SN.1.bin");
        assert_eq!(plain.of(0, "a0:b1").unwrap().keys(), "keys-Fan-a0:b1.bin");
        assert_eq!(plain.of(0, "1").unwrap().hmac_key(), "hmac-keys-Fan-1.bin");
        let numbers = Some(Numbers { start: 98, length: 4 });
        let numbered = Names::new("Fan_v2", numbers).unwrap();
        assert_eq!(numbered.of(2, "x").unwrap().image(), "Fan_v2-0100-x.bin");
    }

    #[test]
    fn ids_that_are_no_part_of_a_file_name() {
        let names = Names::new("Fan", None).unwrap();
        for id in [
            "",
            " ",
            "a/b",
            "..",
            "../x",
            "a\\b",
            "a\0",
            "a\nb",
            "\u{1b}[2J",
            "a\u{202e}b",
        ] {
            let error = names.of(0, id).unwrap_err();
            assert!(error.starts_with("the id"), "{error}");
            assert!(!error.contains(is_unseen), "{error:?}");
        }
        let longest = 255 - "hmac-keys-Fan-.bin".len();
        assert!(names.of(0, &"x".repeat(longest)).is_ok());
        assert!(names.of(0, &"x".repeat(longest + 1)).is_err());
        assert!(Names::new("a/b", None).is_err());
        let last = Names::new(
            "Fan",
            Some(Numbers {
                start: u64::MAX,
                length: 1,
            }),
        )
        .unwrap();
        assert!(last.of(0, "x").is_ok());
        assert!(last.of(1, "x").is_err());
    }
}
