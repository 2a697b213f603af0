//! The sources of settings: flags, the environment, a file. Each section takes its keys from here; the remaining keys
//! are unknown.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::de::{DeArray, DeTable, DeValue};
use zeroize::Zeroizing;

use super::{Error, Sources, Warning};
use crate::bounded_file;
use crate::secret::Secret;

/// The prefix of the settings' environment variables.
const PREFIX: &str = "FLEETMINT_";

/// The most bytes of a text that are compared with the names of sections: several times the longest name.
const SECTION_MAX: usize = 64;

/// The place where a value was given. Errors begin with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A flag of the command line.
    Flag(&'static str),
    /// An environment variable.
    Environment(String),
    /// The settings file and the line in it.
    File { path: Arc<Path>, line: usize },
    /// Nowhere: the value is missing.
    Unset,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => f.write_str(name),
            Self::Environment(name) => f.write_str(name),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Unset => f.write_str("settings"),
        }
    }
}

/// A value as it was given. The environment and flags only have texts.
#[derive(Clone)]
enum Raw {
    Text(Zeroizing<String>),
    Number(f64),
    List(Vec<Zeroizing<String>>),
    Boolean(bool),
    /// A type that no setting has.
    Other(&'static str),
}

#[derive(Clone)]
struct Given {
    raw: Raw,
    origin: Origin,
}

/// Every given value by its key (`section.key`), only that of the source that wins.
pub(super) struct Values {
    given: BTreeMap<String, Given>,
    /// The environment variables that name a file to read a secret from, by key.
    secret_files: BTreeMap<String, (String, String)>,
    known: BTreeSet<&'static str>,
    /// The files that were read, and those that a section adds.
    pub(super) files: Vec<PathBuf>,
    pub(super) warnings: Vec<Warning>,
}

impl Values {
    pub(super) fn gather(sources: &Sources) -> Result<Self, Error> {
        let mut values = Self {
            given: BTreeMap::new(),
            secret_files: BTreeMap::new(),
            known: BTreeSet::new(),
            files: Vec::new(),
            warnings: Vec::new(),
        };
        if let Some((path, text)) = &sources.file {
            values.files.push(path.clone());
            values.add_file(path, text)?;
        }
        for (name, value) in &sources.environment {
            values.add_variable(name, value);
        }
        for (key, flag, value) in &sources.flags {
            values.add(key, Raw::Text(Zeroizing::new(value.clone())), Origin::Flag(flag));
        }
        Ok(values)
    }

    fn add(&mut self, key: &str, raw: Raw, origin: Origin) {
        self.given.insert(key.to_owned(), Given { raw, origin });
    }

    fn add_file(&mut self, path: &Path, text: &str) -> Result<(), Error> {
        let (path, lines) = (Arc::<Path>::from(path), Lines::of(text));
        let at = |offset: usize| Origin::File {
            path: Arc::clone(&path),
            line: lines.line(offset),
        };
        // Only the parser's message: its full text quotes the line, and the line may contain a secret.
        let table = DeTable::parse(text).map_err(|error| Error::Syntax {
            origin: at(error.span().map_or(0, |span| span.start)),
            message: error.message().to_owned(),
        })?;
        let mut tables = vec![(String::new(), table.into_inner())];
        while let Some((prefix, table)) = tables.pop() {
            for (name, value) in table {
                let origin = at(name.span().start);
                let key = format!("{prefix}{}", name.get_ref());
                let raw = match value.into_inner() {
                    // No key begins with a longer name, and each key below would repeat it.
                    DeValue::Table(inner) if !inner.is_empty() && key.len() <= SECTION_MAX => {
                        tables.push((format!("{key}."), inner));
                        continue;
                    }
                    DeValue::Table(_) => Raw::Other("a section"),
                    DeValue::String(text) => Raw::Text(Zeroizing::new(text.into_owned())),
                    DeValue::Integer(digits) if digits.radix() == 10 => number(digits.as_str()),
                    DeValue::Integer(_) => Raw::Other("a number that is not decimal"),
                    DeValue::Float(digits) => number(digits.as_str()),
                    DeValue::Boolean(value) => Raw::Boolean(value),
                    DeValue::Datetime(_) => Raw::Other("a date"),
                    DeValue::Array(items) => list(items),
                };
                self.add(&key, raw, origin);
            }
        }
        Ok(())
    }

