//! The dependency contract between the modules of this crate: `src/lib.rs` states it, the sources keep it.
#![allow(clippy::unwrap_used)] // a test that stops is a test that tells

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What each module may import.
type Contract = BTreeMap<String, BTreeSet<String>>;

/// The contract as the crate's documentation states it: lines `//! module → module, module`.
fn contract(documentation: &str) -> Contract {
    let lines = documentation.lines().filter_map(|line| line.strip_prefix("//! ")?.split_once('→'));
    let rule = |(from, to): (&str, &str)| Some((module_name(from)?, to.split(',').filter_map(module_name).collect()));
    lines.filter_map(rule).collect()
}

/// The name, if it can be one: a single word in lower case.
fn module_name(text: &str) -> Option<String> {
    Some(text.trim()).filter(|name| name.chars().all(|c| c.is_ascii_lowercase())).map(str::to_owned)
}

/// The source without comments, and with strings and characters emptied.
fn code_of(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(next) = rest.chars().next() {
        let skip = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if next == '"' {
            code.push_str("\"\"");
            let mut escaped = false;
            let end = rest[1..].find(|c| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            });
            end.map_or(rest.len(), |end| end + 2)
        } else if rest.starts_with("'\"'") {
            3
        } else {
            code.push(next);
            next.len_utf8()
        };
        rest = &rest[skip..];
    }
    code
}

/// First segments of every path that starts at the crate's root: `crate::x`, `crate::{x, y::z}`, `super::super::x`.
fn roots(code: &str) -> BTreeSet<String> {
    let dense: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    let word = |s: &str| s.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut found = BTreeSet::new();
    for start in ["crate::", "super::super::"] {
        for (at, _) in dense.match_indices(start) {
            let path = &dense[at + start.len()..];
            let Some(group) = path.strip_prefix('{') else {
                found.insert(word(path));
                continue;
            };
            let mut depth = 0;
            let mut first = true;
            for (i, c) in group.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => first = true,
                    _ if first => {
                        found.insert(word(&group[i..]));
                        first = false;
                    }
                    _ => {}
                }
            }
        }
    }
    found
}

/// Edges from `module` that the contract does not have.
fn forbidden(contract: &Contract, module: &str, source: &str) -> Vec<String> {
    let imported = roots(&code_of(source));
    let is_module = |name: &String| contract.contains_key(name);
    let allowed = |name: &String| name == module || contract.get(module).is_some_and(|to| to.contains(name));
    imported.into_iter().filter(|name| is_module(name) && !allowed(name)).collect()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

#[test]
fn no_module_imports_what_it_must_not_know() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let contract = contract(&std::fs::read_to_string(src.join("lib.rs")).unwrap());
    let folders = std::fs::read_dir(&src).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let modules: BTreeSet<String> = folders.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    assert!(modules.iter().eq(contract.keys()), "{modules:?} in src, {contract:?} in lib.rs");

    let mut edges = 0;
    for module in &modules {
        for file in sources(&src.join(module)) {
            let source = std::fs::read_to_string(&file).unwrap();
            let bad = forbidden(&contract, module, &source);
            assert!(bad.is_empty(), "{} imports {bad:?}; {module} may import {:?}", file.display(), contract[module]);
            edges += roots(&code_of(&source)).len();
        }
    }
    assert!(edges > 20, "only {edges} imports were found in all of src");
}

#[test]
fn the_contract_has_no_cycle() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs");
    let mut left = contract(&std::fs::read_to_string(src).unwrap());
    while let Some(bottom) = left.iter().find(|(_, to)| to.iter().all(|m| !left.contains_key(m))).map(|(m, _)| m.clone()) {
        left.remove(&bottom);
    }
    assert!(left.is_empty(), "in a cycle: {left:?}");
}

#[test]
fn the_check_finds_every_form_of_a_forbidden_edge() {
    let contract =
        contract("//! top → middle, bottom\n//! middle → bottom\n//! bottom → nothing of ours\n//! A sentence → not a rule.");
    assert_eq!(contract.len(), 3);
    let bad = |module, source| forbidden(&contract, module, source);
    for source in [
        "use crate::top::Thing;",
        "use crate :: top;",
        "pub(crate) use crate::{bottom::{A, top2}, top::Thing};",
        "fn f() -> crate::top::Thing { todo() }",
        "use super::super::top::Thing;",
        "let quote = '\"'; crate::top::f(\"a \\\" quote\");",
    ] {
        assert_eq!(bad("middle", source), ["top"], "{source}");
        assert_eq!(bad("bottom", source).last().unwrap(), "top", "{source}");
        assert_eq!(bad("top", source), [""; 0], "{source}");
    }
    for source in ["// crate::top", "/* crate::top */", "\"crate::top\"", "use crate::{bottom::top, middle};", "use super::top;"]
    {
        assert_eq!(bad("middle", source), [""; 0], "{source}");
    }
}
