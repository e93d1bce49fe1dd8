//! The kernel object depends on its sources alone: compiled in another folder, it has the same bytes.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is test code; clippy knows only the test functions as such"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use bpf_toolchain::{BuildRequest, Toolchain};
use sensor_lab::{scratch_dir, skip};
use sensor_user::kernel::object::OBJECT;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Copies everything but compiled files.
fn copy_sources(to: &Path) {
    let mut tar = Command::new("tar");
    tar.args(["--create", "--exclude=./target", "--exclude=./.git", "--file", "-", "."])
        .current_dir(workspace());
    let packed = tar.output().unwrap();
    assert!(packed.status.success(), "{packed:?}");
    let archive = to.join("sources.tar");
    fs::write(&archive, packed.stdout).unwrap();
    let mut tar = Command::new("tar");
    assert!(tar.arg("--extract").arg("--file").arg(archive).current_dir(to).status().unwrap().success());
}

#[test]
fn object_of_another_folder_is_the_same() {
    let toolchain = match Toolchain::find() {
        Ok(toolchain) => toolchain,
        Err(missing) => return skip("object_of_another_folder_is_the_same", &missing.to_string()),
    };
    let scratch = scratch_dir().unwrap();
    copy_sources(scratch.path());
    let request = BuildRequest::for_host(scratch.path().to_owned(), scratch.path().join("kernel"));
    let rebuilt = toolchain.build(&request).unwrap();
    let bytes = fs::read(&rebuilt.path).unwrap();
    let place = scratch.path().to_str().unwrap().as_bytes();
    assert!(!bytes.windows(place.len()).any(|window| window == place), "it names the folder of its sources");
    assert!(bytes == OBJECT, "{} bytes, and {} in the agent", bytes.len(), OBJECT.len());
}
