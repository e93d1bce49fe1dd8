//! Reads which top-level modules of a crate name items of which others, from its source files.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow, bail};
use proc_macro2::{Delimiter, Group, Ident, Literal, TokenStream, TokenTree};

/// Words that begin an item. What begins otherwise, such as a field, ends at a comma.
const ITEM_WORDS: [&str; 14] = [
    "async",
    "const",
    "enum",
    "extern",
    "fn",
    "impl",
    "macro_rules",
    "mod",
    "static",
    "struct",
    "trait",
    "type",
    "unsafe",
    "use",
];

/// A place at which one top-level module names an item of another.
#[derive(Clone, Debug)]
pub(super) struct Import {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) file: PathBuf,
    pub(super) line: usize,
}

/// The imports of the crate with this root file, in the order of its modules.
pub(super) fn imports(root_file: &Path) -> anyhow::Result<Vec<Import>> {
    let mut source = Source::default();
    let folder = root_file.parent().context("a root file is in a folder")?;
    source.read_file(&Module { path: Vec::new(), file: root_file.to_owned(), folder: folder.to_owned() })?;
    let Source { modules, root_names, mut imports } = source;
    for import in &mut imports {
        if let Some(module) = root_names.get(&import.to).filter(|_| !modules.contains(&import.to)) {
            import.to.clone_from(module);
        }
    }
    imports.retain(|import| modules.contains(&import.to));
    Ok(imports)
}

/// A module that is being read.
struct Module {
    /// Names from the crate root down; empty for the root.
    path: Vec<String>,
    /// The file that holds it.
    file: PathBuf,
    /// The folder in which the files of its child modules are.
    folder: PathBuf,
}

#[derive(Default)]
struct Source {
    /// The top-level modules.
    modules: Vec<String>,
    /// Names that the root imports, with the top-level module that each is from.
    root_names: BTreeMap<String, String>,
    /// Imports, whose target may still be a name of the root.
    imports: Vec<Import>,
}

impl Source {
    fn read_file(&mut self, module: &Module) -> anyhow::Result<()> {
        let file = module.file.display();
        let text = fs::read_to_string(&module.file).with_context(|| format!("reading {file}"))?;
        let tokens: TokenStream = text.parse().map_err(|error| anyhow!("{file} is not Rust: {error}"))?;
        self.read_tokens(module, tokens)
    }

    fn read_tokens(&mut self, module: &Module, tokens: TokenStream) -> anyhow::Result<()> {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        let mut path_attribute = None;
        while let Some(token) = tokens.get(at) {
            let rest = &tokens[at + 1..];
            match token {
                TokenTree::Punct(punct) if punct.as_char() == '#' => match rest {
                    [TokenTree::Group(attribute), ..] => {
                        if is_test_only(attribute) {
                            at += 2 + item_length(&rest[1..]);
                            continue;
                        }
                        path_attribute = path_in(attribute).or(path_attribute);
                    }
                    [TokenTree::Punct(_), TokenTree::Group(attribute), ..] if is_test_only(attribute) => {
                        return Ok(());
                    }
                    _ => {}
                },
                TokenTree::Ident(word) if word == "mod" => {
                    if let [TokenTree::Ident(name), body, ..] = rest {
                        self.read_child(module, &name.to_string(), body, path_attribute.take())?;
                        at += 3;
                        continue;
                    }
                }
                TokenTree::Ident(word) if word == "use" && module.path.is_empty() => self.read_root_use(rest),
                TokenTree::Ident(word) if word == "crate" || word == "super" || word == "self" => {
                    self.read_path(module, word, rest);
                }
                TokenTree::Literal(literal) => self.read_literal(module, literal),
                TokenTree::Group(group) => self.read_tokens(module, group.stream())?,
                _ => {}
            }
            at += 1;
        }
        Ok(())
    }

