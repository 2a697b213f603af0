//! Which content coding the caller wants (RFC 9110 §12.5.3).

use axum::http::{HeaderMap, header};

use super::media_range;

/// The weights that a caller gives to content codings.
pub(crate) struct Codings<'a>(Vec<(&'a str, f32)>);

impl<'a> Codings<'a> {
    /// Those of all lines of `Accept-Encoding`.
    pub(crate) fn of(headers: &'a HeaderMap) -> Self {
        let lines = headers.get_all(header::ACCEPT_ENCODING).iter();
        let codings = lines
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(','))
            .map(|coding| {
                let mut parts = coding.split(';').map(str::trim);
                (parts.next().unwrap_or_default(), media_range::weight(parts))
            });
        Self(codings.collect())
    }

    /// The offered coding with the highest weight, the first one of several; `None` if the caller wants no coding at all, or
    /// does not say.
    pub(crate) fn best<'o>(&self, offers: &[&'o str]) -> Option<&'o str> {
        let least = self.named("identity").unwrap_or(0.0);
        let mut best: Option<(&str, f32)> = None;
        for offer in offers {
            let weight = self.named(offer).or_else(|| self.named("*")).unwrap_or(0.0);
            if weight > 0.0 && weight >= least && best.is_none_or(|(_, other)| weight > other) {
                best = Some((offer, weight));
            }
        }
        best.map(|(offer, _)| offer)
    }

    /// The weight of a coding by its name, or by its old one (RFC 9110 §8.4.1.3).
    fn named(&self, name: &str) -> Option<f32> {
        let is_it =
            |given: &str| given.eq_ignore_ascii_case(name) || (name == "gzip" && given.eq_ignore_ascii_case("x-gzip"));
        let mut named = self.0.iter().rev().filter(|(given, _)| is_it(given));
        named.next().map(|(_, weight)| *weight)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn best(lines: &[&str], offers: &[&'static str]) -> Option<&'static str> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::ACCEPT_ENCODING, HeaderValue::from_str(line).unwrap());
        }
        Codings::of(&headers).best(offers)
    }

    #[test]
    fn gzip_is_used_where_the_caller_prefers_it() {
        for (lines, wanted) in [
            (&[][..], false),
            (&[""], false),
            (&["gzip"], true),
            (&["GZip;Q=0.5"], true),
            (&["x-gzip"], true),
            (&["deflate, gzip;q=1.0, *;q=0.5"], true),
            (&["*"], true),
            (&["br, zstd"], false),
            (&["identity"], false),
            (&["gzip;q=0"], false),
            (&["gzip;q=0, *"], false),
            (&["gzip;q=0.000"], false),
            (&["gzip;q=none"], false),
            (&["gzip;q=NaN"], false),
            (&["identity, gzip;q=inf"], true),
            (&["identity, gzip;q=0.9"], false),
            (&["identity;q=0.5", "gzip;q=0.5"], true),
            (&["identity;q=0, *"], true),
            (&["*;q=0"], false),
            (&["gzipped"], false),
        ] {
            assert_eq!(best(lines, &["gzip"]).is_some(), wanted, "{lines:?}");
        }
    }

    #[test]
    fn the_coding_with_the_highest_weight_wins_and_the_first_of_equals() {
        let offers = &["br", "gzip"];
        for (lines, wanted) in [
            (&["gzip, deflate, br, zstd"][..], Some("br")),
            (&["gzip, deflate"], Some("gzip")),
            (&["br;q=0.5, gzip;q=0.8"], Some("gzip")),
            (&["br;q=0.5, gzip;q=0.5"], Some("br")),
            (&["gzip", "BR"], Some("br")),
            (&["*"], Some("br")),
            (&["*;q=0.3, br;q=0"], Some("gzip")),
            (&["br;q=0, gzip;q=0"], None),
            (&["br;q=0.5, gzip;q=0.5, identity;q=0.6"], None),
            (&["br;q=0.5, gzip;q=0.7, identity;q=0.6"], Some("gzip")),
            (&["identity"], None),
            (&[], None),
        ] {
            assert_eq!(best(lines, offers), wanted, "{lines:?}");
        }
        assert_eq!(best(&["gzip, br"], &[]), None);
    }
}
