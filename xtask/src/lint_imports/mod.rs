//! Finds import circles between the top-level modules of each crate of the workspace.
//!
//! A module imports another one when its code, or that of a module inside it, names an item of the other by a path: in `use`, in
//! an expression, through `super::` or through a name that the crate root imports. Code that is compiled for tests only does not
//! count.

mod circle;
mod source;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use serde_json::Value;

use crate::cargo::{cargo, workspace_root};
use circle::Circle;

/// A library or binary of the workspace.
struct Target {
    package: String,
    root_file: PathBuf,
}

/// Checks every crate and prints each circle.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let complaints = complaints()?;
    for complaint in &complaints {
        println!("{complaint}");
    }
    if complaints.is_empty() {
        println!("No crate has an import circle");
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}

/// One text for each circle.
fn complaints() -> anyhow::Result<Vec<String>> {
    let mut complaints = Vec::new();
    for target in targets()? {
        let circles = circles(&target.root_file)?;
        complaints.extend(circles.iter().map(|circle| describe(&target.package, circle)));
    }
    Ok(complaints)
}

/// The circles of the crate with this root file, one for each group of modules that import each other.
fn circles(root_file: &Path) -> anyhow::Result<Vec<Circle>> {
    Ok(circle::find(&source::imports(root_file)?))
}

fn describe(package: &str, circle: &Circle) -> String {
    let root = workspace_root();
    let mut text = format!("{package}: import circle of {} modules:", circle.imports.len());
    for import in &circle.imports {
        let file = import.file.strip_prefix(&root).unwrap_or(&import.file).display();
        text += &format!("\n  {file}:{}: {} imports {}", import.line, import.from, import.to);
    }
    if circle.group.len() > circle.imports.len() {
        text += &format!("\n  modules that import each other, directly or not: {}", circle.group.join(", "));
    }
    text
}

