//! The media ranges of an `Accept` header (RFC 9110 §12.5.1), independent of the server, so that the fuzz targets build
//! them alone.

/// The media types that a caller accepts.
pub(crate) struct Ranges<'a>(Vec<&'a str>);

impl<'a> Ranges<'a> {
    /// The ranges of all lines of the header.
    pub(crate) fn new(lines: impl Iterator<Item = &'a str>) -> Self {
        let ranges = lines.flat_map(|line| line.split(',')).map(str::trim);
        Self(ranges.filter(|range| !range.is_empty()).collect())
    }

    /// The offer with the highest weight, the first one of several; without any range the first of all.
    pub(crate) fn best<'o>(&self, offers: &[&'o str]) -> Option<&'o str> {
        let mut best: Option<(&str, f32)> = None;
        for offer in offers {
            let quality = if self.0.is_empty() { 1.0 } else { self.quality(offer) };
            if quality > best.map_or(0.0, |(_, quality)| quality) {
                best = Some((offer, quality));
            }
        }
        best.map(|(offer, _)| offer)
    }

    /// The weight, from 0 to 1, that the most specific matching range gives to a media type.
    pub(crate) fn quality(&self, offer: &str) -> f32 {
        let mut best = (0, 0.0);
        for range in &self.0 {
            let mut parts = range.split(';').map(str::trim);
            let specificity = specificity(parts.next().unwrap_or_default(), offer);
            if specificity > best.0 {
                best = (specificity, weight(parts));
            }
        }
        best.1
    }
}

/// How closely a range names a media type; 0 if not at all.
fn specificity(range: &str, offer: &str) -> u8 {
    if range.eq_ignore_ascii_case(offer) {
        return 3;
    }
    if range == "*/*" {
        return 1;
    }
    let kind = offer.split('/').next();
    let named = range.strip_suffix("/*").zip(kind);
    if named.is_some_and(|(named, kind)| named.eq_ignore_ascii_case(kind)) {
        2
    } else {
        0
    }
}

/// The weight among the parameters of a media range or a content coding (RFC 9110 §12.4.2). A text that is not a number
/// counts as 0, a number above 1 as 1.
pub(crate) fn weight<'a>(parameters: impl Iterator<Item = &'a str>) -> f32 {
    parameters
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
        .map_or(1.0, |(_, weight)| {
            let weight: f32 = weight.trim().parse().unwrap_or(0.0);
            if weight.is_nan() { 0.0 } else { weight.clamp(0.0, 1.0) }
        })
}
