//! `smb-sensor check --security`: what confines the agent that runs now, as the kernel shows it, and who may read its files.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use caps::Capability;
use nix::unistd::{Uid, User};

use super::line::{Line, Lines};
use crate::{control, runtime::confine};

/// A process may have so many capabilities without being called privileged: those of the shipped unit.
const FEW: usize = 5;

/// The thread that runs `[response] exec`. Its programs inherit its restrictions, so it has fewer.
const EXEC: &str = "exec";

/// Whether users without privileges may load kernel programs (Documentation/admin-guide/sysctl/kernel.rst).
const UNPRIVILEGED_BPF: &str = "/proc/sys/kernel/unprivileged_bpf_disabled";

/// What the kernel says of a thread (proc_pid_status(5)).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Confined {
    capabilities: u64,
    no_new_privileges: bool,
    /// Its system calls are filtered (mode 2 of seccomp).
    filtered: bool,
}

/// One line for each thing that confines the agent of this state directory.
pub(super) fn lines(state_dir: &Path) -> Lines {
    let mut lines = Lines::new();
    let mut add = |what: &str, line| lines.push((what.to_owned(), line));
    match control::process(state_dir) {
        Ok(0) => {
            add("agent", Line::Missing("it runs in a PID namespace that is not visible here".to_owned()));
        }
        Ok(process) => match threads(process) {
            Ok((user, threads)) => {
                add("agent", of_user(process, user));
                of_threads(&threads).into_iter().for_each(|line| add("threads", line));
            }
            Err(error) => add("agent", Line::Missing(format!("process {process} cannot be read: {error}"))),
        },
        Err(error) => add("agent", Line::Missing(error.to_string())),
    }
    add("landlock", landlock());
    add("bpf", unprivileged_bpf());
    of_files(state_dir).into_iter().for_each(|line| add("files", line));
    lines
}

