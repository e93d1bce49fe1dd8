//! The list of components (SBOM) in CycloneDX: every crate whose code is in the agent or in the kernel program.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    ffi::OsString,
    fs::File,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use cyclonedx_bom::{
    models::{
        component::Classification,
        dependency::{Dependencies, Dependency},
        license::{LicenseChoice, Licenses},
    },
    prelude::{Bom, Component, Components, Metadata, Purl, SpdxExpression, SpecVersion, Validate as _},
};
use serde_json::Value;

use crate::{
    generated::run,
    release::{NAME, Release},
};

/// Packages that are built into the agent: the agent itself, and the kernel program, which its build script embeds.
const ROOTS: [&str; 2] = ["sensor-user", "sensor-ebpf"];

/// Writes the list; gives its path.
pub(crate) fn make(sources: &Path, release: &Release, output: &Path) -> Result<PathBuf> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    let platform = format!("{}-unknown-linux-gnu", release.architecture);
    cargo.args(["metadata", "--locked", "--format-version", "1", "--filter-platform", &platform]);
    let metadata =
        serde_json::from_slice(&run(cargo.current_dir(sources))?).context("reading cargo's metadata")?;
    let list = of(&metadata, release)?;
    let path = output.join(format!("{NAME}-{}.cdx.json", release.version));
    let mut file = File::create(&path).with_context(|| format!("making {}", path.display()))?;
    list.output_as_json(&mut file, SpecVersion::V1_5).context("writing the list of components")?;
    Ok(path)
}

fn of(metadata: &Value, release: &Release) -> Result<Bom> {
    let used = used(metadata)?;
    let packages = metadata["packages"].as_array().context("cargo's metadata has no packages")?;
    let components = packages
        .iter()
        .filter(|package| package["id"].as_str().is_some_and(|id| used.contains_key(id)))
        .map(component)
        .collect::<Result<Vec<_>>>()?;
    let dependencies = used.iter().map(|(id, needed)| Dependency {
        dependency_ref: (*id).to_owned(),
        dependencies: needed.iter().map(|id| (*id).to_owned()).collect(),
    });
    let application =
        Component::new(Classification::Application, NAME, &release.version, Some(NAME.to_owned()));
    let list = Bom {
        serial_number: None,
        metadata: Some(Metadata { component: Some(application), ..Metadata::default() }),
        components: Some(Components(components)),
        dependencies: Some(Dependencies(dependencies.collect())),
        ..Bom::default()
    };
    let checked = list.validate_version(SpecVersion::V1_5);
    if !checked.passed() {
        bail!("the list of components is no valid CycloneDX: {checked:?}");
    }
    Ok(list)
}

/// Packages that the roots are built from, with what each needs; neither what tests nor what build scripts need.
fn used(metadata: &Value) -> Result<BTreeMap<&str, BTreeSet<&str>>> {
    let nodes =
        metadata["resolve"]["nodes"].as_array().context("cargo's metadata has no resolved packages")?;
    let nodes: BTreeMap<&str, &Value> =
        nodes.iter().filter_map(|node| Some((node["id"].as_str()?, node))).collect();
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let roots = packages.filter(|package| package["name"].as_str().is_some_and(|name| ROOTS.contains(&name)));
    let mut waiting: Vec<&str> = roots.filter_map(|package| package["id"].as_str()).collect();
    let mut used = BTreeMap::new();
    while let Some(id) = waiting.pop() {
        if used.contains_key(id) {
            continue;
        }
        let node = nodes.get(id).with_context(|| format!("cargo did not resolve {id}"))?;
        let needed =
            node["deps"].as_array().into_iter().flatten().filter(|dependency| is_built_in(dependency));
        let needed: BTreeSet<&str> = needed.filter_map(|dependency| dependency["pkg"].as_str()).collect();
        waiting.extend(&needed);
        used.insert(id, needed);
    }
    Ok(used)
}

fn is_built_in(dependency: &Value) -> bool {
    dependency["dep_kinds"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind["kind"].is_null()))
}

fn component(package: &Value) -> Result<Component> {
    let text = |key: &str| package[key].as_str().unwrap_or_default();
    let (name, version) = (text("name"), text("version"));
    let mut component = Component::new(Classification::Library, name, version, Some(text("id").to_owned()));
    component.purl = Some(Purl::new("cargo", name, version)?);
    if !text("license").is_empty() {
        let license = SpdxExpression::parse_lax(text("license").to_owned())
            .with_context(|| format!("reading the license of {name}"))?;
        component.licenses = Some(Licenses(vec![LicenseChoice::Expression(license)]));
    }
    Ok(component)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_what_is_built_in_and_nothing_else() {
        let package =
            |name: &str| json!({"id": name, "name": name, "version": "1.0.0", "license": "MIT/Apache-2.0"});
        let node = |name: &str, deps: Value| json!({"id": name, "deps": deps});
        let dependency = |name: &str, kind: Value| json!({"pkg": name, "dep_kinds": [{"kind": kind}]});
        let metadata = json!({
            "packages": (["sensor-user", "sensor-ebpf", "used", "below", "tests", "builds"]).map(package),
            "resolve": {"nodes": [
                node("sensor-user", json!([
                    dependency("used", Value::Null), dependency("tests", json!("dev")), dependency("builds", json!("build")),
                ])),
                node("sensor-ebpf", json!([])),
                node("used", json!([dependency("below", Value::Null)])),
                node("below", json!([])),
                node("tests", json!([])),
                node("builds", json!([])),
            ]},
        });
        let release = Release { version: "1.2.3".into(), architecture: "x86_64", epoch: 0 };
        let mut written = Vec::new();
        of(&metadata, &release).unwrap().output_as_json(&mut written, SpecVersion::V1_5).unwrap();
        let written: Value = serde_json::from_slice(&written).unwrap();
        let components = written["components"].as_array().unwrap();
        let names: Vec<_> = components.iter().filter_map(|one| one["name"].as_str()).collect();
        assert_eq!(names, ["sensor-user", "sensor-ebpf", "used", "below"]);
        assert_eq!(components[2]["purl"], "pkg:cargo/used@1.0.0");
        assert_eq!(components[2]["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert_eq!(written["metadata"]["component"]["version"], "1.2.3");
    }
}
