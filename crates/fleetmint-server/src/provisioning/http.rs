pub(crate) mod settings;
pub(crate) mod verify;

use std::fmt;

use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use fleetmint_board::patch::Error as PatchError;
use fleetmint_board::provisioning::Error as BoardError;
use fleetmint_board::report::MaskedKey;
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;
use utoipa::openapi::OneOf;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use zeroize::Zeroizing;

use super::patch::{self, Partition};
use super::{Error, Image, SIZE_DEFAULT};
use crate::access::Caller;
use crate::app::App;
use crate::devices;
use crate::http::accept::negotiate;
use crate::http::extract::{self, Id, IdParameter, Query};
use crate::http::large_bodies::Room;
use crate::http::problem::{self, Problem, kinds};
use crate::http::schema;
use crate::secret::{self, Full, Wiped};
use crate::violation::Violation;

const JSON: &str = "application/json";
const BYTES: &str = "application/octet-stream";

/// How many headers the answer with an image has, with some to spare.
const HEADERS: usize = 12;

/// How many bytes an answer has around the base64, with some to spare.
const FRAME: usize = 64;

/// The image of a device's NVS partition.
#[derive(Serialize, ToSchema)]
struct Provisioning<'a> {
    /// The partition's name.
    #[schema(example = "nvs")]
    partition: &'static str,
    /// The size of the image and of the partition in bytes.
    #[schema(example = 4096)]
    size: usize,
    /// The image in standard padded base64; unused bytes are 0xFF.
    #[schema(format = Byte)]
    data: &'a str,
}

/// Documents the image as bytes.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "documents a body that is no JSON")]
pub(crate) struct RawImage(Vec<u8>);

/// The size of the image.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents the parameter, which is read by parse_size")]
pub(crate) struct PartitionSize {
    /// The size of the device's NVS partition in bytes, as a partition table has it (24576, 0x6000, 24K, 1M): a multiple
    /// of 4096 from 4096 to 16 MiB. From 0x3000 up at least one page stays free, as the firmware needs for writing.
    /// The default is one page of 4096 bytes, which belongs at the start of an *erased* partition. The partition's real
    /// size is always right.
    #[param(value_type = SizeInQuery, inline, required = false, example = "0x6000")]
    partition_size: String,
}

schema::parameter!(
    /// A size in a query.
    SizeInQuery,
    partition_size_schema()
);

fn partition_size_schema() -> Schema {
    let decimal = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .multiple_of(Some(4096))
        .minimum(Some(4096))
        .maximum(Some(16 << 20));
    let hexadecimal = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some("^0[xX]0*(?:[1-9A-Fa-f][0-9A-Fa-f]{0,2}000|1000000)$"));
    // 4K to 16384K in steps of 4K, and 1M to 16M.
    let with_unit = ObjectBuilder::new().schema_type(Type::String).pattern(Some(
        "^0*(?:(?:[48]|[2468][048]|[13579][26]|(?:[1-9][0-9]?|1[0-5][0-9]|16[0-2])(?:[02468][048]|[13579][26])\
         |163(?:[0246][048]|8[04]|[1357][26]))[kK]|(?:[1-9]|1[0-6])[mM])$",
    ));
    let schema = OneOf::builder().item(decimal).item(hexadecimal).item(with_unit);
    Schema::OneOf(schema.build())
}

/// The image that gives a device its identity and its settings.
///
/// It holds the device's secret. The answer is sent only after its audit record is on the disk, and must not be cached.
#[utoipa::path(
    get, path = "/api/devices/{id}/provisioning", tag = "provisioning",
    params(
        IdParameter,
        PartitionSize,
    ),
    responses(
        (status = 200, description = "The image, as the caller accepts it", content(
            (Provisioning = "application/json"), (RawImage = "application/octet-stream"),
        )),
        (status = 409, description = "The client with the device's name at the identity provider is not the device's"),
        (status = 422, description = "A value or setting is missing, too long, or does not fit into the partition"),
        (status = 502, description = "The identity provider failed, or has no usable secret"),
        (status = 504, description = "The identity provider did not answer in time"),
    )
)]
pub(crate) async fn get_provisioning(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    mut query: Query,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let media_type = negotiate(&headers, &[JSON, BYTES])?;
    let size = query.parse("partition_size", parse_size).unwrap_or(SIZE_DEFAULT);
    query.finish()?;
    // For JSON the image is in memory twice for a moment.
    let under_way = if media_type == BYTES { size } else { size * 7 / 3 };
    let room = app.large_bodies.room(under_way).await?;
    let (image, room) = super::get(&app, &caller, id, size, room).await?;
    render(image, media_type, room)
}

/// The largest body of a patch in bytes: 16 MiB in base64, a key partition, and the JSON around them.
const PATCH_BODY_MAX: usize = (16 << 20) / 3 * 4 + (64 << 10);

/// The most memory in bytes that a patch takes for a body of this size: the body, the answer, and the work between.
fn patch_memory(body: usize) -> usize {
    body * 2 + fleetmint_board::patch::memory(body / 4 * 3)
}

