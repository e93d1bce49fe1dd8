//! Compiles the baseline programs and passes their object to the benchmark, which embeds it.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use bpf_toolchain::{BuildRequest, Toolchain};

/// The baselines' binary in the kernel program's package.
const BINARY: &str = "smb-bench-bpf";

fn main() {
    match embed() {
        Ok(object) => println!("cargo::rustc-env=SMB_BENCH_BPF_OBJECT={}", object.display()),
        Err(error) => error.to_string().lines().for_each(|line| println!("cargo::error={line}")),
    }
}

fn embed() -> Result<PathBuf, Box<dyn Error>> {
    let workspace_root = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../..");
    let out_dir = PathBuf::from(env::var("OUT_DIR")?);
    for input in ["sensor-ebpf", "sensor-common", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", workspace_root.join(input).display());
    }
    // Beside the folders of the profiles, where the agent's build script compiles the sensor's object: most of it is shared.
    let target_dir = out_dir.ancestors().nth(4).unwrap_or(&out_dir).join("kernel");
    let request = BuildRequest::for_host(workspace_root, target_dir);
    let object = Toolchain::find()?.build_binary(&request, BINARY)?;
    for line in object.warnings.lines().filter(|line| !line.is_empty()) {
        println!("cargo::warning={line}");
    }
    let copy = out_dir.join(BINARY);
    let bytes = fs::read(&object.path)?;
    if fs::read(&copy).ok().as_deref() != Some(&bytes) {
        fs::write(&copy, bytes)?;
    }
    Ok(copy)
}