    /// Reads `mod name;` or `mod name { … }`.
    fn read_child(
        &mut self,
        parent: &Module,
        name: &str,
        body: &TokenTree,
        path_attribute: Option<String>,
    ) -> anyhow::Result<()> {
        if parent.path.is_empty() {
            self.modules.push(name.to_owned());
        }
        let mut path = parent.path.clone();
        path.push(name.to_owned());
        let folder = parent.folder.join(name);
        if let TokenTree::Group(body) = body {
            let file = parent.file.clone();
            return self.read_tokens(&Module { path, file, folder }, body.stream());
        }
        if let Some(given) = path_attribute {
            let file = parent.file.with_file_name(given);
            let folder = file.parent().unwrap_or(&parent.folder).to_owned();
            return self.read_file(&Module { path, file, folder });
        }
        let places = [parent.folder.join(format!("{name}.rs")), folder.join("mod.rs")];
        let Some(file) = places.into_iter().find(|file| file.is_file()) else {
            bail!("{} declares the module {name}, which has no file", parent.file.display());
        };
        self.read_file(&Module { path, file, folder })
    }

    /// Reads a path that begins with `crate`, `super` or `self`; `rest` is what follows that word.
    fn read_path(&mut self, module: &Module, first: &Ident, rest: &[TokenTree]) {
        let mut base = module.path.as_slice();
        if first == "crate" {
            base = &[];
        } else if first == "super" {
            base = parent(base);
        }
        self.read_tail(module, base, rest);
    }

