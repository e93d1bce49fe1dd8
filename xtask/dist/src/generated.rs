//! Files that the agent makes itself: manual pages, and scripts for completion in shells.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    contents::{Entry, Kind, files_in},
    release::Release,
};

/// Shells, and where each looks for completions. Zsh has another folder on Debian than elsewhere; both are on its path there.
const SHELLS: [(&str, &str); 4] = [
    ("bash", "/usr/share/bash-completion/completions/smb-sensor"),
    ("zsh", "/usr/share/zsh/vendor-completions/_smb-sensor"),
    ("zsh", "/usr/share/zsh/site-functions/_smb-sensor"),
    ("fish", "/usr/share/fish/vendor_completions.d/smb-sensor.fish"),
];

/// Makes them in a new folder; gives them, with the agent itself.
pub(crate) fn make(agent: &Path, release: &Release, folder: &Path) -> Result<Vec<Entry>> {
    let program = stripped(agent, folder)?;
    let mut entries =
        vec![Entry { source: program.clone(), path: "/usr/bin/smb-sensor".to_owned(), kind: Kind::Program }];
    let pages = folder.join("man");
    let mut manual = Command::new(agent);
    run(manual.arg("manual").arg(&pages).env("SOURCE_DATE_EPOCH", release.epoch.to_string()))?;
    for source in files_in(&pages)? {
        let name = source.file_name().unwrap_or_default().to_string_lossy().into_owned();
        entries.push(Entry {
            path: format!("/usr/share/man/man8/{name}"),
            kind: Kind::Documentation,
            source,
        });
    }
    for (shell, path) in SHELLS {
        // The script runs the program by the name that it was made with.
        let mut command = Command::new("smb-sensor");
        command.env("PATH", path_with(&program)?).env("COMPLETE", shell);
        let source = folder.join(shell);
        fs::write(&source, run(&mut command)?).with_context(|| format!("writing {}", source.display()))?;
        entries.push(Entry { source, path: path.to_owned(), kind: Kind::Plain });
    }
    Ok(entries)
}

/// PATH with the folder of a program in front.
fn path_with(program: &Path) -> Result<std::ffi::OsString> {
    let folder = program.parent().context("the program is in no folder")?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(folder.to_owned()).chain(std::env::split_paths(&path));
    std::env::join_paths(folders).context("making PATH")
}

/// The agent without symbols, which are half of it.
fn stripped(agent: &Path, folder: &Path) -> Result<PathBuf> {
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let path = folder.join("smb-sensor");
    run(Command::new("strip").arg("-o").arg(&path).arg(agent))?;
    Ok(path)
}

/// Runs a program; gives its output.
pub(crate) fn run(command: &mut Command) -> Result<Vec<u8>> {
    let output = command.output().with_context(|| format!("running {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(output.stdout)
}
