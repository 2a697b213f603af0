//! No circle among rooms: the modules of a crate, and those inside a room, use each other in one direction only.
//!
//! Rooms that use each other cannot be understood, moved or tested alone. A module and its own children may know each other.
//! What a module uses is read from its source: its `use` lines, and its paths that begin with `crate`, `super` or `self`.
//! Tests inside the sources do not count.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::Path;

/// A module's path inside its crate; the crate's root has none.
type Module = Vec<String>;

/// A crate's modules: the file of each, and its text.
type Sources = BTreeMap<Module, (String, String)>;

#[test]
fn no_rooms_use_each_other_in_a_circle() {
    let mut circles = String::new();
    for name in ["fleetmint-nvs", "fleetmint-board", "fleetmint-server", "fleetmint"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name).join("src");
        let mut sources = Sources::new();
        collect(&folder, &folder, &mut sources);
        assert!(sources.len() > 5, "{name} has no sources");
        for circle in circles_in(&name.replace('-', "_"), &sources) {
            circles += &format!("{name}: {circle}\n");
        }
    }
    assert!(circles.is_empty(), "rooms use each other in a circle:\n{circles}");
}

fn collect(folder: &Path, root: &Path, sources: &mut Sources) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, root, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let file = path.strip_prefix(root).unwrap();
            let mut module: Module = file
                .with_extension("")
                .iter()
                .map(|part| part.to_str().unwrap().to_owned())
                .collect();
            if matches!(module.last().map(String::as_str), Some("mod" | "lib" | "main")) {
                module.pop();
            }
            let text = fs::read_to_string(&path).unwrap();
            sources.insert(module, (file.display().to_string(), text));
        }
    }
}

/// The shortest circle among the children of each module, as text: the children, and which file uses which.
fn circles_in(name: &str, sources: &Sources) -> Vec<String> {
    let mut uses = Vec::new();
    let tests: BTreeSet<Module> = sources
        .iter()
        .flat_map(|(module, (_, text))| test_modules(&tokens(text)).into_iter().map(|name| child(module, &name)))
        .collect();
    let is_test = |module: &Module| tests.iter().any(|test| module.starts_with(test));
    let mut scope = Scope {
        name,
        sources,
        names: Names::new(),
    };
    let mut found = Vec::new();
    for (module, (_, text)) in sources.iter().filter(|(module, _)| !is_test(module)) {
        for Found { inside, path, name } in paths(&without_tests(&tokens(text))) {
            let place = [module.as_slice(), &inside].concat();
            if let Some(name) = name {
                let names = scope.names.entry(place.clone()).or_default();
                names.insert(name, path.clone());
            }
            found.push((module, place, path));
        }
    }
    for (module, place, path) in found {
        let used = scope.resolve(&place, &path);
        uses.extend(
            used.into_iter()
                .filter(|used| used != module)
                .map(|used| (module.clone(), used)),
        );
    }
    let parents: BTreeSet<Module> = sources
        .keys()
        .filter_map(|module| Some(module.split_last()?.1.to_vec()))
        .collect();
    parents
        .iter()
        .filter_map(|parent| {
            // Which child uses which, and by which files.
            let mut edges: BTreeMap<&str, BTreeMap<&str, BTreeSet<String>>> = BTreeMap::new();
            for (from, to) in &uses {
                let of = |module: &'_ Module| module.starts_with(parent).then(|| module.get(parent.len()).cloned());
                if let (Some(Some(user)), Some(Some(used))) = (of(from), of(to))
                    && user != used
                {
                    let (user, used) = (from[parent.len()].as_str(), to[parent.len()].as_str());
                    let files = format!("{} → {}", sources[from].0, sources[to].0);
                    edges.entry(user).or_default().entry(used).or_default().insert(files);
                }
            }
            let circle = shortest_circle(&edges)?;
            let mut text = format!(
                "{}{}",
                parent.iter().map(|part| format!("{part}::")).collect::<String>(),
                circle.join(" → ")
            );
            for (user, used) in circle.iter().zip(&circle[1..]) {
                for files in &edges[user][used] {
                    text += &format!("\n    {files}");
                }
            }
            Some(text)
        })
        .collect()
}

/// The first node is repeated at the end.
fn shortest_circle<'a, T>(edges: &BTreeMap<&'a str, BTreeMap<&'a str, T>>) -> Option<Vec<&'a str>> {
    let from = |start: &'a str| {
        let mut before = BTreeMap::new();
        let mut queue = VecDeque::from([start]);
        while let Some(node) = queue.pop_front() {
            for next in edges.get(node).into_iter().flat_map(BTreeMap::keys).copied() {
                if next == start {
                    let mut circle = vec![start, node];
                    while *circle.last()? != start {
                        circle.push(before[circle.last()?]);
                    }
                    circle.reverse();
                    return Some(circle);
                }
                before.entry(next).or_insert_with(|| {
                    queue.push_back(next);
                    node
                });
            }
        }
        None
    };
    edges.keys().copied().filter_map(from).min_by_key(Vec::len)
}