/// The body of a patch, with the memory reserved for it and for the work on it.
pub(crate) struct PatchBody(PatchProvisioning, Room);

impl FromRequest<App> for PatchBody {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        extract::expect_json(request.headers())?;
        let body = request.into_body();
        let (body, room) = app.large_bodies.read(body, PATCH_BODY_MAX, patch_memory).await?;
        Ok(Self(extract::parse(body.as_ref())?, room))
    }
}

/// A partition as it was read from the chip.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatchProvisioning {
    /// The whole partition in standard padded base64 without line breaks (`base64 -w0`), at most 16 MiB.
    #[schema(value_type = String, format = Byte, max_length = 22_369_624)]
    data: Base64,
    /// The key partition in standard padded base64 without line breaks, if the partition is encrypted.
    #[schema(value_type = Option<String>, format = Byte, max_length = 22_369_624)]
    nvs_keys: Option<Base64>,
}

/// The bytes of a text in base64; `None` if it is not base64.
struct Base64(Option<Wiped>);

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Base64;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E>(self, text: &str) -> Result<Base64, E> {
                Ok(Base64(Wiped::from_base64(text.as_bytes())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl Base64 {
    fn decoded(self, pointer: &'static str) -> Result<Wiped, Problem> {
        self.0.ok_or_else(|| {
            let rule = "must be standard base64 with its padding and without line breaks (as of base64 -w0)";
            Problem::invalid(vec![Violation::new(pointer, rule)])
        })
    }
}

impl PatchProvisioning {
    fn partition(self) -> Result<Partition, Problem> {
        let data = self.data.decoded("/data")?;
        let keys = self.nvs_keys.map(|keys| keys.decoded("/nvs_keys")).transpose()?;
        Partition::new(data, keys.as_ref().map(Wiped::as_ref)).map_err(Problem::invalid)
    }
}

/// The partition to write to the chip.
#[derive(Serialize, ToSchema)]
struct PatchedProvisioning<'a> {
    /// The whole partition in standard padded base64.
    #[schema(value_type = String, format = Byte)]
    data: Encoded<'a>,
    /// The numbers of the 4096-byte sectors that differ from the sent partition, counted from 0.
    changed_sectors: &'a [usize],
    /// The keys that differ, their values masked.
    diff: Vec<MaskedKey<'static>>,
}

/// Bytes that are written as base64 piece by piece, so that only the answer holds the whole text.
struct Encoded<'a>(&'a [u8]);

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const PIECE: usize = 3 << 10;
        let mut text = Zeroizing::new(String::with_capacity(PIECE / 3 * 4));
        self.0.chunks(PIECE).try_for_each(|piece| {
            text.clear();
            base64_simd::STANDARD.encode_append(piece, &mut *text);
            f.write_str(&text)
        })
    }
}

impl Serialize for Encoded<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Writes the device's identity and settings into its partition as it was read from the chip.
///
/// Everything else in it stays, as the firmware itself would leave it: Wi-Fi settings, calibration, other software's
/// values. An optional value that the device does not get is erased. What is sent is never stored or logged. The answer
/// holds the device's secret; it is sent only after its audit record is on the disk, and must not be cached.
#[utoipa::path(
    post, path = "/api/devices/{id}/provisioning/patch", tag = "provisioning",
    params(IdParameter),
    request_body = PatchProvisioning,
    responses(
        (status = 200, description = "The partition, and what changed in it", body = PatchedProvisioning),
        (status = 409, description = "The client with the device's name at the identity provider is not the device's"),
        (status = 422, description = "A value or setting is missing or too long, or the partition cannot be changed: it \
            has no possible size, the firmware could not open it, its keys are wrong, it has no room, or too many of its \
            keys would change"),
        (status = 502, description = "The identity provider failed, or has no usable secret"),
        (status = 504, description = "The identity provider did not answer in time"),
    )
)]
pub(crate) async fn patch_provisioning(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    PatchBody(body, room): PatchBody,
) -> Result<Response, Problem> {
    let partition = body.partition()?;
    let (image, patched, mut room) = patch::patch(&app, &caller, id, partition, room).await?;

    // The base64 is too large to write it only to count its bytes.
    let rest = PatchedProvisioning {
        data: Encoded(&[]),
        changed_sectors: &patched.changed_sectors,
        diff: patched.differences,
    };
    let room_for_rest = secret::json_size(&rest).map_err(|error| Problem::internal(&error))?;
    let answer = PatchedProvisioning {
        data: Encoded(image.as_ref()),
        ..rest
    };
    let mut json = Wiped::with_capacity(image.len().div_ceil(3) * 4 + room_for_rest);
    serde_json::to_writer(&mut json, &answer).map_err(|error| Problem::internal(&error))?;
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static(JSON))];
    room.shrink(json.len());
    Ok((headers, room.answer(json)).into_response())
}

