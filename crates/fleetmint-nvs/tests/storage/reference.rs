//! Reads the reference images and their JSON files.

use fleetmint_nvs::crypt::{Keys, Xts};
use fleetmint_nvs::entry::Number;
use fleetmint_nvs::storage::{Listed, Value};
use serde_json::Value as Json;
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) json: Json,
    folder: PathBuf,
}

/// All cases of a folder of `reference/`, by name.
pub(crate) fn cases(folder: &str) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/storage/reference")
        .join(folder);
    let mut paths: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let read = |path: PathBuf| {
        let json: Json = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        Case {
            name: json["name"].as_str().unwrap().to_owned(),
            json,
            folder: folder.clone(),
        }
    };
    paths.into_iter().map(read).collect()
}

impl Case {
    pub(crate) fn file(&self, name: &str) -> Vec<u8> {
        fs::read(self.folder.join(name)).unwrap()
    }

    pub(crate) fn image(&self) -> Vec<u8> {
        self.file(self.json["image"].as_str().unwrap())
    }

    pub(crate) fn cipher(&self) -> Option<Xts> {
        let file = self.json["keyfile"]
            .as_str()
            .filter(|_| self.json["encrypted"] == true)?;
        Some(Keys::decode(&self.file(file)).unwrap().xts())
    }

    pub(crate) fn init(&self) -> &str {
        self.json["init"].as_str().unwrap()
    }
}

fn text(entry: &mut serde_json::Map<String, Json>, name: &str, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => entry.insert(name.to_owned(), text.into()),
        Err(_) => entry.insert(format!("{name}_hex"), hex::encode(bytes).into()),
    };
}

/// The fields that a listing and a JSON file must agree on, as text: see `conformance.py`'s `comparable`.
pub(crate) fn comparable(listed: &Listed) -> String {
    let mut entry = serde_json::Map::new();
    text(&mut entry, "key", listed.key.as_bytes());
    entry.insert("type".into(), listed.value_type.name().into());
    entry.insert("ns_index".into(), listed.ns_index.into());
    if listed.orphan {
        entry.insert("orphan".into(), true.into());
        return Json::Object(entry).to_string();
    }
    text(&mut entry, "namespace", listed.namespace.as_bytes());
    if let Some(size) = listed.size {
        entry.insert("size".into(), size.into());
    }
    if listed.repeat {
        entry.insert("repeat".into(), true.into());
    }
    if !listed.iterated {
        entry.insert("iterated".into(), false.into());
    }
    match &listed.value {
        Ok(Value::Str(bytes)) => text(&mut entry, "value", bytes),
        Ok(Value::Blob(bytes)) => drop(entry.insert("value".into(), hex::encode(&**bytes).into())),
        Ok(Value::Number(Number::Float(n))) => {
            drop(entry.insert("bits".into(), format!("{:08x}", n.to_bits()).into()));
        }
        Ok(Value::Number(Number::Double(n))) => {
            drop(entry.insert("bits".into(), format!("{:016x}", n.to_bits()).into()));
        }
        Ok(Value::Number(number)) => drop(entry.insert("value".into(), integer(*number))),
        Err(code) => drop(entry.insert("error".into(), code.name().into())),
    }
    Json::Object(entry).to_string()
}

fn integer(number: Number) -> Json {
    match number {
        Number::U8(n) => n.into(),
        Number::I8(n) => n.into(),
        Number::U16(n) => n.into(),
        Number::I16(n) => n.into(),
        Number::U32(n) => n.into(),
        Number::I32(n) => n.into(),
        Number::U64(n) => n.into(),
        Number::I64(n) => n.into(),
        Number::Float(_) | Number::Double(_) => Json::Null,
    }
}

/// The same for an entry of a JSON file.
pub(crate) fn wanted(entry: &Json) -> String {
    let entry = entry.as_object().unwrap();
    let orphan = entry.get("orphan") == Some(&true.into());
    let float = entry["type"] == "float" || entry["type"] == "double";
    let mut out = serde_json::Map::new();
    for (name, value) in entry {
        let kept = match name.as_str() {
            "key" | "key_hex" | "type" | "ns_index" | "orphan" => true,
            "namespace" | "namespace_hex" | "size" | "repeat" | "value_hex" | "error" => !orphan,
            "iterated" => value == false,
            "value" => !orphan && !float,
            "bits" => float && !orphan,
            _ => false,
        };
        if kept && !value.is_null() && (*value != false || name == "iterated") {
            let value = match (name.as_str(), value.as_str()) {
                ("error", Some(text)) => text.rsplit(':').next().unwrap().into(),
                _ => value.clone(),
            };
            out.insert(name.clone(), value);
        }
    }
    Json::Object(out).to_string()
}