/// The user of a process, and its threads by what confines them.
fn threads(process: i32) -> io::Result<(u32, BTreeMap<Confined, Vec<String>>)> {
    let folder = PathBuf::from(format!("/proc/{process}"));
    let status = fs::read_to_string(folder.join("status"))?;
    let user = field(&status, "Uid:").and_then(|uid| uid.split_whitespace().nth(1)?.parse().ok());
    let mut threads: BTreeMap<Confined, Vec<String>> = BTreeMap::new();
    for task in fs::read_dir(folder.join("task"))? {
        let task = task?.path();
        // Threads may end meanwhile.
        let (Ok(name), Ok(status)) =
            (fs::read_to_string(task.join("comm")), fs::read_to_string(task.join("status")))
        else {
            continue;
        };
        if let Some(confined) = confined(&status) {
            threads.entry(confined).or_default().push(name.trim().to_owned());
        }
    }
    Ok((user.ok_or(io::ErrorKind::InvalidData)?, threads))
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

fn confined(status: &str) -> Option<Confined> {
    Some(Confined {
        capabilities: u64::from_str_radix(field(status, "CapEff:")?, 16).ok()?,
        no_new_privileges: field(status, "NoNewPrivs:")? == "1",
        // A kernel without seccomp has no such field.
        filtered: field(status, "Seccomp:") == Some("2"),
    })
}

fn of_user(process: i32, user: u32) -> Line {
    let name = User::from_uid(Uid::from_raw(user)).ok().flatten();
    let name = name.map_or_else(|| user.to_string(), |user| user.name);
    let text = format!("process {process} runs as {name}");
    if user == 0 {
        return Line::Limited(format!("{text}; the service of the packages has a user of its own"));
    }
    Line::Ok(text)
}

fn of_threads(threads: &BTreeMap<Confined, Vec<String>>) -> Vec<Line> {
    let line = |(confined, names): (&Confined, &Vec<String>)| {
        let mut names = names.clone();
        names.sort();
        names.dedup();
        let few = confined.capabilities.count_ones() as usize <= FEW;
        let text = format!(
            "{}: {}; {}; {}",
            names.join(", "),
            capabilities(confined.capabilities),
            if confined.no_new_privileges { "no new privileges" } else { "may gain privileges by a program" },
            if confined.filtered { "system calls filtered" } else { "system calls not filtered" },
        );
        let is_confined = confined.no_new_privileges && confined.filtered || names == [EXEC];
        if few && is_confined { Line::Ok(text) } else { Line::Limited(text) }
    };
    threads.iter().map(line).collect()
}

/// The names of capabilities, or their number where they are many.
fn capabilities(set: u64) -> String {
    let held: Vec<_> = caps::all().into_iter().filter(|one| set & one.bitmask() != 0).collect();
    match held.len() {
        0 => "no capability".to_owned(),
        1..=FEW => {
            let mut names: Vec<_> = held.iter().map(Capability::to_string).collect();
            names.sort();
            names.join(" ")
        }
        many => format!("{many} capabilities"),
    }
}

fn landlock() -> Line {
    match confine::has_landlock() {
        Ok(()) => Line::Ok(
            "this kernel has it: threads that write no files outside the state directory cannot do so"
                .to_owned(),
        ),
        Err(error) => Line::Limited(format!("access to files is not restricted: {error}")),
    }
}

fn unprivileged_bpf() -> Line {
    match fs::read_to_string(UNPRIVILEGED_BPF) {
        Ok(value) if value.trim() == "0" => Line::Limited(
            "every user may load kernel programs: sysctl kernel.unprivileged_bpf_disabled=1 ends that"
                .to_owned(),
        ),
        Ok(_) => Line::Ok("users without privileges load no kernel programs".to_owned()),
        Err(error) => Line::Limited(format!("{UNPRIVILEGED_BPF} cannot be read: {error}")),
    }
}

/// Files of the state directory that others than the owner may use.
fn of_files(state_dir: &Path) -> Vec<Line> {
    let open_to_others = |path: &Path| {
        let metadata = fs::symlink_metadata(path)?;
        Ok::<_, io::Error>((metadata.mode() & 0o077 != 0).then_some(metadata.mode() & 0o7777))
    };
    let shown = state_dir.display();
    match open_to_others(state_dir) {
        Err(error) => return vec![Line::Missing(format!("{shown} cannot be read: {error}"))],
        Ok(None) => return vec![Line::Ok(format!("{shown} is its owner's alone"))],
        Ok(Some(_)) => {}
    }
    let Ok(entries) = fs::read_dir(state_dir) else {
        return vec![Line::Missing(format!("{shown} cannot be listed"))];
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    let found = paths.iter().filter_map(|path| {
        let mode = open_to_others(path).ok()??;
        Some(Line::Missing(format!(
            "{} has the mode {mode:04o}: chmod go= {}",
            path.display(),
            path.display()
        )))
    });
    let found: Vec<Line> = found.collect();
    if found.is_empty() {
        return vec![Line::Limited(format!(
            "others may look into {shown}, but its files are their owner's alone: chmod go= {shown}"
        ))];
    }
    found
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn reads_what_the_kernel_says_of_a_thread() {
        let status =
            "Name:\thttp\nUid:\t0\t998\t998\t998\nCapEff:\t0000008000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n";
        let http = confined(status).unwrap();
        assert_eq!(http, Confined { capabilities: 1 << 39, no_new_privileges: true, filtered: true });
        let open = confined("CapEff:\tffff\nNoNewPrivs:\t0\n").unwrap();
        assert!(!open.filtered && !open.no_new_privileges);
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let threads =
            [(http, names(&["http", "http", "control"])), (open.clone(), names(&["smb-sensor"]))].into();
        let lines = of_threads(&threads);
        assert_eq!(
            lines[1],
            Line::Ok("control, http: CAP_BPF; no new privileges; system calls filtered".into())
        );
        assert!(matches!(&lines[0], Line::Limited(text) if text.contains("16 capabilities")), "{lines:?}");
        let exec = Confined { capabilities: 0, ..open };
        assert!(matches!(of_threads(&[(exec, names(&["exec"]))].into())[..], [Line::Ok(_)]));
    }

    #[test]
    fn names_files_that_others_may_use() {
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let key = folder.path().join("key");
        fs::write(&key, "secret").unwrap();
        mode(&key, 0o644);
        mode(folder.path(), 0o700);
        assert!(matches!(of_files(folder.path())[..], [Line::Ok(_)]));
        mode(folder.path(), 0o755);
        assert!(matches!(&of_files(folder.path())[..], [Line::Missing(text)] if text.contains("0644")));
        mode(&key, 0o600);
        assert!(matches!(of_files(folder.path())[..], [Line::Limited(_)]));
        assert!(matches!(of_files(&folder.path().join("none"))[..], [Line::Missing(_)]));
    }
}
