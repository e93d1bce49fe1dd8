//! Checks the kernel, and the privileges of this process.

use std::{io, path::Path};

use aya::{
    maps::MapType,
    programs::ProgramType,
    sys::{BpfHelper, is_helper_supported, is_map_supported},
};

use super::Line;
use crate::{
    config::RestartOptions,
    kernel::{pins::can_pin, privileges},
};

/// Map types of the programs, with their names.
const MAPS: [(MapType, &str); 5] = [
    (MapType::Array, "array"),
    (MapType::PerCpuArray, "per-CPU array"),
    (MapType::Hash, "hash"),
    (MapType::LpmTrie, "LPM trie"),
    (MapType::RingBuf, "ring buffer"),
];

/// The map type that only attribution needs.
const OWNERS: (MapType, &str) = (MapType::LruHash, "LRU hash");

/// Helpers of the programs on interfaces.
const HELPERS: [(BpfHelper, &str); 7] = [
    (BpfHelper::BPF_FUNC_jiffies64, "bpf_jiffies64"),
    (BpfHelper::BPF_FUNC_get_smp_processor_id, "bpf_get_smp_processor_id"),
    (BpfHelper::BPF_FUNC_probe_read_kernel, "bpf_probe_read_kernel"),
    (BpfHelper::BPF_FUNC_map_lookup_elem, "bpf_map_lookup_elem"),
    (BpfHelper::BPF_FUNC_ringbuf_reserve, "bpf_ringbuf_reserve"),
    (BpfHelper::BPF_FUNC_ringbuf_submit, "bpf_ringbuf_submit"),
    (BpfHelper::BPF_FUNC_ringbuf_output, "bpf_ringbuf_output"),
];

/// Helpers of the program for frames in several buffers.
const SCATTERED: [(BpfHelper, &str); 2] = [
    (BpfHelper::BPF_FUNC_xdp_load_bytes, "bpf_xdp_load_bytes"),
    (BpfHelper::BPF_FUNC_xdp_get_buff_len, "bpf_xdp_get_buff_len"),
];

pub(super) fn kernel() -> Line {
    let Ok(uname) = nix::sys::utsname::uname() else {
        return Line::Missing("the kernel does not give its version".to_owned());
    };
    let release = uname.release().to_string_lossy().into_owned();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    kernel_line(&release, version)
}

fn kernel_line(release: &str, version: (u32, u32)) -> Line {
    if version < (5, 10) {
        Line::Missing(format!("Linux {release}; 5.10 or newer is needed"))
    } else if version < (6, 6) {
        Line::Limited(format!(
            "Linux {release}: no TCX before 6.6, so a clsact filter is used; a killed agent leaves it behind until its next start"
        ))
    } else {
        Line::Ok(format!("Linux {release}"))
    }
}

/// The setting of the kernel's BPF compiler.
const JIT: &str = "/proc/sys/net/core/bpf_jit_enable";

pub(super) fn jit() -> Line {
    jit_line(std::fs::read_to_string(JIT))
}

fn jit_line(state: io::Result<String>) -> Line {
    match state {
        Ok(value) if value.trim() != "0" => Line::Ok("BPF programs are compiled".to_owned()),
        Ok(_) => Line::Limited(
            "BPF programs are interpreted, many times slower: sysctl net.core.bpf_jit_enable=1".to_owned(),
        ),
        // The setting belongs to the initial network namespace and is invisible in others.
        Err(error) => Line::Limited(format!(
            "{JIT} cannot be read ({error}): if it is 0, BPF programs are interpreted, many times slower. Other network namespaces \
             than the machine's first do not show it; see it there with: sysctl net.core.bpf_jit_enable"
        )),
    }
}

pub(super) fn btf() -> Line {
    if Path::new("/sys/kernel/btf/vmlinux").exists() {
        Line::Ok("the kernel describes its types".to_owned())
    } else {
        Line::Limited(
            "no /sys/kernel/btf/vmlinux: names are missing in kernel diagnostics; nothing else is lost"
                .to_owned(),
        )
    }
}

pub(super) fn held_privileges() -> Line {
    let missing = privileges::missing();
    if missing.is_empty() {
        let names: Vec<_> = privileges::NEEDED.iter().map(|needed| needed.capability.to_string()).collect();
        return Line::Ok(names.join(", "));
    }
    let names: Vec<_> =
        missing.iter().map(|needed| format!("{} (to {})", needed.capability, needed.purpose)).collect();
    Line::Missing(format!("{}; {}", names.join(", "), privileges::FIX))
}

