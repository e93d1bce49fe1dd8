//! `smb-sensor check`: tests what the sensor needs on this machine. Each result is fine, limited (with the loss) or missing (with
//! the fix).
//!
//! Where possible, a check performs the operation for a moment and undoes it.

mod attribution;
mod interface;
mod line;
mod machine;
mod security;

use std::{path::Path, process::ExitCode};

use anyhow::Result;

pub use self::line::Line;
use self::line::Lines;
use crate::{
    cli::CheckArgs,
    config::{Config, ConfigError, InterfaceName, Overrides},
    http,
    kernel::{interface::Interface, object::KernelProgram, privileges, ticks::KernelClock},
    plan,
    response::exec::{ExecOptions, Identity},
    stdout,
};

/// Checks and prints, as text or as JSON. The exit code is a failure if anything is missing.
///
/// # Errors
/// Only if standard output cannot be written.
pub fn run(args: &CheckArgs) -> Result<ExitCode> {
    let config = args.config.as_deref();
    let lines = if args.security {
        let mut lines = Lines::new();
        let (config, _) = read_config(config, &mut lines);
        lines.extend(security::lines(args.state_dir.as_deref().unwrap_or(&config.state_dir)));
        lines
    } else {
        lines(&args.interfaces, config)
    };
    stdout::write(|mut out| {
        if args.json { line::write_json(&mut out, &lines) } else { line::write_text(&mut out, &lines) }
    })?;
    Ok(if line::is_fine(&lines) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn lines(interfaces: &[InterfaceName], path: Option<&Path>) -> Lines {
    let mut lines: Lines = [
        ("kernel", machine::kernel()),
        ("jit", machine::jit()),
        ("btf", machine::btf()),
        ("privileges", machine::held_privileges()),
        ("maps", machine::maps()),
        ("helpers", machine::helpers()),
    ]
    .map(|(what, line)| (what.to_owned(), line))
    .into();
    let (config, is_valid) = read_config(path, &mut lines);
    lines.push(("pinning".to_owned(), machine::pinning(&config.restart)));
    for broad in config.exemptions.iter().filter_map(|one| one.too_broad(&config.watched())) {
        lines.push(("exemptions".to_owned(), Line::Limited(broad)));
    }
    // The defaults of a configuration with mistakes have an output that it does not name.
    for output in config.outputs.iter().filter(|_| is_valid) {
        let named = |text: String| format!("{}: {text}", output.name);
        let line = match output.destination.probe() {
            Ok(found) => Line::Ok(named(found)),
            Err(missing) => Line::Missing(named(missing)),
        };
        lines.push(("output".to_owned(), line));
    }
    if let Some(options) = &config.http {
        let line = http::probe(options).map_or_else(Line::Missing, Line::Ok);
        lines.push(("http".to_owned(), line));
    }
    if let Some(options) = &config.response.exec {
        lines.push(("exec".to_owned(), exec(options)));
    }
    let mut kernel = programs(&config, &mut lines);
    let named = if interfaces.is_empty() { &config.interfaces } else { interfaces };
    if named.is_empty() {
        lines.push(("interfaces".to_owned(), present(&Interface::names())));
    }
    let mut known = Vec::new();
    for name in names(named) {
        known.extend(interface::interface(&name, kernel.as_mut(), &config, &mut lines));
    }
    let attach = kernel.is_some() && !known.is_empty();
    lines.push(("attribution".to_owned(), attribution::attribution(&config.process, attach)));
    for warning in plan::network_warnings(&config, &known) {
        lines.push(("networks".to_owned(), Line::Limited(warning)));
    }
    lines
}

/// The names that are meant: the matching ones of a pattern, or the pattern itself if nothing matches.
fn names(meant: &[InterfaceName]) -> Vec<String> {
    let present = Interface::names();
    let mut names: Vec<String> = Vec::new();
    for one in meant {
        let matching: Vec<String> = present.iter().filter(|name| one.matches(name)).cloned().collect();
        names.extend(if matching.is_empty() { vec![one.to_string()] } else { matching });
    }
    names
}

/// The interfaces of the machine, if none is to be tried.
fn present(names: &[String]) -> Line {
    if names.is_empty() {
        return Line::Limited("there is no interface except loopback, so nothing can be watched".to_owned());
    }
    Line::Ok(format!("none is tried. There are {}: try one with --iface NAME", names.join(", ")))
}

/// The configuration, or the defaults if it has mistakes: a line for each, with its place. The other value says whether it has
/// none.
fn read_config(path: Option<&Path>, lines: &mut Lines) -> (Config, bool) {
    let mut add = |line| lines.push(("config".to_owned(), line));
    match Config::load(path, &Overrides::default()).and_then(crate::exempt::with_added) {
        Ok(config) => {
            if let Some(path) = path {
                add(Line::Ok(format!("{} is valid", path.display())));
            }
            (config, true)
        }
        Err(ConfigError::Invalid { path, problems }) => {
            problems.iter().for_each(|problem| add(Line::Missing(format!("{}: {problem}", path.display()))));
            (Config::default(), false)
        }
        Err(error) => {
            add(Line::Missing(error.to_string()));
            (Config::default(), false)
        }
    }
}

/// As whom the program for incidents would run. It is not run.
fn exec(options: &ExecOptions) -> Line {
    let program = options.program.display();
    match Identity::of(options.user.as_deref()) {
        Ok(identity @ Identity::OfTheAgent { instead_of: Some(_), .. }) => {
            Line::Limited(format!("{program} would be run {identity}"))
        }
        Ok(identity) => Line::Ok(format!(
            "{program} is run {identity} for incidents of severity {} or higher",
            options.min_severity
        )),
        Err(refused) => Line::Missing(format!("{refused:#}")),
    }
}

/// Lets the kernel verify the programs.
fn programs(config: &Config, lines: &mut Lines) -> Option<KernelProgram> {
    let mut add = |what: &str, line| lines.push((what.to_owned(), line));
    if !privileges::missing().is_empty() {
        add("program", Line::Missing("cannot be tried without the privileges above".to_owned()));
        return None;
    }
    let clock = match KernelClock::of_this_kernel() {
        Ok(clock) => clock,
        Err(error) => {
            add("program", Line::Missing(format!("the kernel has no coarse clock: {error}")));
            return None;
        }
    };
    let loaded = KernelProgram::load(&plan::load_plan(config, clock.ticks())).and_then(|mut kernel| {
        kernel.verify()?;
        Ok(kernel)
    });
    match loaded {
        Ok(kernel) => {
            let slots = kernel.slots.bytes() / 1024;
            add("program", Line::Ok(format!("accepted by the verifier; {slots} KiB of flow slots")));
            Some(kernel)
        }
        Err(error) => {
            add("program", Line::Missing(error.to_string()));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn names_a_missing_interface() {
        let lines = lines(&["nope".parse().unwrap()], None);
        let (_, line) = lines.iter().find(|(what, _)| what == "nope").unwrap();
        assert!(matches!(line, Line::Missing(text) if text.contains("nope")), "{line:?}");
    }

    #[test]
    fn lists_interfaces_only_where_they_exist() {
        let line = present(&["eth0".to_owned(), "eth1".to_owned()]);
        assert!(matches!(&line, Line::Ok(text) if text.contains("There are eth0, eth1: ")), "{line:?}");
        assert!(matches!(present(&[]), Line::Limited(text) if text.contains("no interface except loopback")));
    }

    #[test]
    fn very_broad_exemption_is_a_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.toml");
        let text = format!(
            "state_dir = {:?}\n[[exempt]]\nid = \"half\"\nsource = \"0.0.0.0/1\"\nreason = \"x\"\n",
            folder.path()
        );
        std::fs::write(&path, text).unwrap();
        let lines = lines(&[], Some(&path));
        let line = lines.iter().find(|(what, _)| what == "exemptions");
        assert!(
            matches!(line, Some((_, Line::Limited(text))) if text.contains("half (0.0.0.0/1 -> any)")),
            "{lines:?}"
        );
    }

    #[test]
    fn says_nothing_about_outputs_of_a_configuration_with_mistakes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.toml");
        let has_output = |text: &str| {
            std::fs::write(&path, text).unwrap();
            lines(&[], Some(&path)).iter().any(|(what, _)| what == "output")
        };
        assert!(has_output(&format!("state_dir = {:?}\n[[output]]\ntype = \"stdout\"\n", folder.path())));
        assert!(!has_output("[[output]]\ntype = \"fil\"\n"));
    }

    #[test]
    fn program_for_incidents_is_looked_at_and_not_run() {
        let folder = tempfile::tempdir().unwrap();
        let (program, ran, path) =
            (folder.path().join("isolate"), folder.path().join("ran"), folder.path().join("c.toml"));
        std::fs::write(&program, format!("#!/bin/sh\ntouch {}\n", ran.display())).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let exec_line = |keys: &str| {
            std::fs::write(&path, format!("[response]\nexec = {program:?}\n{keys}")).unwrap();
            lines(&[], Some(&path)).into_iter().find(|(what, _)| what == "exec").map(|(_, line)| line)
        };
        let line = exec_line("exec_user = \"no-such-user\"\n");
        assert!(
            matches!(&line, Some(Line::Missing(text)) if text.contains("there is no user no-such-user")),
            "{line:?}"
        );
        if nix::unistd::getuid().is_root() {
            let line = exec_line("");
            assert!(matches!(&line, Some(Line::Missing(text)) if text.contains("run as root")), "{line:?}");
            let line = exec_line("exec_user = \"nobody\"\n");
            let Some(Line::Ok(text)) = line else { panic!("{line:?}") };
            assert!(
                text.ends_with("is run as nobody for incidents of severity critical or higher"),
                "{text}"
            );
        }
        assert!(!ran.exists());
    }

    #[test]
    fn lists_each_configuration_mistake_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.toml");
        std::fs::write(&path, "statistics_interval = 0\n[networks]\ninternal = [\"10.0.0.0/99\"]\n").unwrap();
        let mut lines = vec![];
        read_config(Some(&path), &mut lines);
        let texts: Vec<String> = lines.iter().map(|(_, line)| format!("{line:?}")).collect();
        assert_eq!(texts.len(), 2, "{texts:?}");
        assert!(texts[0].contains("line 1, column") && texts[1].contains("line 3, column"), "{texts:?}");
    }
}
