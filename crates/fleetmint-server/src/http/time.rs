//! Times as callers write and read them: RFC 3339.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;
use serde::{Serialize, Serializer};

/// A time in an answer: UTC, always with six digits after the second, so that the order of the texts is that of the times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Time(pub(crate) Timestamp);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:.6}", self.0))
    }
}

/// Reads a time in RFC 3339, and nothing else that looks like a time: 24 hours, offsets below 24 hours, years of four
/// digits. A leap second is the last moment of its minute; a later time than the last one that can be stored becomes
/// that one.
///
/// # Errors
/// What a time must be.
pub(crate) fn parse(text: &str) -> Result<Timestamp, String> {
    read(text).ok_or_else(|| "must be a time in RFC 3339, such as 2026-01-31T12:00:00Z".to_owned())
}

fn read(text: &str) -> Option<Timestamp> {
    let (date, time) = (text.get(..10)?, text.get(11..)?);
    if !matches!(text.as_bytes().get(10)?, b'T' | b't' | b' ') {
        return None;
    }
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let (clock, rest) = time.split_at_checked(8)?;
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    let digits = rest.strip_prefix('.').map_or("", |rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest.get(..end).unwrap_or_default()
    });
    let zone = match rest.strip_prefix('.') {
        Some(_) if digits.is_empty() => return None,
        Some(fraction) => fraction.get(digits.len()..)?,
        None => rest,
    };
    let nanosecond = digits
        .bytes()
        .map(|digit| i32::from(digit - b'0'))
        .chain(std::iter::repeat(0));
    let nanosecond = nanosecond.take(9).fold(0, |number, digit| number * 10 + digit);
    let (second, nanosecond) = if second == 60 {
        (59, 999_999_999)
    } else {
        (second, nanosecond)
    };
    let offset = offset(zone)?;

    let date = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    let (hour, minute, second) = (
        i8::try_from(hour).ok()?,
        i8::try_from(minute).ok()?,
        i8::try_from(second).ok()?,
    );
    let time = jiff::civil::Time::new(hour, minute, second, nanosecond).ok()?;
    // jiff does not support the first and the last hours of the range of four-digit years.
    let moment = offset.to_timestamp(DateTime::from_parts(date, time));
    Some(moment.unwrap_or(if year > 0 { Timestamp::MAX } else { Timestamp::MIN }))
}

/// `Z`, or hours and minutes with a sign.
fn offset(text: &str) -> Option<Offset> {
    if matches!(text, "Z" | "z") {
        return Some(Offset::UTC);
    }
    let (sign, clock) = text.split_at_checked(1)?;
    let sign = match sign {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let [hours, minutes] = numbers(clock, ':', [2, 2])?;
    let within_a_day = hours < 24 && minutes < 60;
    let seconds = i32::from(hours) * 3600 + i32::from(minutes) * 60;
    within_a_day.then(|| Offset::from_seconds(sign * seconds).ok())?
}

/// Numbers with this many digits each, with `separator` between them.
fn numbers<const N: usize>(text: &str, separator: char, digits: [usize; N]) -> Option<[i16; N]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; N];
    for (number, digits) in numbers.iter_mut().zip(digits) {
        let part = parts.next()?;
        let plain = part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
        *number = part.parse().ok().filter(|_| plain)?;
    }
    parts.next().is_none().then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_six_digits() {
        for (microseconds, text) in [
            (0, "\"1970-01-01T00:00:00.000000Z\""),
            (1_500_000, "\"1970-01-01T00:00:01.500000Z\""),
            (1_000_001, "\"1970-01-01T00:00:01.000001Z\""),
        ] {
            let time = Time(Timestamp::from_microsecond(microseconds).unwrap());
            assert_eq!(serde_json::to_string(&time).unwrap(), text);
        }
    }

    #[test]
    fn a_time_is_rfc_3339() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        for (text, expected) in [
            ("2026-01-31T12:00:00Z", at("2026-01-31T12:00:00Z")),
            ("2026-01-31t12:00:00z", at("2026-01-31T12:00:00Z")),
            ("2026-01-31 12:00:00Z", at("2026-01-31T12:00:00Z")),
            ("2026-01-31T12:00:00.5+01:30", at("2026-01-31T10:30:00.5Z")),
            (
                "2026-01-31T12:00:00.123456789123-23:59",
                at("2026-02-01T11:59:00.123456789Z"),
            ),
            ("2026-01-31T12:00:00-00:00", at("2026-01-31T12:00:00Z")),
            ("2016-12-31T23:59:60Z", at("2016-12-31T23:59:59.999999999Z")),
            ("9999-12-31T23:59:59Z", Timestamp::MAX),
            ("9999-12-31T23:59:59-23:59", Timestamp::MAX),
            ("0000-01-01T00:00:00+23:59", at("-000001-12-31T00:01:00Z")),
            ("0000-01-01T00:00:00Z", at("0000-01-01T00:00:00Z")),
        ] {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
        for text in [
            "",
            "yesterday",
            "2026-01-31",
            "2026-01-31T12:00:00",
            "2026-01-31T12:00Z",
            "2026-01-31T12Z",
            "2026-01-31T12:00:00+25:00",
            "2026-01-31T12:00:00+24:00",
            "2026-01-31T12:00:00+01:60",
            "2026-01-31T12:00:00+01",
            "2026-01-31T12:00:00+0100",
            "2026-01-31T12:00:00.Z",
            "2026-01-31T12:00:00,5Z",
            "2026-01-31T24:00:00Z",
            "2026-01-31T12:60:00Z",
            "2026-01-31T12:00:61Z",
            "2026-02-30T12:00:00Z",
            "2026-13-01T12:00:00Z",
            "+002026-01-31T12:00:00Z",
            "2026-01-31T12:00:00Z[UTC]",
            "2026-01-31T12:00:00Z ",
            "20260131T120000Z",
            "２０２６-01-31T12:00:00Z",
            "2026-01-31é12:00:00Z",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
