//! Any bytes as the lines of an `Accept` header: the chosen type is one of the offers and has the highest weight, and
//! splitting the ranges into lines makes no difference.
#![no_main]

use libfuzzer_sys::fuzz_target;
use media_range::Ranges;

#[path = "../../crates/fleetmint-server/src/http/media_range.rs"]
mod media_range;

const OFFERS: [&str; 3] = [
    "application/json",
    "application/octet-stream",
    "text/plain; version=0.0.4",
];

fuzz_target!(|data: &[u8]| {
    // The bytes that the server reads as text: visible ASCII, spaces and tabs.
    if !data.iter().all(|byte| matches!(byte, b'\n' | b'\t' | b' '..=b'~')) {
        return;
    }
    let text = core::str::from_utf8(data).expect("ASCII");
    let ranges = Ranges::new(text.lines());
    let chosen = ranges.best(&OFFERS);
    let qualities = OFFERS.map(|offer| ranges.quality(offer));
    assert!(
        qualities.iter().all(|quality| (0.0..=1.0).contains(quality)),
        "{qualities:?}"
    );

    let empty = text.split([',', '\n']).all(|range| range.trim().is_empty());
    let best = qualities.iter().copied().fold(0.0, f32::max);
    let first = OFFERS
        .iter()
        .zip(qualities)
        .find(|(_, quality)| *quality == best && best > 0.0);
    let wanted = if empty {
        Some(OFFERS[0])
    } else {
        first.map(|(offer, _)| *offer)
    };
    assert_eq!(chosen, wanted, "{qualities:?}");

    let joined = text.replace('\n', ",");
    assert_eq!(Ranges::new([joined.as_str()].into_iter()).best(&OFFERS), chosen);
    assert_eq!(Ranges::new(text.split(['\n', ','])).best(&OFFERS), chosen);
    let shouted = text.to_ascii_uppercase();
    let shouted = Ranges::new(shouted.lines()).best(&OFFERS);
    assert_eq!(shouted, chosen, "capitals make a difference");
});
