//! `smb-sensor init`: writes a first configuration for this machine.
//!
//! Finds the interfaces and their networks, proposes interfaces to watch, asks on a terminal, and writes a commented file. It
//! changes nothing else.

mod ask;
mod detect;
mod text;

use std::{
    fs::{self, File},
    io::{self, IsTerminal as _, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use ipnet::IpNet;

use self::detect::Found;
use crate::{
    config::{Config, InterfaceName, Overrides, internal_network},
    durable,
    kernel::interface::Interface,
    stdout,
};

/// Where the service expects its configuration.
const CONFIG: &str = "/etc/smb-sensor/smb-sensor.toml";

/// Folder of documents, if the package or the service manager made it.
const DOCUMENTS: &str = "/var/log/smb-sensor";

/// Everybody may read the file: it has no secrets. Its folder can be closed.
const MODE: u32 = 0o644;

/// Flags of `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Interface to watch, or a pattern such as "lan*"; may be repeated. Default: those without the default route or, if there is
    /// no other, the one that has it
    #[arg(long = "iface", short = 'i', value_name = "IF", value_delimiter = ',')]
    pub interfaces: Vec<InterfaceName>,
    /// Additional internal network or address; may be repeated. Default: the networks of the watched interfaces that are not private
    #[arg(long, value_name = "NET", value_delimiter = ',', value_parser = internal_network)]
    pub internal: Vec<IpNet>,
    /// Ask nothing and take the proposed values
    #[arg(long, short)]
    pub yes: bool,
    /// File to write; "-" is standard output
    #[arg(long, short, value_name = "FILE", default_value = CONFIG)]
    pub output: PathBuf,
    /// Replace the file if there is one
    #[arg(long)]
    pub force: bool,
}

/// What the configuration is to say.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answers {
    interfaces: Vec<String>,
    internal: Vec<IpNet>,
}

/// Runs the command.
///
/// # Errors
/// If there is nothing to watch, nobody to ask, or the file cannot be written.
pub fn run(args: &InitArgs) -> Result<ExitCode> {
    let to_stdout = args.output == Path::new("-");
    if !to_stdout && !args.force && args.output.symlink_metadata().is_ok() {
        bail!("{} is there already: edit it, or replace it with --force", args.output.display());
    }
    let found = detect::interfaces().context("cannot list the interfaces")?;
    let answers = answers(args, &found)?;
    let documents = Some(Path::new(DOCUMENTS)).filter(|folder| folder.is_dir());
    let text = text::of(&answers, &found, documents);
    if to_stdout {
        stdout::write(|out| write!(out, "{text}"))?;
        return Ok(ExitCode::SUCCESS);
    }
    write(&args.output, &text, args.force)?;
    Config::load(Some(&args.output), &Overrides::default()).context("the file is not as it should be")?;
    let path = args.output.display();
    stdout::write(|out| {
        writeln!(out, "{path} is written. Next:\n  smb-sensor check --config {path}")?;
        match args.output == Path::new(CONFIG) {
            true => writeln!(out, "  systemctl enable --now smb-sensor"),
            false => writeln!(out, "  smb-sensor run --config {path}"),
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

/// What flags say, else what a person says, else what is proposed.
fn answers(args: &InitArgs, found: &[Found]) -> Result<Answers> {
    if args.interfaces.is_empty() && found.is_empty() {
        bail!(
            "no interface of this machine can be watched{}. For one that will come, name a pattern that it matches: \
             --iface 'eth*'",
            detect::unusable()
        );
    }
    let is_asked = !args.yes && args.interfaces.is_empty();
    if is_asked && !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        bail!(
            "nobody can be asked here: name the interfaces with --iface, or accept the proposal with --yes"
        );
    }
    let mut interfaces = args.interfaces.iter().map(ToString::to_string).collect::<Vec<_>>();
    if let Some(missing) = args.interfaces.iter().find(|one| !one.is_pattern() && !is_there(one)) {
        return Err(Interface::missing(&missing.to_string()).into());
    }
    if interfaces.is_empty() {
        let proposed = detect::proposed(found);
        interfaces = if is_asked { ask::interfaces(found, &proposed)? } else { proposed };
    }
    let mut internal = args.internal.clone();
    if internal.is_empty() {
        let proposed = detect::internal(found, |name| matches(&interfaces, name));
        internal = if is_asked { ask::internal(&proposed)? } else { proposed };
    }
    Ok(Answers { interfaces, internal })
}

fn is_there(wanted: &InterfaceName) -> bool {
    Interface::names().iter().any(|name| wanted.matches(name)) || wanted.matches("lo")
}

/// Whether one of these names or patterns means an interface.
fn matches(wanted: &[String], name: &str) -> bool {
    wanted.iter().filter_map(|one| one.parse::<InterfaceName>().ok()).any(|one| one.matches(name))
}

/// Writes the file; another one in its place stays unless it is to be replaced.
fn write(path: &Path, text: &str, replace: bool) -> Result<()> {
    if replace {
        durable::write(path, text.as_bytes())?;
    } else {
        let written = File::create_new(path).and_then(|mut file| file.write_all(text.as_bytes()));
        written.with_context(|| format!("cannot write {}", path.display()))?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(MODE))
        .with_context(|| format!("cannot make {} readable", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_that_is_there_stays_unless_it_is_to_be_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("smb-sensor.toml");
        write(&path, "one", false).unwrap();
        let error = write(&path, "two", false).unwrap_err().to_string();
        assert!(error.contains("cannot write"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
        write(&path, "two", true).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
    }
}
