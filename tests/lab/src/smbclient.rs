//! Samba's smbclient, run inside a namespace and bounded in time.

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::{Namespace, PASSWORD, Process, SHARE, USER, scratch_dir};

const TIME_LIMIT: Duration = Duration::from_secs(60);

/// How a run of smbclient ended.
#[derive(Debug)]
pub struct Outcome {
    /// Its exit status.
    pub status: ExitStatus,
    /// All its output, on both streams.
    pub output: String,
    /// The fetched file, after [`Smbclient::get`].
    pub content: Option<Vec<u8>>,
}

impl Outcome {
    /// Whether it reported success.
    #[must_use]
    pub fn success(&self) -> bool {
        self.status.success()
    }

    /// The names of the disk shares, after [`Smbclient::list_shares`].
    #[must_use]
    pub fn shares(&self) -> Vec<&str> {
        self.output.lines().filter_map(|line| line.strip_prefix("Disk|")?.split('|').next()).collect()
    }

    /// Waits for the end of a client.
    pub(crate) fn of(mut process: Process, time_limit: Duration) -> Result<Self> {
        let status = process.wait(time_limit)?;
        let lines: Vec<String> = process.lines().into_iter().map(|line| line.text).collect();
        Ok(Self { status, output: lines.join("\n"), content: None })
    }
}

enum Login {
    User(String, String),
    Anonymous,
}

/// A client of one server, by default as [`USER`] with her password on [`SHARE`]. Each run is one session and is
/// killed after a minute.
pub struct Smbclient<'a> {
    namespace: &'a Namespace,
    server: IpAddr,
    port: u16,
    share: String,
    login: Login,
    options: Vec<String>,
    time_limit: Duration,
}

impl<'a> Smbclient<'a> {
    /// A client inside `namespace` of the server at that address.
    #[must_use]
    pub fn new(namespace: &'a Namespace, server: impl Into<IpAddr>) -> Self {
        Self {
            namespace,
            server: server.into(),
            port: 445,
            share: SHARE.to_owned(),
            login: Login::User(USER.to_owned(), PASSWORD.to_owned()),
            options: Vec::new(),
            time_limit: TIME_LIMIT,
        }
    }

    /// Another user or a wrong password.
    #[must_use]
    pub fn user(mut self, user: &str, password: &str) -> Self {
        self.login = Login::User(user.to_owned(), password.to_owned());
        self
    }

    /// No user at all (a null session).
    #[must_use]
    pub fn anonymous(mut self) -> Self {
        self.login = Login::Anonymous;
        self
    }

    /// Another share, for example `IPC$`.
    #[must_use]
    pub fn share(mut self, share: &str) -> Self {
        share.clone_into(&mut self.share);
        self
    }

    /// Another port than 445; on 139 it speaks NetBIOS sessions.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// The highest dialect offered: `NT1`, `SMB2_02`, `SMB2_10`, `SMB3_00`, `SMB3_11`. `NT1` is also allowed as the lowest.
    #[must_use]
    pub fn protocol(self, dialect: &str) -> Self {
        self.option("-m").option(dialect).option("--option=client min protocol=NT1")
    }

    /// Any further option, for example `--client-protection=encrypt`.
    #[must_use]
    pub fn option(mut self, option: &str) -> Self {
        self.options.push(option.to_owned());
        self
    }

    /// Another time limit than 20 s.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Lists the server's shares; see [`Outcome::shares`]. Over IPv6 smbclient reports failure after listing
    /// them, since there are no work groups to list.
    ///
    /// # Errors
    /// When smbclient cannot be run or takes too long; a refusal is an [`Outcome`].
    pub fn list_shares(&self) -> Result<Outcome> {
        let mut command = self.smbclient();
        command.args(["-g", "-L"]).arg(format!("//{}", self.server));
        self.finish(command)
    }

    /// Runs smbclient commands on the share, separated by `;`, for example `ls`.
    ///
    /// # Errors
    /// When smbclient cannot be run or takes too long; a refusal is an [`Outcome`].
    pub fn run(&self, commands: &str) -> Result<Outcome> {
        let mut command = self.smbclient();
        command.arg(format!("//{}/{}", self.server, self.share)).args(["-c", commands]);
        self.finish(command)
    }

    /// Fetches a file; its content is in [`Outcome::content`].
    ///
    /// # Errors
    /// When smbclient cannot be run or takes too long; a refusal is an [`Outcome`].
    pub fn get(&self, name: &str) -> Result<Outcome> {
        let scratch = scratch_dir()?;
        let local = scratch.path().join("fetched");
        let mut outcome = self.run(&format!("get \"{name}\" \"{}\"", local.display()))?;
        if local.exists() {
            outcome.content = Some(fs::read(&local).with_context(|| format!("read {}", local.display()))?);
        }
        Ok(outcome)
    }

    /// Stores a file.
    ///
    /// # Errors
    /// When smbclient cannot be run or takes too long; a refusal is an [`Outcome`].
    pub fn put(&self, name: &str, content: &[u8]) -> Result<Outcome> {
        let scratch = scratch_dir()?;
        let local = scratch.path().join("sent");
        fs::write(&local, content).with_context(|| format!("write {}", local.display()))?;
        self.run(&format!("put \"{}\" \"{name}\"", local.display()))
    }

    /// Stores every file of a folder, in one session.
    ///
    /// # Errors
    /// When smbclient cannot be run or takes too long; a refusal is an [`Outcome`].
    pub fn put_all(&self, folder: &Path) -> Result<Outcome> {
        self.run(&format!("lcd \"{}\"; prompt off; mput *", folder.display()))
    }

    fn smbclient(&self) -> Command {
        let mut command = self.namespace.command("smbclient");
        // Without a port it also tries 139 if 445 does not answer within a few milliseconds.
        command.args(["-s", "/dev/null", "-p", &self.port.to_string()]).args(&self.options);
        match &self.login {
            Login::User(user, password) => command.args(["-U", &format!("{user}%{password}")]),
            Login::Anonymous => command.arg("-N"),
        };
        command
    }

    fn finish(&self, command: Command) -> Result<Outcome> {
        Outcome::of(Process::spawn(command)?, self.time_limit)
    }
}