fn child(module: &[String], name: &str) -> Module {
    let mut child = module.to_vec();
    child.push(name.to_owned());
    child
}

/// What the modules of a crate mean by the names that a `use` gave them.
type Names = BTreeMap<Module, BTreeMap<String, Vec<String>>>;

/// What paths of a crate are resolved in.
struct Scope<'a> {
    /// As other crates, and its own programs, call it.
    name: &'a str,
    sources: &'a Sources,
    names: Names,
}

impl Scope<'_> {
    /// The modules that a path in another leads to: the deepest one that it names, and those on the way whose re-exports it
    /// takes.
    fn resolve(&self, module: &[String], path: &[String]) -> Vec<Module> {
        let mut modules = Vec::new();
        let last = self.follow(8, module, path, &mut modules);
        modules.extend(last);
        // A module inside a file belongs to the file.
        for module in &mut modules {
            while !self.sources.contains_key(module) && module.pop().is_some() {}
        }
        modules
    }

    fn follow(&self, deep: usize, module: &[String], path: &[String], passed: &mut Vec<Module>) -> Option<Module> {
        let deep = deep.checked_sub(1)?;
        let mut found = module.to_vec();
        let mut rest = path.iter();
        let first = path.first()?;
        match first.as_str() {
            "crate" => {
                found.clear();
                rest.next();
            }
            "self" => {
                rest.next();
            }
            "super" => {
                while rest.as_slice().first().is_some_and(|part| part == "super") {
                    rest.next();
                    found.pop()?;
                }
            }
            // A path without one of them begins at a child, at a name of the module, or in another crate.
            _ if self.sources.contains_key(&child(module, first)) => {}
            _ if self.name_of(module, first).is_some_and(|named| named != path) => {}
            name if name == self.name => {
                found.clear();
                rest.next();
            }
            _ => return None,
        }
        for part in rest {
            let deeper = child(&found, part);
            if self.sources.contains_key(&deeper) {
                found = deeper;
            } else if let Some(named) = self.name_of(&found, part) {
                passed.push(found.clone());
                match self.follow(deep, &found, named, passed) {
                    Some(module) => found = module,
                    // Another crate's, re-exported.
                    None => break,
                }
            } else {
                break;
            }
        }
        Some(found)
    }

    fn name_of(&self, module: &[String], name: &str) -> Option<&[String]> {
        Some(self.names.get(module)?.get(name)?)
    }
}

/// A path of a source that may lead to another module.
struct Found {
    /// The modules inside the file that it stands in.
    inside: Vec<String>,
    path: Vec<String>,
    /// The name that a `use` gives it.
    name: Option<String>,
}

/// All paths of the source that may lead to another module.
fn paths(tokens: &[String]) -> Vec<Found> {
    let mut found = Vec::new();
    // The modules inside the file, and how many braces are open in each.
    let mut inside: Vec<(String, usize)> = Vec::new();
    let mut open = 0;
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        let next = tokens.get(at).map(String::as_str);
        let names = |inside: &[(String, usize)]| inside.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        match token.as_str() {
            "{" => open += 1,
            "}" => {
                open -= 1;
                inside.pop_if(|(_, braces)| *braces > open);
            }
            "mod" if tokens.get(at + 1).is_some_and(|brace| brace == "{") => {
                inside.push((tokens[at].clone(), open + 1));
            }
            // Not of `impl Trait + use<'a>`.
            "use" if next != Some("<") => {
                let mut leaves = Vec::new();
                at = tree(tokens, at, &[], &mut leaves);
                found.extend(leaves.into_iter().map(|(path, name)| Found {
                    inside: names(&inside),
                    path,
                    name,
                }));
            }
            name if is_name(name) && next == Some("::") => {
                let mut path = vec![token.clone()];
                while let [separator, name, ..] = &tokens[at..]
                    && separator == "::"
                    && is_name(name)
                {
                    path.push(name.clone());
                    at += 2;
                }
                found.push(Found {
                    inside: names(&inside),
                    path,
                    name: None,
                });
            }
            _ => {}
        }
    }
    found
}