    /// `FLEETMINT_SECTION__KEY`. Other names are ignored: Kubernetes, for example, sets `FLEETMINT_PORT` in every pod
    /// beside a service with the name fleetmint.
    fn add_variable(&mut self, name: &str, value: &str) {
        let Some(path) = name.strip_prefix(PREFIX).filter(|path| path.contains("__")) else {
            return;
        };
        let key = path
            .split("__")
            .map(str::to_ascii_lowercase)
            .collect::<Vec<_>>()
            .join(".");
        match key.strip_suffix("_file") {
            // No section takes `identity.keycloak.ca` and so on as a secret, so `CA_FILE` stays what it is.
            Some(secret) if super::secrets().any(|known| known == secret) => {
                self.secret_files
                    .insert(secret.to_owned(), (name.to_owned(), value.to_owned()));
            }
            _ => self.add(
                &key,
                Raw::Text(Zeroizing::new(value.to_owned())),
                Origin::Environment(name.to_owned()),
            ),
        }
    }

    fn take(&mut self, key: &'static str) -> Option<Given> {
        self.known.insert(key);
        self.given.remove(key)
    }

    /// Takes a text and parses it. `parse` returns the value, or what is wrong with the text.
    pub(super) fn text<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Error> {
        let Some(Given { raw, origin }) = self.take(key) else {
            return Ok(None);
        };
        let parsed = match &raw {
            Raw::Text(text) => parse(text),
            Raw::Number(_) => Err("must be a string, in quotes; this is a number".to_owned()),
            Raw::List(_) => Err("must be a string; this is an array".to_owned()),
            Raw::Boolean(_) => Err("must be a string; this is a boolean".to_owned()),
            Raw::Other(kind) => Err(format!("must be a string; this is {kind}")),
        };
        parsed.map(Some).map_err(|rule| Error::Value { origin, key, rule })
    }

    /// Takes a secret, or reads it from the file that `…_FILE` names. `check` returns what is wrong with it, without
    /// the secret itself.
    pub(super) fn secret<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&Secret) -> Result<T, String>,
    ) -> Result<Option<T>, Error> {
        let Some((variable, path)) = self.secret_files.remove(key) else {
            return self.text(key, |text| parse(&Secret::new(text.to_owned())));
        };
        let origin = Origin::Environment(variable.clone());
        if let Some(Given {
            origin: Origin::Environment(direct),
            ..
        }) = self.take(key)
        {
            return Err(Error::Value {
                origin,
                key,
                rule: format!("{direct} is set as well; set one of the two"),
            });
        }
        self.files.push(PathBuf::from(&path));
        let read = bounded_file::read_text(Path::new(&path), bounded_file::SECRET_MAX)
            .map_err(|error| format!("the file {path} cannot be read: {error}"));
        read.and_then(|text| {
            // Editors and `echo` end a file with a line feed that is not part of the secret.
            let text = text.strip_suffix('\n').unwrap_or(&text);
            parse(&Secret::new(text.strip_suffix('\r').unwrap_or(text).to_owned()))
        })
        .map(Some)
        .map_err(|rule| Error::Value { origin, key, rule })
    }

    /// Takes a list: an array of strings in the file, or one text with commas between the items. `parse` parses one
    /// item.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<Vec<T>>, Error> {
        let Some(Given { raw, origin }) = self.take(key) else {
            return Ok(None);
        };
        let parsed = match &raw {
            Raw::List(items) => items.iter().map(|item| parse(item)).collect(),
            Raw::Text(text) if text.trim().is_empty() => Ok(Vec::new()),
            Raw::Text(text) => text.split(',').map(|item| parse(item.trim())).collect(),
            Raw::Number(_) => Err("must be an array of strings; this is a number".to_owned()),
            Raw::Boolean(_) => Err("must be an array of strings; this is a boolean".to_owned()),
            Raw::Other(kind) => Err(format!("must be an array of strings; this is {kind}")),
        };
        parsed.map(Some).map_err(|rule| Error::Value { origin, key, rule })
    }

    /// Takes a number.
    pub(super) fn number<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(f64) -> Result<T, String>,
    ) -> Result<Option<T>, Error> {
        let Some(Given { raw, origin }) = self.take(key) else {
            return Ok(None);
        };
        let from_file = matches!(origin, Origin::File { .. });
        let parsed = match raw {
            Raw::Number(number) => parse(number),
            Raw::Text(_) if from_file => Err("must be a number, without quotes".to_owned()),
            Raw::Text(text) => match text.trim().parse::<f64>() {
                Ok(number) => parse(number),
                Err(_) => Err("must be a number".to_owned()),
            },
            Raw::List(_) => Err("must be a number; this is an array".to_owned()),
            Raw::Boolean(_) => Err("must be a number; this is a boolean".to_owned()),
            Raw::Other(kind) => Err(format!("must be a number; this is {kind}")),
        };
        parsed.map(Some).map_err(|rule| Error::Value { origin, key, rule })
    }

    /// Takes a boolean: `true` or `false`.
    pub(super) fn boolean(&mut self, key: &'static str) -> Result<Option<bool>, Error> {
        let Some(Given { raw, origin }) = self.take(key) else {
            return Ok(None);
        };
        let from_file = matches!(origin, Origin::File { .. });
        let parsed = match &raw {
            Raw::Boolean(value) => Ok(*value),
            Raw::Text(text) if !from_file && text.as_str() == "true" => Ok(true),
            Raw::Text(text) if !from_file && text.as_str() == "false" => Ok(false),
            _ => Err("must be true or false".to_owned()),
        };
        parsed.map(Some).map_err(|rule| Error::Value { origin, key, rule })
    }

    /// The place where a key was given, for warnings about its value.
    pub(super) fn origin(&self, key: &str) -> Origin {
        match (self.secret_files.get(key), self.given.get(key)) {
            (Some((variable, _)), _) => Origin::Environment(variable.clone()),
            (None, Some(given)) => given.origin.clone(),
            (None, None) => Origin::Unset,
        }
    }

    /// Must be called after all sections took their keys: a remaining key is unknown.
    pub(super) fn finish(mut self) -> Result<Vec<Warning>, Error> {
        // An empty `[server]` sets nothing.
        self.given.retain(|key, given| {
            let section = format!("{key}.");
            !(matches!(given.raw, Raw::Other("a section"))
                && self.known.iter().any(|known| known.starts_with(&section)))
        });
        match self.given.into_iter().next() {
            None => Ok(self.warnings),
            Some((key, given)) => {
                let section = key.rsplit_once('.').map_or("", |(section, _)| section);
                let siblings: Vec<_> = self
                    .known
                    .iter()
                    .filter_map(|known| known.rsplit_once('.').filter(|(parent, _)| *parent == section))
                    .map(|(_, name)| name)
                    .collect();
                let hint = if siblings.is_empty() {
                    let sections: BTreeSet<_> = self
                        .known
                        .iter()
                        .filter_map(|known| known.rsplit_once('.'))
                        .map(|(section, _)| section)
                        .collect();
                    format!("the sections are {}", Vec::from_iter(sections).join(", "))
                } else {
                    format!("[{section}] has {}", siblings.join(", "))
                };
                Err(Error::Unknown {
                    origin: given.origin,
                    key,
                    hint,
                })
            }
        }
    }
}