    /// Reads `::name…`, `::super…` or `::{…}` below a base.
    fn read_tail(&mut self, module: &Module, base: &[String], rest: &[TokenTree]) {
        let Some(rest) = after_separator(rest) else { return };
        match rest {
            [TokenTree::Ident(word), rest @ ..] if word == "super" => {
                self.read_tail(module, parent(base), rest);
            }
            [TokenTree::Ident(name), ..] => {
                self.note(module, base, &name.to_string(), name.span().start().line);
            }
            [TokenTree::Group(names), ..] if names.delimiter() == Delimiter::Brace => {
                for element in elements(names) {
                    match element.as_slice() {
                        [TokenTree::Ident(word), rest @ ..] if word == "super" => {
                            self.read_tail(module, parent(base), rest);
                        }
                        [TokenTree::Ident(name), ..] => {
                            self.note(module, base, &name.to_string(), name.span().start().line);
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }

    /// Reads an attribute's value such as `"crate::time::seconds"`.
    fn read_literal(&mut self, module: &Module, literal: &Literal) {
        let text = literal.to_string();
        let path = text.strip_prefix("\"crate::").and_then(|rest| rest.strip_suffix('"'));
        let is_path = |path: &str| path.chars().all(|c| c.is_alphanumeric() || c == '_' || c == ':');
        if let Some(path) = path.filter(|path| is_path(path)) {
            let name = path.split("::").next().unwrap_or(path);
            self.note(module, &[], name, literal.span().start().line);
        }
    }

    /// Notes that `module` names `name`, where `base` is the crate root. Everything else stays inside one top-level module.
    fn note(&mut self, module: &Module, base: &[String], name: &str, line: usize) {
        if let (true, Some(from)) = (base.is_empty(), module.path.first()) {
            let (from, to, file) = (from.clone(), name.to_owned(), module.file.clone());
            self.imports.push(Import { from, to, file, line });
        }
    }

    /// Reads the names that a `use` of the root brings in; `rest` is what follows the word.
    fn read_root_use(&mut self, rest: &[TokenTree]) {
        let end = rest.iter().position(is_semicolon).unwrap_or(rest.len());
        let mut leaves = Vec::new();
        use_leaves(&rest[..end], &mut Vec::new(), &mut leaves);
        for (path, name) in leaves {
            let mut path = path.into_iter().skip_while(|word| word == "crate" || word == "self");
            if let Some(module) = path.next() {
                self.root_names.insert(name, module);
            }
        }
    }
}

fn parent(path: &[String]) -> &[String] {
    path.split_last().map_or(path, |(_, parent)| parent)
}

/// What follows `::`, if that comes first.
fn after_separator(tokens: &[TokenTree]) -> Option<&[TokenTree]> {
    match tokens {
        [TokenTree::Punct(first), TokenTree::Punct(second), rest @ ..]
            if first.as_char() == ':' && second.as_char() == ':' =>
        {
            Some(rest)
        }
        _ => None,
    }
}

fn is_semicolon(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == ';')
}

/// The parts of a group between its commas.
fn elements(group: &Group) -> Vec<Vec<TokenTree>> {
    let tokens: Vec<TokenTree> = group.stream().into_iter().collect();
    let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',');
    tokens.split(is_comma).map(<[TokenTree]>::to_vec).collect()
}

/// The paths that a use tree names, each with the name under which it is imported.
fn use_leaves(tokens: &[TokenTree], prefix: &mut Vec<String>, leaves: &mut Vec<(Vec<String>, String)>) {
    match tokens {
        [TokenTree::Ident(word), TokenTree::Ident(keyword), TokenTree::Ident(alias), ..]
            if keyword == "as" =>
        {
            let path = prefix.iter().cloned().chain([word.to_string()]).collect();
            leaves.push((path, alias.to_string()));
        }
        [TokenTree::Ident(word)] => {
            let name = if word == "self" { prefix.last().cloned() } else { Some(word.to_string()) };
            let path = prefix.iter().cloned().chain([word.to_string()]).collect();
            leaves.extend(name.map(|name| (path, name)));
        }
        [TokenTree::Ident(word), rest @ ..] => {
            prefix.push(word.to_string());
            use_leaves(after_separator(rest).unwrap_or_default(), prefix, leaves);
            prefix.pop();
        }
        [TokenTree::Group(group)] => {
            for element in elements(group) {
                use_leaves(&element, prefix, leaves);
            }
        }
        _ => {}
    }
}

/// Whether an attribute, given without its `#`, restricts its item to tests.
fn is_test_only(attribute: &Group) -> bool {
    let tokens: Vec<TokenTree> = attribute.stream().into_iter().collect();
    match tokens.as_slice() {
        [TokenTree::Ident(word)] => word == "test",
        [TokenTree::Ident(word), TokenTree::Group(condition)] if word == "cfg" => {
            elements(condition).first().is_some_and(|condition| needs_test(condition))
        }
        _ => false,
    }
}

/// Whether a condition of `cfg` cannot hold without `test`.
fn needs_test(condition: &[TokenTree]) -> bool {
    match condition {
        [TokenTree::Ident(word)] => word == "test",
        [TokenTree::Ident(word), TokenTree::Group(parts)] => {
            let mut parts = elements(parts).into_iter().filter(|part| !part.is_empty());
            match word.to_string().as_str() {
                "all" => parts.any(|part| needs_test(&part)),
                "any" => parts.all(|part| needs_test(&part)),
                _ => false,
            }
        }
        _ => false,
    }
}

/// The file that `#[path = "…"]` names.
fn path_in(attribute: &Group) -> Option<String> {
    let tokens: Vec<TokenTree> = attribute.stream().into_iter().collect();
    match tokens.as_slice() {
        [TokenTree::Ident(word), TokenTree::Punct(_), TokenTree::Literal(path)] if word == "path" => {
            Some(path.to_string().trim_matches('"').to_owned())
        }
        _ => None,
    }
}

/// The number of tokens of the item, field or statement that `tokens` begins with, further attributes included.
fn item_length(tokens: &[TokenTree]) -> usize {
    let mut at = 0;
    while let [TokenTree::Punct(punct), TokenTree::Group(_), ..] = &tokens[at..] {
        if punct.as_char() != '#' {
            break;
        }
        at += 2;
    }
    let mut words =
        tokens[at..].iter().filter(|token| matches!(token, TokenTree::Ident(word) if word != "pub"));
    let is_item = words.next().is_some_and(|word| ITEM_WORDS.contains(&word.to_string().as_str()));
    let ends = |token: &TokenTree| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(punct) => punct.as_char() == ';' || (!is_item && punct.as_char() == ','),
        _ => false,
    };
    tokens[at..].iter().position(ends).map_or(tokens.len(), |end| at + end + 1)
}
