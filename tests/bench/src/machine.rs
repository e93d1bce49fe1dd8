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
        "class": class(model, count),
        "processor": model,
        "processors": count,
        "mitigations": {
            "spectre_v2": mitigation("spectre_v2"),
            "spec_rstack_overflow": mitigation("spec_rstack_overflow"),
        },
    }))
}

/// Machines with the same processor are of one class: a name for a folder.
fn class(model: &str, processors: usize) -> String {
    let words = model.split(|character: char| !character.is_ascii_alphanumeric());
    let words = words.filter(|word| !word.is_empty() && *word != "R" && *word != "TM");
    let name: Vec<String> = words.map(str::to_ascii_lowercase).collect();
    format!("{}-{processors}", name.join("-"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_is_a_name_for_a_folder() {
        assert_eq!(class("Intel(R) Xeon(R) Processor @ 2.60GHz", 2), "intel-xeon-processor-2-60ghz-2");
        assert_eq!(class("../..", 1), "-1");
    }
}
