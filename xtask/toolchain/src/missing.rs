//! The reason why the kernel program cannot be compiled, in one line.

use std::error::Error;
use std::fmt;

/// The parts of the toolchain that were not found, each as a phrase that says what was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Why no rustc serves.
    pub rustc: Option<String>,
    /// Why no `bpf-linker` serves.
    pub linker: Option<String>,
    /// Why no LLVM library serves; only known once there is a rustc to serve.
    pub llvm: Option<String>,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<&str> =
            [&self.rustc, &self.linker, &self.llvm].into_iter().flatten().map(String::as_str).collect();
        write!(f, "cannot compile the kernel program: {}; run: cargo xtask setup", parts.join(", and "))
    }
}

impl Error for Missing {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_everything_missing_in_one_line_with_the_fix() {
        let missing = Missing {
            rustc: Some("no rustc with a BPF `core` library".to_owned()),
            linker: Some("no bpf-linker".to_owned()),
            llvm: None,
        };
        assert_eq!(
            missing.to_string(),
            "cannot compile the kernel program: no rustc with a BPF `core` library, and no bpf-linker; \
             run: cargo xtask setup"
        );
    }
}
