//! Runs the cargo that compiles the kernel program.
//!
//! It runs inside another cargo's build script, so nothing of the outer build may reach it: not its rustc, its flags, its
//! wrappers (clippy is one) nor its target folder, whose lock the outer cargo holds.

use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fmt, fs, io, iter};

use crate::rustc::CoreSource;
use crate::toolchain::{Endian, Toolchain};

/// The package and the binary that are the kernel program, and the profile of the root Cargo.toml it is built with.
const PACKAGE: &str = "sensor-ebpf";
const BINARY: &str = "smb-sensor-bpf";
const PROFILE: &str = "bpf";

/// The binary of the owner programs in the same package.
pub const OWNER_BINARY: &str = "smb-owner-bpf";

/// What to compile, and where to.
#[derive(Debug, Clone)]
pub struct BuildRequest {
    /// The folder of the root Cargo.toml.
    pub workspace_root: PathBuf,
    /// A target folder for the kernel program alone.
    pub target_dir: PathBuf,
    /// The byte order of the machine that will load it.
    pub endian: Endian,
    /// The architecture of the machine that will load it, as Rust names it (`x86_64`): the layout of its registers is
    /// part of some kernel interfaces.
    pub architecture: String,
}

impl BuildRequest {
    /// A request for an object that this machine can load.
    pub fn for_host(workspace_root: PathBuf, target_dir: PathBuf) -> Self {
        let architecture = env::consts::ARCH.to_owned();
        Self { workspace_root, target_dir, endian: Endian::host(), architecture }
    }
}

/// The compiled kernel program.
#[derive(Debug, Clone)]
pub struct KernelObject {
    /// The object file.
    pub path: PathBuf,
    /// What cargo said on the way: compiler warnings, or nothing.
    pub warnings: String,
}

/// Why the kernel program was not compiled although a toolchain was found.
#[derive(Debug)]
pub enum BuildError {
    /// The workspace for the build could not be prepared, or cargo not be started.
    Io {
        /// What was being done.
        operation: String,
        /// Why it failed.
        cause: io::Error,
    },
    /// Cargo reported errors.
    Compile {
        /// What cargo printed.
        output: String,
    },
    /// Clippy cannot be run; the phrase says why.
    NoClippy(String),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { operation, cause } => write!(f, "compiling the kernel program: {operation}: {cause}"),
            Self::Compile { output } => write!(f, "cargo refuses the kernel program:\n{output}"),
            Self::NoClippy(reason) => write!(f, "cannot lint the kernel program: {reason}"),
        }
    }
}

impl Error for BuildError {}

impl Toolchain {
    /// Compiles the kernel program.
    pub fn build(&self, request: &BuildRequest) -> Result<KernelObject, BuildError> {
        self.build_binary(request, BINARY)
    }

    /// Compiles another binary of the kernel program's package, by its name in that package's Cargo.toml.
    pub fn build_binary(&self, request: &BuildRequest, binary: &str) -> Result<KernelObject, BuildError> {
        let mut cargo = self.cargo("build", request)?;
        cargo.args(["--bin", binary]);
        let warnings = run(&mut cargo)?;
        let path = request.target_dir.join(request.endian.target()).join(PROFILE).join(binary);
        Ok(KernelObject { path, warnings })
    }

    /// Lints the kernel program; every warning is an error.
    pub fn clippy(&self, request: &BuildRequest) -> Result<(), BuildError> {
        let driver = self.clippy_driver().map_err(BuildError::NoClippy)?;
        let mut cargo = self.cargo("check", request)?;
        // What `cargo clippy -- -D warnings` does, with the driver of the right rustc.
        cargo
            .env("RUSTC_WORKSPACE_WRAPPER", driver)
            .env("CLIPPY_ARGS", "-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__");
        run(&mut cargo).map(drop)
    }

    /// A cargo that sees this toolchain and nothing of the cargo that may be running this code.
    fn cargo(&self, subcommand: &str, request: &BuildRequest) -> Result<Command, BuildError> {
        let target = request.endian.target();
        let llvm_folder = self.show_one_llvm(&request.target_dir)?;

        let mut cargo = Command::new(self.cargo_path());
        cargo
            .current_dir(&request.workspace_root)
            .args([subcommand, "--quiet", "--package", PACKAGE, "--profile", PROFILE, "--target", target])
            .arg("--target-dir")
            .arg(&request.target_dir);
        if self.rustc.core == CoreSource::Source {
            cargo.args(["-Z", "build-std=core"]);
        }
        for name in outer_cargo_variables(env::vars_os().map(|(name, _)| name)) {
            cargo.env_remove(name);
        }
        let linker_variable = format!("CARGO_TARGET_{}_LINKER", target.to_uppercase().replace('-', "_"));
        cargo
            .env("RUSTC", &self.rustc.path)
            // Empty, not absent: this overrides wrappers that a configuration file names, too.
            .env("RUSTC_WRAPPER", "")
            .env("RUSTC_WORKSPACE_WRAPPER", "")
            .env("RUSTC_BOOTSTRAP", "1")
            // Set as a whole, so that flags meant for the host's compiler and linker stay away.
            .env("CARGO_ENCODED_RUSTFLAGS", self.flags(request).join(&OsString::from("\u{1f}")))
            .env(linker_variable, &self.linker.path)
            .env("LD_LIBRARY_PATH", llvm_folder)
            .env("AYA_BPF_TARGET_ARCH", &request.architecture);
        Ok(cargo)
    }