/// The ends of a text's lines: the text is searched once, however many lines are requested.
struct Lines {
    feeds: Vec<usize>,
}

impl Lines {
    fn of(text: &str) -> Self {
        Self {
            feeds: text.match_indices('\n').map(|(offset, _)| offset).collect(),
        }
    }

    /// The line of the byte at this offset, from 1 on.
    fn line(&self, offset: usize) -> usize {
        self.feeds.partition_point(|feed| *feed < offset) + 1
    }
}

fn list(items: DeArray<'_>) -> Raw {
    let items = items.into_iter().map(|item| match item.into_inner() {
        DeValue::String(text) => Some(Zeroizing::new(text.into_owned())),
        _ => None,
    });
    items
        .collect::<Option<_>>()
        .map_or(Raw::Other("an array of something else"), Raw::List)
}

fn number(digits: &str) -> Raw {
    digits
        .replace('_', "")
        .parse()
        .map_or(Raw::Other("a number out of range"), Raw::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of a file, the number of bytes of their keys, and the number of values.
    fn added(text: &str) -> (Values, usize) {
        let sources = Sources {
            file: Some(("fleetmint.toml".into(), text.to_owned())),
            ..Sources::default()
        };
        let values = Values::gather(&sources).unwrap();
        let size = values.given.keys().map(String::len).sum();
        (values, size)
    }

    #[test]
    fn a_line_number_counts_the_line_feeds_before() {
        for text in ["", "\n", "a", "a\nb\r\n\n\nä = 1\n", "\n\n"] {
            let lines = Lines::of(text);
            for offset in 0..=text.len() + 1 {
                let feeds = text.bytes().take(offset).filter(|byte| *byte == b'\n').count();
                assert_eq!(lines.line(offset), feeds + 1, "{text:?} {offset}");
            }
        }
    }

    #[test]
    fn many_keys_need_memory_in_proportion_to_the_file_and_have_their_lines() {
        let mut text = format!("[{}]\n", "x".repeat(2_000));
        (0..2_000).for_each(|number| text += &format!("k{number} = 1\n"));
        text += "[y]\n";
        (0..20_000).for_each(|number| text += &format!("k{number} = 1\n"));
        let (values, keys) = added(&text);
        assert!(keys <= 2 * text.len(), "{keys} bytes of keys from {}", text.len());
        let line = |key: &str| values.origin(key).to_string();
        assert_eq!(line(&"x".repeat(2_000)), "fleetmint.toml:1");
        assert_eq!(line("y.k0"), "fleetmint.toml:2003");
        assert_eq!(line("y.k19999"), "fleetmint.toml:22002");
        // All of them are one answer in the end.
        assert!(
            values
                .finish()
                .unwrap_err()
                .to_string()
                .starts_with("fleetmint.toml:1: unknown key xxx")
        );
    }
}