fn render(image: Image, media_type: &'static str, room: Room) -> Result<Response, Problem> {
    // Reserves space for these headers and for those of every answer: growing the table costs more than filling it.
    let mut headers = HeaderMap::with_capacity(HEADERS);
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    let mut response = if media_type == BYTES {
        let file = format!("attachment; filename=\"nvs-{}.bin\"", image.device_key);
        if let Ok(file) = HeaderValue::try_from(file) {
            headers.insert(header::CONTENT_DISPOSITION, file);
        }
        room.answer(image.bytes)
    } else {
        let json = json(image.bytes.as_ref()).map_err(|error| Problem::internal(&error))?;
        room.answer(json)
    };
    *response.headers_mut() = headers;
    Ok(response)
}

/// A [`Provisioning`], written by hand: nothing in it needs escaping, and it is large.
fn json(image: &[u8]) -> Result<Wiped, Full> {
    let size = image.len();
    let mut json = Wiped::with_capacity(size.div_ceil(3) * 4 + FRAME);
    json.push(b"{\"partition\":\"nvs\",\"size\":")?;
    json.push(size.to_string().as_bytes())?;
    json.push(b",\"data\":\"")?;
    json.push_base64(image)?;
    json.push(b"\"}")?;
    Ok(json)
}

/// A size in decimal, with the unit K or M or without, or in hexadecimal after `0x`.
fn parse_size(text: &str) -> Result<usize, String> {
    let (digits, radix, unit) = if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        (digits, 16, 1)
    } else if let Some(digits) = text.strip_suffix(['k', 'K']) {
        (digits, 10, 1 << 10)
    } else if let Some(digits) = text.strip_suffix(['m', 'M']) {
        (digits, 10, 1 << 20)
    } else {
        (text, 10, 1)
    };
    let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = usize::from_str_radix(digits, radix).ok().filter(|_| plain);
    number
        .and_then(|number| number.checked_mul(unit))
        .filter(|size| fleetmint_board::provisioning::check_partition_size(*size).is_ok())
        .ok_or_else(|| "must be a multiple of 4096 from 4096 to 16777216, as 24576, 0x6000, 24K or 1M".to_owned())
}

kinds! {
    VALUE_MISSING = UNPROCESSABLE_ENTITY, "value-missing", "A value that the device needs is not set", false;
    VALUE_TOO_LONG = UNPROCESSABLE_ENTITY, "value-too-long", "A value is longer than NVS allows", false;
    DOES_NOT_FIT = UNPROCESSABLE_ENTITY, "does-not-fit", "The values do not fit into the partition", false;
    UNUSABLE_PARTITION = UNPROCESSABLE_ENTITY, "unusable-partition", "The partition cannot be changed as the firmware would", false;
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound => devices::Error::NotFound.into(),
            Error::Model(error) => error.into(),
            Error::Value { .. } | Error::Url { .. } => {
                let kind = match &error {
                    Error::Value { cause, .. } => match cause {
                        BoardError::Required { .. } => VALUE_MISSING,
                        BoardError::TooLong { .. } => VALUE_TOO_LONG,
                        BoardError::DoesNotFit { .. } => DOES_NOT_FIT,
                        _ => problem::INVALID_VALUE,
                    },
                    _ => problem::INVALID_VALUE,
                };
                let (setting, detail) = error.about_value().unwrap_or_default();
                let pointer = setting.map(|setting| format!("/provisioning/{setting}"));
                let errors = pointer.map(|pointer| Violation::new(pointer, detail.clone()));
                Self::new(kind, detail).with_errors(errors.into_iter().collect())
            }
            Error::Partition(cause) => {
                let kind = match cause {
                    PatchError::DoesNotFit { .. } => DOES_NOT_FIT,
                    _ => UNUSABLE_PARTITION,
                };
                let pointer = match cause {
                    PatchError::WrongKey(_) => "/nvs_keys",
                    _ => "/data",
                };
                let detail = cause.to_string();
                Self::new(kind, detail.clone()).with_errors(vec![Violation::new(pointer, detail)])
            }
            Error::Identity(error) => error.into(),
            Error::Seal(error) => Self::internal(&error),
            Error::Stopped(cause) => Self::internal(&cause),
            Error::Audit(error) => error.into(),
            Error::Database(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_decimal_or_hexadecimal_with_or_without_a_unit_and_a_whole_number_of_pages() {
        for (text, size) in [
            ("4096", 4096),
            ("24576", 24576),
            ("0x6000", 24576),
            ("0X6000", 24576),
            ("16777216", 1 << 24),
            ("4K", 4096),
            ("24K", 24576),
            ("24k", 24576),
            ("16384K", 1 << 24),
            ("1M", 1 << 20),
            ("16m", 1 << 24),
        ] {
            assert_eq!(parse_size(text), Ok(size), "{text}");
        }
        for text in [
            "0",
            "",
            "0x",
            "4095",
            "4097",
            "-4096",
            "+4096",
            "0x+1000",
            "16781312",
            "1000",
            "6000h",
            "4096 ",
            "K",
            "0K",
            "1K",
            "17M",
            "16388K",
            "0x18K",
            "24KiB",
            "24KK",
            "1.5M",
            "24 K",
            "24\u{212a}",
            "18014398509481985K",
            "9".repeat(40).as_str(),
        ] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}
