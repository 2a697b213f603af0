//! Sizes and offsets on the command line.

/// Parses a decimal number or 0x…, with single underscores between digits and the units K and M of a partition table's CSV.
pub(crate) fn parse(text: &str) -> Result<usize, String> {
    let (digits, unit) = match text.strip_suffix(['k', 'K']) {
        Some(digits) => (digits, 1 << 10),
        None => match text.strip_suffix(['m', 'M']) {
            Some(digits) => (digits, 1 << 20),
            None => (text, 1),
        },
    };
    let (radix, digits) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(digits) => (16, digits),
        None => (10, digits),
    };
    digits
        .split('_')
        .all(|group| !group.is_empty() && group.chars().all(|char| char.is_digit(radix)))
        .then(|| usize::from_str_radix(&digits.replace('_', ""), radix).ok())
        .flatten()
        .and_then(|number| number.checked_mul(unit))
        .ok_or_else(|| format!("{text:?} is not a number of bytes: write 24576, 0x6000 or 24K"))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn numbers_of_bytes() {
        for text in ["24576", "0x6000", "0X6_000", "24K", "24k", "24_576"] {
            assert_eq!(parse(text), Ok(0x6000), "{text}");
        }
        assert_eq!(parse("1M"), Ok(0x10_0000));
        for text in [
            "",
            "abc",
            "0x",
            "-1",
            "+1",
            "0xg",
            "1__0",
            "_1",
            "99999999999999999999M",
            "K",
            "1.5K",
            "6 000",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