/// Reads a tree of a `use`: `a::{b, c::d as e}` is `a::b` by the name `b` and `a::c::d` by the name `e`. Where it ends.
fn tree(tokens: &[String], mut at: usize, before: &[String], leaves: &mut Vec<(Vec<String>, Option<String>)>) -> usize {
    let mut path = before.to_vec();
    let mut name = path.last().cloned();
    while let Some(token) = tokens.get(at) {
        match token.as_str() {
            "{" => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token != "}") {
                    at = tree(tokens, at, &path, leaves);
                    if tokens.get(at).is_some_and(|token| token == ",") {
                        at += 1;
                    }
                }
                return at + 1;
            }
            "," | "}" | ";" => break,
            "as" => {
                name = tokens.get(at + 1).cloned();
                at += 2;
            }
            "*" => {
                name = None;
                at += 1;
            }
            part => {
                // `a::{self}` is `a`.
                if is_name(part) && (part != "self" || path.is_empty()) {
                    path.push(part.to_owned());
                    name = Some(part.to_owned());
                }
                at += 1;
            }
        }
    }
    leaves.push((path, name));
    at
}

fn is_name(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// The length of an attribute like `#[cfg(test)]` or `#[cfg(all(test, unix))]`, if the tokens begin with one.
fn cfg_test(tokens: &[String]) -> Option<usize> {
    let [hash, bracket, cfg, ..] = tokens else { return None };
    if hash != "#" || bracket != "[" || cfg != "cfg" {
        return None;
    }
    let end = tokens.iter().position(|token| token == "]")?;
    let condition = &tokens[..end];
    let names = |name: &str| condition.iter().any(|token| token == name);
    (names("test") && !names("not") && !names("any")).then_some(end + 1)
}

/// The modules with files of their own that are only compiled for tests.
fn test_modules(tokens: &[String]) -> Vec<String> {
    (0..tokens.len())
        .filter_map(|at| match &tokens[at + cfg_test(&tokens[at..])?..] {
            [word, name, end, ..] if word == "mod" && end == ";" => Some(name.clone()),
            _ => None,
        })
        .collect()
}

/// The source without the items that are only compiled for tests.
fn without_tests(tokens: &[String]) -> Vec<String> {
    let mut left = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if cfg_test(&tokens[at..]).is_none() {
            left.push(tokens[at].clone());
            at += 1;
            continue;
        }
        // The item ends with its first semicolon, or with the brace that closes its first brace.
        let mut depth = 0;
        for token in &tokens[at..] {
            at += 1;
            match token.as_str() {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 && matches!(token.as_str(), ";" | "}") {
                break;
            }
        }
    }
    left
}

/// The names and signs of a source, without comments and texts.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = raw_text(rest) {
            length
        } else if first == '"' {
            quoted(rest, '"')
        } else if first == '\'' {
            // A character; anything else that begins like one is a lifetime.
            let is_character = rest.starts_with("'\\") || rest.chars().nth(2) == Some('\'');
            if is_character { quoted(rest, '\'') } else { 1 }
        } else if first.is_whitespace() {
            first.len_utf8()
        } else {
            let name = rest.find(|other: char| !other.is_alphanumeric() && other != '_');
            let length = match name.unwrap_or(rest.len()) {
                0 if rest.starts_with("::") => 2,
                0 => first.len_utf8(),
                length => length,
            };
            tokens.push(rest[..length].to_owned());
            length
        };
        rest = &rest[length..];
    }
    tokens
}

/// The length of a text with escapes.
fn quoted(text: &str, quote: char) -> usize {
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        if character == '\\' {
            characters.next();
        } else if character == quote {
            return at + 1;
        }
    }
    text.len()
}

/// The length of a text without escapes, `r#"…"#`, if there is one.
fn raw_text(text: &str) -> Option<usize> {
    let marks = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let start = text.len() - marks.len();
    let hashes = marks.len() - marks.trim_start_matches('#').len();
    marks[hashes..].starts_with('"').then(|| {
        let end = format!("\"{}", "#".repeat(hashes));
        let body = start + hashes + 1;
        text[body..].find(&end).map_or(text.len(), |at| body + at + end.len())
    })
}

fn sources(files: &[(&str, &str)]) -> Sources {
    let module = |name: &str| {
        name.split('/')
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect()
    };
    files
        .iter()
        .map(|(name, text)| (module(name), (format!("{name}.rs"), (*text).to_owned())))
        .collect()
}

#[test]
fn a_circle_is_found_and_named_with_its_files() {
    let circle = sources(&[
        ("", "mod a; mod b; mod c;"),
        ("a", "mod one; use crate::c::Other;"),
        ("a/one", "fn f() { crate::b::g() }"),
        ("b", "use super::c;"),
        ("c", "mod deep;"),
        ("c/deep", "use crate::{a::{self as first}, other};"),
    ]);
    assert_eq!(
        circles_in("name", &circle),
        ["a → c → a\n    a.rs → c.rs\n    c/deep.rs → a.rs"]
    );
}

