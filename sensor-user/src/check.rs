//! `smb-sensor check`: what this machine allows, one line each, with the fix.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use anyhow::Result;

use crate::{
    config::{AttributionChoice, Config, Overrides, ProcessOptions},
    kernel::{
        attach::{Attached, Ingress, TcMode},
        interface::Interface,
        object::KernelProgram,
        owner::OwnerPrograms,
        privileges,
        ticks::TickClock,
    },
    owner::{Reach, reach},
    plan,
};

/// How one line of the check came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// Fine, with what was found.
    Ok(String),
    /// It works, with less: what is lost.
    Limited(String),
    /// It does not work: the fix.
    Missing(String),
}

/// Checks and prints. The exit code is a failure when anything is missing.
///
/// # Errors
/// Only when standard output cannot be written.
pub fn run(interfaces: &[String], config: Option<&Path>) -> Result<ExitCode> {
    let lines = lines(interfaces, config);
    let mut out = io::stdout().lock();
    for (what, line) in &lines {
        let (state, text) = match line {
            Line::Ok(text) => ("ok", text),
            Line::Limited(text) => ("limited", text),
            Line::Missing(text) => ("missing", text),
        };
        writeln!(out, "{state:<8}{what:<14}{text}")?;
    }
    let fine = lines.iter().all(|(_, line)| !matches!(line, Line::Missing(_)));
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn lines(interfaces: &[String], path: Option<&Path>) -> Vec<(String, Line)> {
    let mut lines = vec![
        ("kernel".to_owned(), kernel()),
        ("jit".to_owned(), jit()),
        ("btf".to_owned(), btf()),
        ("privileges".to_owned(), held_privileges()),
    ];
    let config = match Config::load(path, &Overrides::default()).and_then(Config::with_added) {
        Ok(config) => {
            if let Some(path) = path {
                lines.push(("config".to_owned(), Line::Ok(format!("{} is valid", path.display()))));
            }
            config
        }
        Err(error) => {
            lines.push(("config".to_owned(), Line::Missing(error.to_string())));
            Config::default()
        }
    };
    let (program, loaded) = program(&config);
    lines.push(("program".to_owned(), program));
    let named = if interfaces.is_empty() { &config.interfaces } else { interfaces };
    if named.is_empty() {
        let names = Interface::names().join(", ");
        lines.push(("interfaces".to_owned(), Line::Ok(format!("{names}; name one with --iface to try it"))));
    }
    let mut known = Vec::new();
    let mut loaded = loaded;
    for name in named {
        let line = match (Interface::named(name), &mut loaded) {
            (Err(error), _) => Line::Missing(error.to_string()),
            (Ok(_), None) => {
                Line::Missing("cannot be tried: the kernel program is not loaded (see above)".to_owned())
            }
            (Ok(interface), Some(kernel)) => {
                known.push(interface.clone());
                tried(kernel, interface, &config)
            }
        };
        lines.push((name.clone(), line));
    }
    lines.push(("attribution".to_owned(), attribution(&config.process, !known.is_empty())));
    for warning in plan::network_warnings(&config, &known) {
        lines.push(("networks".to_owned(), Line::Limited(warning)));
    }
    lines
}

fn kernel() -> Line {
    let Ok(uname) = nix::sys::utsname::uname() else {
        return Line::Missing("the kernel does not tell its version".to_owned());
    };
    let release = uname.release().to_string_lossy().into_owned();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    judge_kernel(&release, version)
}

fn judge_kernel(release: &str, version: (u32, u32)) -> Line {
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

fn jit() -> Line {
    match std::fs::read_to_string("/proc/sys/net/core/bpf_jit_enable") {
        Ok(value) if value.trim() != "0" => Line::Ok("BPF programs are compiled".to_owned()),
        Ok(_) => Line::Limited(
            "BPF programs are interpreted, many times slower: sysctl net.core.bpf_jit_enable=1".to_owned(),
        ),
        // The setting belongs to the initial network namespace and cannot be seen in others.
        Err(_) => Line::Ok(
            "not told in this network namespace; see it with: sysctl net.core.bpf_jit_enable".to_owned(),
        ),
    }
}

fn btf() -> Line {
    if Path::new("/sys/kernel/btf/vmlinux").exists() {
        Line::Ok("the kernel describes its types".to_owned())
    } else {
        Line::Limited(
            "no /sys/kernel/btf/vmlinux: names are missing in kernel diagnostics; nothing else is lost"
                .to_owned(),
        )
    }
}

fn held_privileges() -> Line {
    let missing = privileges::missing();
    if missing.is_empty() {
        let names: Vec<_> = privileges::NEEDED.iter().map(|needed| needed.capability.to_string()).collect();
        return Line::Ok(names.join(", "));
    }
    let names: Vec<_> =
        missing.iter().map(|needed| format!("{} (to {})", needed.capability, needed.purpose)).collect();
    Line::Missing(format!("{}; {}", names.join(", "), privileges::FIX))
}

fn program(config: &Config) -> (Line, Option<KernelProgram>) {
    if !privileges::missing().is_empty() {
        return (Line::Missing("cannot be tried without the privileges above".to_owned()), None);
    }
    let clock = match TickClock::of_this_kernel() {
        Ok(clock) => clock,
        Err(error) => {
            return (Line::Missing(format!("the kernel has no coarse clock: {error}")), None);
        }
    };
    let loaded = KernelProgram::load(&plan::load_plan(config, clock)).and_then(|mut kernel| {
        kernel.verify()?;
        Ok(kernel)
    });
    match loaded {
        Ok(kernel) => {
            let text = format!("accepted by the verifier; {} KiB of flow slots", kernel.slots.bytes() / 1024);
            (Line::Ok(text), Some(kernel))
        }
        Err(error) => (Line::Missing(error.to_string()), None),
    }
}

/// Attaches for a moment and tells how.
fn tried(kernel: &mut KernelProgram, interface: Interface, config: &Config) -> Line {
    match Attached::new(kernel, interface, config.kernel.ingress, config.kernel.tc) {
        Ok(attached) => {
            let text = format!("incoming by {}, outgoing by {} (tried)", attached.ingress, attached.egress);
            match (attached.ingress, attached.egress) {
                (Ingress::XdpNative, TcMode::Tcx) => Line::Ok(text),
                (Ingress::XdpNative, TcMode::Clsact) => {
                    Line::Limited(format!("{text}: the filter outlives a killed agent"))
                }
                _ => Line::Limited(format!("{text}: each packet costs more than with native XDP")),
            }
        }
        Err(error) => Line::Missing(error.to_string()),
    }
}

/// Whether alerts will name processes; with `attach` the programs are attached for a moment, as to the interfaces. Where they
/// cannot be, the sensor runs without; only a cgroup that the configuration names has to be there.
fn attribution(options: &ProcessOptions, attach: bool) -> Line {
    const LOST: &str = "alerts name no process";
    if options.attribution == AttributionChoice::Off {
        return Line::Ok("off, as configured".to_owned());
    }
    let reach = match reach(options) {
        Ok(reach) => reach,
        Err(reason) if options.cgroup.is_some() => return Line::Missing(reason),
        Err(reason) => return Line::Limited(format!("{LOST}: {reason}")),
    };
    if !privileges::missing().is_empty() {
        return Line::Limited(format!("{LOST}: cannot be tried without the privileges above"));
    }
    let tried = match OwnerPrograms::load() {
        Ok(programs) if attach => programs.attach(&reach.folder).map(|_| "tried"),
        Ok(_) => Ok("accepted by the verifier"),
        Err(error) => Err(error),
    };
    match tried {
        Ok(how) => judge_reach(&reach, how),
        Err(error) => Line::Limited(format!("{LOST}: {error}")),
    }
}

fn judge_reach(reach: &Reach, how: &str) -> Line {
    let text = format!("connections opened by processes below {} ({how})", reach.folder.display());
    let lost = reach.lost();
    if lost.is_empty() { Line::Ok(text) } else { Line::Limited(format!("{text}; {}", lost.join("; "))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_judged_by_what_they_have() {
        assert!(matches!(judge_kernel("5.4.0", (5, 4)), Line::Missing(_)));
        assert!(matches!(judge_kernel("5.10.0-30", (5, 10)), Line::Limited(_)));
        assert!(matches!(judge_kernel("6.18.44", (6, 18)), Line::Ok(_)));
    }

    #[test]
    fn attribution_is_judged_by_what_it_reaches() {
        let all = Reach {
            folder: "/sys/fs/cgroup".into(),
            whole: true,
            numbers_mean_the_same: true,
            reads_others: true,
        };
        assert!(matches!(judge_reach(&all, "tried"), Line::Ok(_)));
        for (less, word) in [
            (Reach { whole: false, ..all.clone() }, "cgroup"),
            (Reach { numbers_mean_the_same: false, ..all.clone() }, "--pid=host"),
            (Reach { reads_others: false, ..all.clone() }, "CAP_SYS_PTRACE"),
        ] {
            assert!(
                matches!(judge_reach(&less, "tried"), Line::Limited(text) if text.contains(word)),
                "{word}"
            );
        }
    }

    #[test]
    fn a_cgroup_that_is_named_must_be_there() {
        let options =
            ProcessOptions { cgroup: Some("/nonexistent/cgroup".into()), ..ProcessOptions::default() };
        assert!(
            matches!(attribution(&options, false), Line::Missing(text) if text.contains("/nonexistent/cgroup"))
        );
        let off = ProcessOptions { attribution: AttributionChoice::Off, ..options };
        assert!(matches!(attribution(&off, false), Line::Ok(_)));
    }

    #[test]
    fn a_missing_interface_is_a_line_that_names_it() {
        let lines = lines(&["nope".to_owned()], None);
        let (_, line) = lines.iter().find(|(what, _)| what == "nope").unwrap();
        assert!(matches!(line, Line::Missing(text) if text.contains("nope")), "{line:?}");
    }
}