/// Whether the kernel program can be pinned for the next run.
pub(super) fn pinning(restart: &RestartOptions) -> Line {
    let place = restart.pin_directory.display();
    match (can_pin(&restart.pin_directory), restart.keep_attached) {
        (Ok(()), true) => Line::Ok(format!("possible in {place}: a restart has no gap")),
        (Ok(()), false) => Line::Ok(format!(
            "possible in {place}, but not configured (restart.keep_attached): a restart has a gap"
        )),
        (Err(error), true) => Line::Limited(format!("{error}. A restart has a gap")),
        (Err(error), false) => Line::Ok(format!("not configured, so a restart has a gap ({error})")),
    }
}

/// Lets the kernel make a map of each needed type.
pub(super) fn maps() -> Line {
    if !privileges::missing().is_empty() {
        return Line::Missing("cannot be tried without the privileges above".to_owned());
    }
    let lacks = |(kind, _): &(MapType, &str)| !is_map_supported(*kind).unwrap_or(false);
    let lacking: Vec<&str> = MAPS.iter().filter(|map| lacks(map)).map(|(_, name)| *name).collect();
    if !lacking.is_empty() {
        return Line::Missing(format!("the kernel makes no {}; 5.10 or newer is needed", lacking.join(", ")));
    }
    if lacks(&OWNERS) {
        return Line::Limited(format!("the kernel makes no {}: alerts name no process", OWNERS.1));
    }
    let names: Vec<&str> = MAPS.iter().chain([&OWNERS]).map(|(_, name)| *name).collect();
    Line::Ok(format!("{} (tried)", names.join(", ")))
}

/// Asks the kernel for each helper whether an XDP program may call it.
pub(super) fn helpers() -> Line {
    if !privileges::missing().is_empty() {
        return Line::Missing("cannot be tried without the privileges above".to_owned());
    }
    helpers_line(|helper| is_helper_supported(ProgramType::Xdp, helper).unwrap_or(false))
}

fn helpers_line(has: impl Fn(BpfHelper) -> bool) -> Line {
    let lacking = |helpers: &[(BpfHelper, &'static str)]| -> Vec<&'static str> {
        helpers.iter().filter(|(helper, _)| !has(*helper)).map(|(_, name)| *name).collect()
    };
    let missing = lacking(&HELPERS);
    if !missing.is_empty() {
        return Line::Missing(format!("the kernel has no {}; 5.10 or newer is needed", missing.join(", ")));
    }
    let missing = lacking(&SCATTERED);
    if !missing.is_empty() {
        return Line::Limited(format!(
            "the kernel has no {} (Linux 5.18): native XDP takes no interface with an MTU above 3,500 or so, which is watched \
             by generic XDP or TC instead",
            missing.join(", ")
        ));
    }
    let names: Vec<&str> = HELPERS.iter().chain(&SCATTERED).map(|(_, name)| *name).collect();
    Line::Ok(format!("{} (tried)", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_checked_by_their_features() {
        assert!(matches!(kernel_line("5.4.0", (5, 4)), Line::Missing(_)));
        assert!(matches!(kernel_line("5.10.0-30", (5, 10)), Line::Limited(_)));
        assert!(matches!(kernel_line("6.18.44", (6, 18)), Line::Ok(_)));
    }

    #[test]
    fn missing_compiler_is_not_reported_as_fine() {
        assert!(matches!(jit_line(Ok("1\n".to_owned())), Line::Ok(_)));
        assert!(matches!(jit_line(Ok("0\n".to_owned())), Line::Limited(text) if text.contains("=1")));
        let unreadable = jit_line(Err(io::ErrorKind::NotFound.into()));
        assert!(matches!(&unreadable, Line::Limited(text) if text.contains(JIT)), "{unreadable:?}");
    }

    #[test]
    fn reports_missing_helpers_of_older_kernels() {
        assert!(matches!(helpers_line(|_| true), Line::Ok(_)));
        let old = |helper| helper != BpfHelper::BPF_FUNC_xdp_load_bytes;
        assert!(matches!(helpers_line(old), Line::Limited(text) if text.contains("MTU")));
        assert!(matches!(helpers_line(|_| false), Line::Missing(text) if text.contains("bpf_jiffies64")));
    }
}