#[test]
fn a_circle_inside_a_room_is_found() {
    let circle = sources(&[
        ("", ""),
        ("room", "mod a; mod b; use a::A;"),
        ("room/a", "use super::b::B;"),
        ("room/b", "mod deep;"),
        ("room/b/deep", "use super::super::a::A;"),
    ]);
    let found = circles_in("name", &circle);
    assert_eq!(
        found,
        ["room::a → b → a\n    room/a.rs → room/b.rs\n    room/b/deep.rs → room/a.rs"]
    );
}

/// Each has a file `a` that `b` uses, and `b` is used from `a` by the text.
#[test]
fn a_circle_is_found_by_whatever_names_lead_to_it() {
    for text in [
        "mod inner { use super::super::b::B; }",
        "mod inner { mod deeper { fn f() { super::super::super::b::g() } } }",
        "mod inner { fn f() {} } use super::b::B;",
        "fn f<'a>() -> impl Sized + use<'a> { super::b::g() }",
        "use crate as root; fn f() { root::b::g() }",
        "use crate as root; use root::b::B;",
        "use super as up; fn f() { up::b::g() }",
        "use crate::{self as root}; fn f() { root::b::g() }",
        "use name::b::B;",
        "fn f() -> name::b::B {}",
        "use crate::B;",
        "use crate::Renamed as Again;",
        "fn f() -> super::B {}",
        "use crate::c::B;",
        // Of the room that re-exports, and of the one that declares.
        "use crate::d::D;",
        "use crate::d::Other;",
    ] {
        let circle = sources(&[
            (
                "",
                "mod a; mod b; mod c; mod d; pub use b::B; pub use crate::b::B as Renamed;",
            ),
            ("a", text),
            ("b", "use crate::a::A;"),
            ("c", "pub use super::b::B;"),
            (
                "d",
                "pub use std::fmt::Debug as D; pub use crate::e::E as Other; use crate::b::B;",
            ),
            ("e", ""),
        ]);
        let found = circles_in("name", &circle);
        assert!(
            found.iter().any(|circle| circle.starts_with("a → ")),
            "{text}: {found:?}"
        );
    }
    for text in [
        "mod inner { use super::b::B; }",
        "use other::b::B;",
        "use std::fmt as b; fn f() { b::g() }",
        "mod inner { use crate as root; } fn f() { root::b::g() }",
        "fn name() { b::g() }",
    ] {
        let fine = sources(&[
            ("", "mod a; mod b; pub use b::B;"),
            ("a", text),
            ("b", "use crate::a::A;"),
        ]);
        assert_eq!(circles_in("name", &fine), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn one_direction_is_no_circle_and_neither_are_a_room_and_its_children() {
    let fine = sources(&[
        ("", "use a::A;"),
        ("a", "mod child; use child::C; use crate::b;"),
        ("a/child", "use super::A; use crate::b::B;"),
        (
            "b",
            "use std::fmt;\n// crate::a::A\n/* crate::a */ const TEXT: &str = \"crate::a \\\" crate::a\"; fn f<'a>() {}",
        ),
    ]);
    assert_eq!(circles_in("name", &fine), Vec::<String>::new());
}

#[test]
fn tests_do_not_count() {
    let fine = sources(&[
        ("", ""),
        ("a", "use crate::b;"),
        (
            "b",
            "#[cfg(test)]\nmod tests { use crate::a::A; fn f() {} }\n#[cfg(test)] use crate::a; mod more;",
        ),
        ("b/more", "#[cfg(all(test, unix))]\nmod checks;"),
        ("b/more/checks", "use crate::a;"),
    ]);
    assert_eq!(circles_in("name", &fine), Vec::<String>::new());
    // The code after them does count.
    let circle = sources(&[
        ("", ""),
        ("a", "use crate::b;"),
        ("b", "#[cfg(test)]\nmod tests { fn f() {} }\nuse crate::a;"),
    ]);
    assert_eq!(circles_in("name", &circle).len(), 1);
}

#[test]
fn a_tree_is_read_branch_by_branch() {
    let found = paths(&tokens(
        "pub(crate) use a::{b, c::d as e, f::{self, g::*}}; use super::super::h; x(self::i::J)",
    ));
    let found: Vec<String> = found.iter().map(|found| found.path.join("::")).collect();
    assert_eq!(
        found,
        ["a::b", "a::c::d", "a::f", "a::f::g", "super::super::h", "self::i::J"]
    );
}

#[test]
fn texts_and_characters_are_left_out() {
    let found = tokens(r##"a('\'', '"', 'b', b"c\"d", r#"e"f"#, "g//h") // i"##);
    assert_eq!(found.join(" "), "a ( , , , b , , )");
}
