//! [`Writer`]: a table that the generator can read.

use super::NO_COMPUTED_ROWS;
use super::error::ErrorKind;
use super::wifi::Companions;
use crate::entry::Number;
use crate::image::Value;
use crate::key::RawName;
use crate::wiped;
use alloc::string::{String, ToString};
use zeroize::Zeroizing;

/// Writes a table item by item, in the form that [`read`](super::read) and Espressif's generator read.
///
/// ```
/// use fleetmint_nvs::csv::Writer;
/// use fleetmint_nvs::{Key, Namespace};
///
/// let mut table = Writer::new();
/// table.item(Namespace::new("prov")?.raw(), Key::new("site")?.raw(), "Hamburg, Altona".into())?;
/// table.item(Namespace::new("prov")?.raw(), Key::new("pin")?.raw(), (&[0x12, 0xAB][..]).into())?;
/// assert_eq!(
///     *table.finish(),
///     "key,type,encoding,value\nprov,namespace,,\nsite,data,string,\"Hamburg, Altona\"\npin,data,hex2bin,12ab\n"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Before the first key for which the generator would compute Wi-Fi rows, it writes the row `,option,no-computed-rows,`: the
/// table already has those rows. Espressif's generator refuses that row.
pub struct Writer {
    table: Zeroizing<String>,
    namespace: Option<RawName>,
    companions: Companions,
}

impl Writer {
    /// Starts a table with its header.
    #[must_use]
    pub fn new() -> Self {
        Self {
            table: Zeroizing::new("key,type,encoding,value\n".to_string()),
            namespace: None,
            companions: Companions::default(),
        }
    }

    /// Opens a namespace, if it isn't the current one. A generator accepts each namespace only once.
    ///
    /// # Errors
    /// [`ErrorKind::NotWritable`]: the name is empty, or is text that a table can't hold.
    pub fn namespace(&mut self, namespace: RawName) -> Result<(), ErrorKind> {
        if self.namespace != Some(namespace) {
            self.row(&[name(&namespace)?, "namespace", "", ""]);
            self.namespace = Some(namespace);
        }
        Ok(())
    }

    /// Adds a value, and before it the row of its namespace if that isn't the current one. Blobs become `hex2bin`.
    ///
    /// # Errors
    /// [`ErrorKind::NotWritable`], and nothing is written: a name is empty; a name or text has a carriage return (which reading
    /// turns into a line feed) or NUL, or isn't UTF-8; the number is NaN.
    pub fn item(&mut self, namespace: RawName, key: RawName, value: Value<'_>) -> Result<(), ErrorKind> {
        let key = name(&key)?;
        match value {
            Value::Str(text) => self.value(namespace, key, "string", writable(key, text)?),
            Value::Blob(bytes) => self.value(namespace, key, "hex2bin", &Zeroizing::new(hex::encode(bytes))),
            Value::Number(number) => {
                let (encoding, text) = digits(number);
                if is_nan(number) {
                    return Err(not_writable(key, "NVS refuses NaN"));
                }
                self.value(namespace, key, encoding, &text)
            }
        }
    }

    fn value(&mut self, namespace: RawName, key: &str, encoding: &str, text: &str) -> Result<(), ErrorKind> {
        name(&namespace)?;
        if self.companions.begin_with(key) {
            self.row(&["", "option", NO_COMPUTED_ROWS, ""]);
        }
        self.namespace(namespace)?;
        self.row(&[key, "data", encoding, text]);
        Ok(())
    }

    /// The table, which may hold secrets.
    #[must_use]
    pub fn finish(self) -> Zeroizing<String> {
        self.table
    }

    fn push(&mut self, text: &str) {
        wiped::push_str(&mut self.table, text);
    }

    fn row(&mut self, fields: &[&str; 4]) {
        for (place, field) in fields.iter().enumerate() {
            if place > 0 {
                self.push(",");
            }
            // A key that begins with # would make the row a comment.
            if field.contains([',', '"', '\n']) || field.starts_with('#') {
                self.push("\"");
                for (place, part) in field.split('"').enumerate() {
                    if place > 0 {
                        self.push("\"\"");
                    }
                    self.push(part);
                }
                self.push("\"");
            } else {
                self.push(field);
            }
        }
        self.push("\n");
    }
}

impl Default for Writer {
    fn default() -> Self {
        Self::new()
    }
}

/// Shows no content.
impl core::fmt::Debug for Writer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Writer")
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

fn is_nan(number: Number) -> bool {
    match number {
        Number::Float(number) => number.is_nan(),
        Number::Double(number) => number.is_nan(),
        _ => false,
    }
}

fn digits(number: Number) -> (&'static str, String) {
    let encoding = match number {
        Number::U8(_) => "u8",
        Number::I8(_) => "i8",
        Number::U16(_) => "u16",
        Number::I16(_) => "i16",
        Number::U32(_) => "u32",
        Number::I32(_) => "i32",
        Number::U64(_) => "u64",
        Number::I64(_) => "i64",
        Number::Float(_) => "float",
        Number::Double(_) => "double",
    };
    (encoding, number.to_string())
}

fn not_writable(name: &str, reason: &'static str) -> ErrorKind {
    ErrorKind::NotWritable {
        name: name.to_string(),
        reason,
    }
}

/// A name as text that a table can hold.
fn name(raw: &RawName) -> Result<&str, ErrorKind> {
    let Some(text) = raw.as_str() else {
        return Err(not_writable(&raw.to_string_lossy(), "it is not UTF-8"));
    };
    if text.is_empty() {
        return Err(not_writable(text, "a name can't be empty"));
    }
    writable(text, text)
}

/// The text itself, if a table can hold it. `name` is for the error.
fn writable<'a>(name: &str, text: &'a str) -> Result<&'a str, ErrorKind> {
    if text.contains('\r') {
        return Err(not_writable(
            name,
            "it holds a carriage return, which reading turns into a line feed",
        ));
    }
    if text.contains('\0') {
        return Err(not_writable(name, "it holds a NUL"));
    }
    Ok(text)
}
