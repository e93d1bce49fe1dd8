//! The package for Fedora, RHEL and their derivatives.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use rpm::{BuildConfig, CompressionWithLevel, Dependency, FileOptions, PackageBuilder};

use crate::{
    contents::Kind,
    release::{DESCRIPTION, LICENSE, NAME, Release, SUMMARY},
    requirements::Requirements,
    staged::Staged,
};

/// Number of the package of a version.
const NUMBER: &str = "1";

/// Makes the package; gives its path.
pub(crate) fn make(
    staged: &Staged,
    release: &Release,
    requirements: &Requirements,
    sources: &Path,
    output: &Path,
) -> Result<PathBuf> {
    let script = |name: &str| {
        let path = sources.join("packaging/rpm").join(name);
        fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
    };
    let config = BuildConfig::default().compression(CompressionWithLevel::Gzip(6)).source_date(release.epoch);
    let mut package = PackageBuilder::new(NAME, &release.version, LICENSE, release.architecture, SUMMARY);
    package
        .using_config(config)
        .release(NUMBER)
        .description(DESCRIPTION)
        .build_host("localhost")
        .post_install_script(script("post")?)
        .pre_uninstall_script(script("preun")?)
        .post_uninstall_script(script("postun")?)
        // The unit reloads by it.
        .requires(Dependency::any("/usr/bin/kill"))
        .requires(Dependency::script_post("systemd"))
        .requires(Dependency::script_preun("systemd"))
        .requires(Dependency::script_postun("systemd"));
    for library in requirements.fedora() {
        package.requires(Dependency::any(library));
    }
    for entry in &staged.entries {
        let options = FileOptions::new(&entry.path).permissions(entry.kind.mode() as u16);
        let options = match entry.kind {
            Kind::Program | Kind::Plain => options,
            Kind::Config => options.config().noreplace(),
            Kind::Documentation => options.doc(),
            Kind::License => options.license(),
        };
        package.with_file(staged.place(entry), options).with_context(|| format!("adding {}", entry.path))?;
    }
    let path = output.join(format!("{NAME}-{}-{NUMBER}.{}.rpm", release.version, release.architecture));
    package.build().context("making the package")?.write_file(&path).context("writing the package")?;
    Ok(path)
}