/// The libraries and binaries of the workspace.
fn targets() -> anyhow::Result<Vec<Target>> {
    let output = cargo()
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .output()
        .context("running cargo metadata")?;
    let metadata: Value =
        serde_json::from_slice(&output.stdout).context("reading the output of cargo metadata")?;
    let mut targets = Vec::new();
    for package in metadata["packages"].as_array().context("cargo metadata lists no packages")? {
        for target in package["targets"].as_array().into_iter().flatten() {
            let kinds = target["kind"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let is_code = kinds.into_iter().any(|kind| kind == "lib" || kind == "bin");
            if let (true, Some(name), Some(file)) =
                (is_code, package["name"].as_str(), target["src_path"].as_str())
            {
                targets.push(Target { package: name.to_owned(), root_file: PathBuf::from(file) });
            }
        }
    }
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn workspace_has_no_import_circle() {
        assert_eq!(complaints().unwrap(), Vec::<String>::new());
    }

    /// The circles of a made-up crate, as `a:1 -> b:2` with the line of each import.
    fn circles_of(files: &[(&str, &str)]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let circles = circles(&folder.path().join("lib.rs")).unwrap();
        let text = |circle: Circle| {
            let imports = circle.imports.iter().map(|import| format!("{}:{}", import.from, import.line));
            imports.collect::<Vec<_>>().join(" -> ")
        };
        circles.into_iter().map(text).collect()
    }

    const ROOT: (&str, &str) = ("lib.rs", "pub mod a;\nmod b;\nmod c;\n");
    const NONE: [&str; 0] = [];

    #[test]
    fn imports_in_one_direction_are_no_circle() {
        let a = ("a.rs", "use crate::{b::X, c};\nuse std::fmt;\n");
        assert_eq!(circles_of(&[ROOT, a, ("b.rs", "use crate::c::Y;\n"), ("c.rs", "")]), NONE);
    }

    #[test]
    fn finds_a_circle_with_the_line_of_each_import() {
        let files = [
            ROOT,
            ("a.rs", "use crate::b::X;\n"),
            ("b.rs", "\nuse crate::c;\n"),
            ("c.rs", "\n\nuse crate::a;"),
        ];
        assert_eq!(circles_of(&files), ["a:1 -> b:2 -> c:3"]);
    }

    #[test]
    fn nested_braces_name_every_module() {
        let files = [
            ROOT,
            ("a.rs", "use crate::{\n    b::{X, y::Z},\n    c as d,\n};\n"),
            ("b.rs", ""),
            ("c.rs", "use crate::a;"),
        ];
        assert_eq!(circles_of(&files), ["a:3 -> c:1"]);
    }

    #[test]
    fn path_in_an_expression_or_macro_is_an_import() {
        let files = [
            ROOT,
            ("a.rs", "fn f() { let x = vec![crate::b::y()]; }\n"),
            ("b.rs", "fn g() {\n    println!(\"{}\", crate::a::X);\n}\n"),
            ("c.rs", ""),
        ];
        assert_eq!(circles_of(&files), ["a:1 -> b:2"]);
    }

    #[test]
    fn follows_super_to_the_crate_root_and_no_further() {
        let files = [
            ROOT,
            ("a/mod.rs", "mod inner;\nmod other {\n    use super::inner::X;\n}\n"),
            ("a/inner.rs", "use super::super::{b, c};\nuse super::other;\n"),
            ("b.rs", "use super::a;\n"),
            ("c.rs", "mod b { use super::x; }\n"),
        ];
        assert_eq!(circles_of(&files), ["a:1 -> b:1"]);
    }

    #[test]
    fn ignores_code_for_tests() {
        let tests = "#[cfg(test)]\nmod tests;\n#[cfg(all(test, unix))]\nuse crate::a;\n#[cfg(test)]\nmod more { use crate::a; }\n\
                     #[cfg(test)]\nimpl Y<u8, u8> { fn f() { crate::a::x(); } }\n";
        let files =
            [ROOT, ("a.rs", "use crate::b;"), ("b.rs", tests), ("b/tests.rs", "use crate::a;"), ("c.rs", "")];
        assert_eq!(circles_of(&files), NONE);
        let not_test = ("b.rs", "#[cfg(not(test))]\nuse crate::a;\n");
        assert_eq!(circles_of(&[ROOT, ("a.rs", "use crate::b;"), not_test, ("c.rs", "")]), ["a:1 -> b:2"]);
    }

    #[test]
    fn name_imported_by_the_root_counts_for_its_module() {
        let root = ("lib.rs", "mod a;\nmod b;\npub use a::{inner::X as Y, Z};\nuse crate::b::*;\n");
        let files = [root, ("a.rs", "mod inner { use crate::b::W; }"), ("b.rs", "\nfn f(y: crate::Y) {}\n")];
        assert_eq!(circles_of(&files), ["a:1 -> b:2"]);
    }

    #[test]
    fn comments_and_other_crates_are_no_imports() {
        let a =
            "//! See [`crate::b`].\n// use crate::b;\nuse other::b;\nconst S: &str = \"use crate::b;\";\n";
        assert_eq!(circles_of(&[ROOT, ("a.rs", a), ("b.rs", "use crate::a;"), ("c.rs", "")]), NONE);
    }

    #[test]
    fn path_given_to_serde_as_text_is_an_import() {
        let a = "struct S {\n    #[serde(with = \"crate::b::seconds\")]\n    x: u8,\n}\n";
        assert_eq!(circles_of(&[ROOT, ("a.rs", a), ("b.rs", "use crate::a;"), ("c.rs", "")]), ["a:2 -> b:1"]);
    }

    #[test]
    fn separate_circles_are_reported_separately() {
        let root = ("lib.rs", "mod a; mod b; mod c; mod d; mod e;");
        let files = [
            root,
            ("a.rs", "use crate::{b, c};"),
            ("b.rs", "use crate::a;"),
            ("c.rs", "use crate::d;"),
            ("d.rs", "use crate::{c, e};"),
            ("e.rs", "use crate::c;"),
        ];
        assert_eq!(circles_of(&files), ["a:1 -> b:1", "c:1 -> d:1"]);
    }
}
