//! The programs on an interface, from the kernel.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use aya::programs::{ProgramError, ProgramInfo, SchedClassifier, TcAttachType, loaded_programs};
use sensor_lab::{Namespace, poll};
use serde_json::Value;

use crate::{PATIENCE, has_xdp_frags};

/// Names of the programs on `interface`, each with its hook: `xdp smb_xdp_in`, `tcx egress smb_tc_out`,
/// `filter ingress smb_tc_in`.
///
/// # Errors
/// If `ip` or `tc` (iproute2) fails, or the kernel does not answer.
pub fn attached(namespace: &Namespace, interface: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let links = json_of(namespace, "ip", &["-j", "-d", "link", "show", "dev", interface])?;
    if let Some(xdp) = links.pointer("/0/xdp") {
        found.push(format!("xdp {}", program_name(xdp)));
    }
    for (name, direction) in [("ingress", TcAttachType::Ingress), ("egress", TcAttachType::Egress)] {
        let programs = namespace
            .run(|| tcx_programs(interface, direction))?
            .with_context(|| format!("ask for the TCX {name} programs of {interface}"))?;
        for program in programs.into_iter().flatten() {
            found.push(format!("tcx {name} {}", program.name_as_str().unwrap_or_default()));
        }
        // Without a clsact discipline `tc` refuses, and there are no filters.
        let filters =
            json_of(namespace, "tc", &["-j", "filter", "show", "dev", interface, name]).unwrap_or_default();
        for filter in filters.as_array().into_iter().flatten().filter_map(|f| f.get("options")) {
            if let Some(program) = filter.get("bpf_name").and_then(Value::as_str) {
                found.push(format!("filter {name} {program}"));
            }
        }
    }
    Ok(found)
}

/// The TCX programs of an interface; `None` if the kernel has no TCX (before 6.6).
fn tcx_programs(interface: &str, direction: TcAttachType) -> Result<Option<Vec<ProgramInfo>>, ProgramError> {
    match SchedClassifier::query_tcx(interface, direction) {
        Ok((_, programs)) => Ok(Some(programs)),
        Err(ProgramError::SyscallError(error))
            if error.io_error.raw_os_error() == Some(nix::libc::EINVAL) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Whether the kernel has TCX, as it answers itself.
///
/// # Errors
/// If the kernel answers with another error.
pub fn has_tcx() -> Result<bool> {
    let programs = tcx_programs("lo", TcAttachType::Egress).context("ask for the TCX programs of lo")?;
    Ok(programs.is_some())
}

/// What is attached on this kernel, where a newer one has these programs: clsact filters take the place of TCX, and the XDP program for
/// linear frames that of the one for frames in several buffers.
///
/// # Errors
/// As [`has_tcx`].
pub fn on_this_kernel(programs: &[&str]) -> Result<Vec<String>> {
    let tcx = has_tcx()?;
    let of_this = |program: &&str| match (tcx, has_xdp_frags()) {
        (false, _) if program.starts_with("tcx ") => program.replacen("tcx", "filter", 1),
        (_, false) => program.replace("smb_xdp_frags", "smb_xdp_in"),
        _ => (*program).to_owned(),
    };
    Ok(programs.iter().map(of_this).collect())
}

/// Those of the kernel programs that are still loaded after a while; identifiers are not reused.
///
/// # Errors
/// When the kernel does not list its programs.
pub fn still_loaded(programs: &[u32], within: Duration) -> Result<Vec<u32>> {
    let mut left = Ok(vec![]);
    poll(within, || {
        left = loaded().map(|all| programs.iter().copied().filter(|id| all.contains_key(id)).collect());
        matches!(&left, Ok(left) if left.is_empty()).then_some(())
    });
    left
}

/// Those of the programs that belong to the sensor, by their names.
pub(crate) fn of_the_sensor(programs: &[u32]) -> Result<Vec<u32>> {
    let all = loaded()?;
    let ours = |id: &u32| all.get(id).is_some_and(|name| name.starts_with("smb_"));
    Ok(programs.iter().copied().filter(ours).collect())
}

/// The names of the programs.
pub(crate) fn names_of(programs: &[u32]) -> Result<Vec<String>> {
    let all = loaded()?;
    Ok(programs.iter().map(|id| all.get(id).cloned().unwrap_or_default()).collect())
}

/// All programs in the kernel: identifier and name.
fn loaded() -> Result<BTreeMap<u32, String>> {
    // A program may end between the list and the query.
    let listed = poll(PATIENCE, || {
        let all = loaded_programs().map(|program| {
            program.map(|program| (program.id(), program.name_as_str().unwrap_or_default().to_owned()))
        });
        all.collect::<Result<_, _>>().ok()
    });
    listed.context("list the kernel's programs")
}

fn program_name(xdp: &Value) -> &str {
    xdp.pointer("/prog/name")
        .or_else(|| xdp.pointer("/attached/0/prog/name"))
        .and_then(Value::as_str)
        .unwrap_or("(unnamed)")
}

fn json_of(namespace: &Namespace, program: &str, arguments: &[&str]) -> Result<Value> {
    let output =
        namespace.command(program).args(arguments).output().with_context(|| format!("run {program}"))?;
    if !output.status.success() {
        bail!("{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr).trim_end());
    }
    serde_json::from_slice(&output.stdout).with_context(|| format!("read what {program} {arguments:?} says"))
}
