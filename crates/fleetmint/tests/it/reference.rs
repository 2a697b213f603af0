//! The reference images of `fleetmint-nvs`: what ESP-IDF's own library lists, repairs and writes.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) json: Json,
    folder: PathBuf,
}

/// The folder itself: `golden` or `patch`.
pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fleetmint-nvs/tests/storage/reference")
        .join(name)
}

/// All cases of a folder, by name.
pub(crate) fn cases(name: &str) -> Vec<Case> {
    let folder = folder(name);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    assert!(!paths.is_empty());
    let read = |path: PathBuf| {
        let json: Json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        Case {
            name: json["name"].as_str().unwrap().to_string(),
            json,
            folder: folder.clone(),
        }
    };
    paths.into_iter().map(read).collect()
}

impl Case {
    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_string()
    }

    pub(crate) fn image(&self) -> String {
        self.path(self.text("image"))
    }

    pub(crate) fn text(&self, field: &str) -> &str {
        self.json[field].as_str().unwrap()
    }

    /// `--keys FILE` if the image is encrypted.
    pub(crate) fn keys(&self) -> Vec<String> {
        match self.json["keyfile"].as_str().filter(|_| self.json["encrypted"] == true) {
            Some(file) => vec!["--keys".to_string(), self.path(file)],
            None => Vec::new(),
        }
    }

    /// The values that the library lists.
    pub(crate) fn entries(&self) -> Vec<&Json> {
        let listed = |field: &str| self.json[field].as_array().into_iter().flatten();
        listed("entries").chain(listed("not_iterated")).collect()
    }
}

/// The fields that two listings must agree on. The namespace and the value of an orphan mean nothing; floats are compared by
/// their bits.
pub(crate) fn comparable(entry: &Json) -> String {
    const ALWAYS: [&str; 5] = ["key", "key_hex", "type", "ns_index", "orphan"];
    const NAMED: [&str; 8] = [
        "namespace",
        "namespace_hex",
        "size",
        "repeat",
        "iterated",
        "value",
        "value_hex",
        "error",
    ];
    let entry = entry.as_object().unwrap();
    let orphan = entry.get("orphan") == Some(&Json::Bool(true));
    let float = entry["type"] == "float" || entry["type"] == "double";
    let mut kept = serde_json::Map::new();
    for (name, value) in entry {
        let name = name.as_str();
        let keep = ALWAYS.contains(&name)
            || !orphan && (NAMED.contains(&name) && !(float && name == "value") || float && name == "bits");
        let default = value.is_null() || *value == (name == "iterated");
        if keep && !(default && ["orphan", "repeat", "iterated"].contains(&name)) && !value.is_null() {
            let value = match (name, value.as_str()) {
                // After a colon: the call that failed, and its error.
                ("error", Some(text)) => text.rsplit(':').next().unwrap().into(),
                _ => value.clone(),
            };
            kept.insert(name.to_string(), value);
        }
    }
    Json::Object(kept).to_string()
}

pub(crate) fn sorted<'a>(entries: impl IntoIterator<Item = &'a Json>) -> Vec<String> {
    let mut entries: Vec<String> = entries.into_iter().map(comparable).collect();
    entries.sort();
    entries
}