    /// Flags of the compiler. The object names no folder of this machine, so that the same sources give the same bytes anywhere.
    fn flags(&self, request: &BuildRequest) -> Vec<OsString> {
        let whole = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let registry = env::var_os("CARGO_HOME").map(PathBuf::from);
        let registry = registry.or_else(|| env::home_dir().map(|home| home.join(".cargo")));
        // The last one that fits counts, and the target folder may be in the workspace.
        let places = [
            (Some(self.rustc.sysroot.clone()), "/rust"),
            (registry, "/cargo"),
            (Some(request.workspace_root.clone()), "/smb-sensor"),
            (Some(request.target_dir.clone()), "/target"),
        ];
        let mut flags = vec![OsString::from("-Clink-arg=--btf")];
        for (place, name) in places {
            let Some(place) = place else { continue };
            let mut flag = OsString::from("--remap-path-prefix=");
            flag.push(whole(&place));
            flag.push("=");
            flag.push(name);
            flags.push(flag);
        }
        flags
    }

    /// The cargo to run: the outer one, unless `core` must be built, which wants the cargo of the same release.
    fn cargo_path(&self) -> OsString {
        let own = self.rustc.path.with_file_name("cargo");
        if self.rustc.core == CoreSource::Source && own.is_file() {
            return own.into_os_string();
        }
        env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"))
    }

    /// Makes a folder that holds the chosen LLVM library and no other, for `bpf-linker` takes the first it sees.
    fn show_one_llvm(&self, target_dir: &Path) -> Result<PathBuf, BuildError> {
        let failed = |operation: String| move |cause| BuildError::Io { operation, cause };
        let folder = target_dir.join("llvm");
        let link = folder.join("libLLVM.so");
        if fs::read_link(&link).is_ok_and(|shown| shown == self.llvm.path) {
            return Ok(folder);
        }
        fs::create_dir_all(&folder).map_err(failed(format!("creating {}", folder.display())))?;
        match fs::remove_file(&link) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed(format!("removing {}", link.display()))(error));
            }
            _ => symlink(&self.llvm.path, &link).map_err(failed(format!("linking {}", link.display())))?,
        }
        Ok(folder)
    }
}

/// The variables through which a cargo, or the person running it, steers the compilation for the host.
fn outer_cargo_variables(names: impl Iterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    const NAMES: &[&str] =
        &["RUSTUP_TOOLCHAIN", "RUSTFLAGS", "RUSTDOCFLAGS", "RUSTC_LINKER", "TARGET", "HOST", "OUT_DIR"];
    const PREFIXES: &[&str] = &[
        "CARGO_CFG_",
        "CARGO_PKG_",
        "CARGO_BUILD_",
        "CARGO_PROFILE_BPF_",
        "CARGO_TARGET_",
        "CARGO_FEATURE_",
    ];
    names.filter(|name| {
        let Some(name) = name.to_str() else { return false };
        NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
    })
}

/// Runs cargo to its end and gives what it printed.
fn run(cargo: &mut Command) -> Result<String, BuildError> {
    let output = cargo.output().map_err(|cause| {
        let program = Path::new(cargo.get_program()).display().to_string();
        BuildError::Io { operation: format!("running {program}"), cause }
    })?;
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() {
        return Ok(printed);
    }
    let arguments: Vec<_> =
        iter::once(cargo.get_program()).chain(cargo.get_args()).map(OsStr::display).collect();
    let command: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    Err(BuildError::Compile { output: format!("{}\n{printed}", command.join(" ")) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outer_build_settings_do_not_reach_the_inner_build() {
        let names = [
            "RUSTUP_TOOLCHAIN",
            "RUSTFLAGS",
            "CARGO_BUILD_TARGET",
            "CARGO_TARGET_DIR",
            "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER",
            "CARGO_CFG_TARGET_ENDIAN",
        ];
        let removed: Vec<OsString> = outer_cargo_variables(names.iter().map(OsString::from)).collect();
        assert_eq!(removed, names);
    }

    #[test]
    fn keeps_cargo_home_and_proxy_settings() {
        let names =
            ["CARGO_HOME", "CARGO_NET_OFFLINE", "CARGO_HTTP_CAINFO", "CARGO_MAKEFLAGS", "PATH", "HOME"];
        assert_eq!(outer_cargo_variables(names.iter().map(OsString::from)).count(), 0);
    }

    #[test]
    fn target_has_the_byte_order_of_the_machine() {
        assert_eq!(Endian::Little.target(), "bpfel-unknown-none");
        assert_eq!(Endian::Big.target(), "bpfeb-unknown-none");
    }
}
