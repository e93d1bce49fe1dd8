//! Where and when a run took place.

use std::fs;

use anyhow::{Context as _, Result};
use nix::sys::utsname::uname;
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// What the figures depend on.
pub(crate) fn describe() -> Result<Value> {
    let system = uname().context("ask for the kernel's version")?;
    let processors = fs::read_to_string("/proc/cpuinfo").context("read /proc/cpuinfo")?;
    let model = processors
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("unknown", |(_, model)| model.trim());
    let count = processors.lines().filter(|line| line.starts_with("processor")).count();
    let now = OffsetDateTime::now_utc().replace_nanosecond(0).context("cut the time to seconds")?;
    Ok(json!({
        "time": now.format(&Rfc3339).context("write the time")?,
        "kernel": system.release().to_string_lossy(),
        "architecture": system.machine().to_string_lossy(),
        "processor": model,
        "processors": count,
        "mitigations": {
            "spectre_v2": mitigation("spectre_v2"),
            "spec_rstack_overflow": mitigation("spec_rstack_overflow"),
        },
    }))
}

/// What the kernel does against an attack on speculation: some of it makes each call in the kernel dearer.
fn mitigation(name: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/sys/devices/system/cpu/vulnerabilities/{name}")).ok()?;
    Some(text.trim().to_owned())
}

/// The machine in one line.
pub(crate) fn line(machine: &Value) -> String {
    let text = |name: &str| machine[name].as_str().unwrap_or("?").to_owned();
    format!(
        "{}, {} × {}, Linux {} {}",
        text("time"),
        machine["processors"],
        text("processor"),
        text("kernel"),
        text("architecture")
    )
}
