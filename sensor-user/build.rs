//! Compiles the kernel programs and passes their objects to the agent, which embeds them.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use bpf_toolchain::{
    BuildRequest, Endian, LINKER_VARIABLE, OWNER_BINARY, PREBUILT_VARIABLE, Prebuilt, RUSTC_VARIABLE,
    Toolchain,
};

fn main() {
    match embed() {
        Ok([sensor, owner]) => {
            println!("cargo::rustc-env=SMB_SENSOR_BPF_OBJECT={}", sensor.display());
            println!("cargo::rustc-env=SMB_OWNER_BPF_OBJECT={}", owner.display());
        }
        // Each line of an error becomes an error of cargo's own; a panic would bury it in a backtrace.
        Err(error) => error.to_string().lines().for_each(|line| println!("cargo::error={line}")),
    }
}

/// Compiles the kernel program and the owner programs, and gives the paths of copies that nothing else writes to. Without the
/// toolchain, or if that is wanted, the copies are of prebuilt objects.
fn embed() -> Result<[PathBuf; 2], Box<dyn Error>> {
    let workspace_root = path_variable("CARGO_MANIFEST_DIR")?.join("..");
    let out_dir = path_variable("OUT_DIR")?;
    for input in ["sensor-ebpf", "sensor-common", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", workspace_root.join(input).display());
    }
    for variable in [RUSTC_VARIABLE, LINKER_VARIABLE, PREBUILT_VARIABLE] {
        println!("cargo::rerun-if-env-changed={variable}");
    }

    let endian = match env::var("CARGO_CFG_TARGET_ENDIAN")?.as_str() {
        "big" => Endian::Big,
        _ => Endian::Little,
    };
    let architecture = env::var("CARGO_CFG_TARGET_ARCH")?;
    let prebuilt = Prebuilt::place(&workspace_root, endian, &architecture);
    if env::var_os(PREBUILT_VARIABLE).is_some_and(|value| value == "1") {
        if !prebuilt.is_there() {
            let path = prebuilt.sensor.display();
            return Err(
                format!("{PREBUILT_VARIABLE} is 1, and there is no {path}: unset it to compile").into()
            );
        }
        return copies(&out_dir, &prebuilt);
    }
    let toolchain = match Toolchain::find_for(endian) {
        Ok(toolchain) => toolchain,
        Err(missing) if prebuilt.is_there() => {
            println!("cargo::warning=the prebuilt kernel object is used, as it cannot be compiled here");
            missing.to_string().lines().for_each(|line| println!("cargo::warning={line}"));
            return copies(&out_dir, &prebuilt);
        }
        Err(missing) => return Err(missing.into()),
    };
    for part in [&toolchain.rustc.path, &toolchain.linker.path, &toolchain.llvm.path] {
        println!("cargo::rerun-if-changed={}", part.display());
    }
    let request =
        BuildRequest { target_dir: kernel_target_dir(&out_dir), workspace_root, endian, architecture };
    let objects = [toolchain.build(&request)?, toolchain.build_binary(&request, OWNER_BINARY)?];
    for line in objects.iter().flat_map(|object| object.warnings.lines()).filter(|line| !line.is_empty()) {
        println!("cargo::warning={line}");
    }
    let [sensor, owner] = objects.map(|object| object.path);
    copies(&out_dir, &Prebuilt { sensor, owner })
}

fn copies(out_dir: &Path, objects: &Prebuilt) -> Result<[PathBuf; 2], Box<dyn Error>> {
    let sensor = copy_into(out_dir, "smb-sensor-bpf.o", &objects.sensor)?;
    Ok([sensor, copy_into(out_dir, "smb-owner-bpf.o", &objects.owner)?])
}

/// One folder for all profiles of the agent, so that the kernel program is compiled once: beside the folders of the
/// profiles, in `<target folder>[/<triple>]/<profile>/build/<package>/out`. Any other place would do, only slower.
fn kernel_target_dir(out_dir: &Path) -> PathBuf {
    let triple = env::var_os("TARGET");
    let target_dir = out_dir.ancestors().skip(4).find(|folder| folder.file_name() != triple.as_deref());
    target_dir.unwrap_or(out_dir).join("kernel")
}

/// Copies the object unless the copy is the same already, for a fresh file means compiling the agent again.
fn copy_into(out_dir: &Path, name: &str, object: &Path) -> io::Result<PathBuf> {
    let copy = out_dir.join(name);
    let bytes = fs::read(object)?;
    if fs::read(&copy).ok().as_deref() != Some(&bytes) {
        fs::write(&copy, bytes)?;
    }
    Ok(copy)
}

fn path_variable(name: &str) -> Result<PathBuf, String> {
    env::var_os(name).map(PathBuf::from).ok_or_else(|| format!("cargo has not set {name}"))
}
