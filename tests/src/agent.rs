//! The real `smb-sensor` program, running in a namespace.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use sensor_lab::{Cgroup, Line, Namespace, Process, Scratch, Signal, poll, scratch_dir};
use sensor_user::control::{Request, ask};
use serde_json::Value;

use crate::PATIENCE;
use crate::attached::of_the_sensor;
use crate::document::{Ended, documents_of};

/// A running agent. It is killed on drop; [`stop`](Self::stop) ends it in an orderly way.
pub struct Agent {
    process: Process,
    state_dir: PathBuf,
    _scratch: Scratch,
}

/// How an agent is started.
pub struct AgentBuilder<'a> {
    namespace: &'a Namespace,
    arguments: Vec<String>,
    config: Option<String>,
    state_dir: Option<PathBuf>,
    owners_in: Option<PathBuf>,
    own_processes: bool,
    small_state: Option<u32>,
    mounts_of: Option<u32>,
    learns: bool,
    fault: Option<String>,
    name: Option<&'static str>,
    program: Option<PathBuf>,
    environment: Vec<(&'static str, String)>,
    capabilities: Option<Vec<String>>,
}

/// A user without any privilege.
const NOBODY: u32 = 65_534;

/// The result of a start that should fail.
#[derive(Debug)]
pub struct Refusal {
    /// The exit code, if it ended by itself.
    pub code: Option<i32>,
    /// Its lines on standard error, without the log.
    pub stderr: String,
}

impl Agent {
    /// An agent on `interfaces` (one, or several with commas) of `namespace`, with its own state directory.
    #[must_use]
    pub fn on<'a>(namespace: &'a Namespace, interfaces: &str) -> AgentBuilder<'a> {
        Self::without_interface(namespace).arguments(&["--iface", interfaces])
    }

    /// An agent in `namespace` without interfaces.
    #[must_use]
    pub fn without_interface(namespace: &Namespace) -> AgentBuilder<'_> {
        AgentBuilder {
            namespace,
            arguments: vec![],
            config: None,
            state_dir: None,
            owners_in: None,
            own_processes: false,
            small_state: None,
            mounts_of: None,
            learns: false,
            fault: None,
            name: None,
            program: None,
            environment: vec![],
            capabilities: None,
        }
    }

    /// The program under test: the one that `SMB_SENSOR_BIN` names, else the one built beside the tests.
    ///
    /// # Errors
    /// When there is none.
    pub fn program() -> Result<PathBuf> {
        if let Some(path) = std::env::var_os("SMB_SENSOR_BIN") {
            return Ok(path.into());
        }
        let tests = std::env::current_exe().context("cannot tell where the tests are")?;
        let beside = tests.parent().and_then(Path::parent).map(|profile| profile.join("smb-sensor"));
        beside.filter(|path| path.exists()).context(
            "smb-sensor is not built beside the tests: run `cargo build` first, or `cargo xtask test`",
        )
    }

    /// Documents written to standard output so far.
    #[must_use]
    pub fn documents(&self) -> Vec<Value> {
        self.process.stdout_lines().iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Documents after the first `known` lines of standard output, for tests that check often.
    #[must_use]
    pub fn documents_after(&self, known: usize) -> Vec<Value> {
        let lines = self.process.stdout_lines();
        lines.iter().skip(known).filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Its lines on standard error so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.stderr_lines().join("\n")
    }

    /// Waits until a document matches.
    ///
    /// # Errors
    /// If none does in time; the error shows the documents.
    pub fn wait_for(&self, fits: impl Fn(&Value) -> bool) -> Result<Value> {
        poll(PATIENCE, || self.documents().into_iter().find(|document| fits(document)))
            .with_context(|| format!("no such alert; there are {:#?}\n{}", self.documents(), self.log()))
    }

    /// Waits until its log has a line that contains `text`.
    ///
    /// # Errors
    /// When there is none in time; the error quotes the log.
    pub fn wait_for_log(&self, text: &str) -> Result<String> {
        Ok(self.log_line(text)?.text)
    }

    /// The time from a moment until its log had a line that contains `text`, however long this call waits for the line.
    ///
    /// # Errors
    /// When there is none in time; the error quotes the log.
    pub fn logged_after(&self, moment: Instant, text: &str) -> Result<Duration> {
        Ok(self.log_line(text)?.at.saturating_duration_since(moment))
    }

    fn log_line(&self, text: &str) -> Result<Line> {
        self.process.wait_for_timed_line(PATIENCE, |line| line.contains(text))
    }

    /// Waits until every output has taken the documents that were made so far. At its end an agent gives them only a few
    /// seconds.
    ///
    /// # Errors
    /// When one has not taken them in time; the error shows the log.
    pub fn wait_for_outputs(&self) -> Result<()> {
        let delivered = || {
            let answer = ask(&self.state_dir, &Request::Status).ok()?;
            let status: Value = serde_json::from_str(&answer.text).ok()?;
            let outputs = status["outputs"].as_array()?;
            let is_saved = status["store"]["unsaved"] == 0 && !outputs.is_empty();
            (is_saved && outputs.iter().all(|output| output["waiting"] == 0)).then_some(())
        };
        poll(PATIENCE, delivered).with_context(|| format!("documents wait for an output\n{}", self.log()))
    }

    /// Process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Identifiers of the sensor's kernel programs that it holds.
    ///
    /// # Errors
    /// When it has ended, or the kernel does not list its programs.
    pub fn kernel_programs(&self) -> Result<Vec<u32>> {
        let folder = format!("/proc/{}/fdinfo", self.id());
        let mut programs = Vec::new();
        for entry in fs::read_dir(&folder).with_context(|| format!("list {folder}"))? {
            // A descriptor may have been closed meanwhile.
            let description = fs::read_to_string(entry?.path()).unwrap_or_default();
            let id = description.lines().find_map(|line| line.strip_prefix("prog_id:"));
            programs.extend(id.and_then(|id| id.trim().parse::<u32>().ok()));
        }
        programs.sort_unstable();
        programs.dedup();
        of_the_sensor(&programs)
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When the signal may not be sent.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        self.process.signal(signal)
    }

    /// Ends it with SIGINT and returns all its output.
    ///
    /// # Errors
    /// As [`stop_by`](Self::stop_by).
    pub fn stop(self) -> Result<Ended> {
        self.stop_by(Signal::SIGINT)
    }

    /// Ends it with a signal and returns all its output.
    ///
    /// # Errors
    /// When it does not end in time, writes no statistics line, or a document that is against the schema.
    pub fn stop_by(mut self, signal: Signal) -> Result<Ended> {
        self.process.signal(signal)?;
        self.end()
    }

    /// The same as [`stop`](Self::stop), for an agent with much to report, which takes longer.
    ///
    /// # Errors
    /// As [`stop_by`](Self::stop_by).
    pub fn stop_within(mut self, limit: Duration) -> Result<Ended> {
        self.process.signal(Signal::SIGINT)?;
        self.end_within(limit)
    }

    /// Waits until it ends by itself, and returns all its output.
    ///
    /// # Errors
    /// When it does not end in time, or wrote what the schema does not allow.
    pub fn end(self) -> Result<Ended> {
        self.end_within(PATIENCE)
    }

    /// Waits until it ends by itself, in whatever way, and returns its exit code and its log.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn exited(mut self) -> Result<(Option<i32>, String)> {
        let status = self.process.wait(PATIENCE)?;
        Ok((status.code(), self.log()))
    }

    fn end_within(mut self, limit: Duration) -> Result<Ended> {
        let status = self.process.wait(limit)?;
        let log = self.log();
        let statistics = log
            .lines()
            .rfind(|line| line.contains("statistics:"))
            .with_context(|| format!("no statistics at the end:\n{log}"))?
            .to_owned();
        let documents = documents_of(self.process.stdout_lines().iter().map(String::as_str))?;
        Ok(Ended { documents, statistics, log, code: status.code() })
    }

    /// Kills it, like a crash, and returns when it is gone.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn kill(mut self) -> Result<()> {
        self.process.signal(Signal::SIGKILL)?;
        self.process.wait(PATIENCE)?;
        Ok(())
    }
}

impl AgentBuilder<'_> {
    /// Adds arguments.
    #[must_use]
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|one| (*one).to_owned()));
        self
    }

    /// Uses this state directory.
    #[must_use]
    pub fn state_dir(mut self, path: &Path) -> Self {
        self.state_dir = Some(path.to_owned());
        self
    }

    /// Uses a configuration file with this text.
    #[must_use]
    pub fn config(mut self, text: &str) -> Self {
        self.config = Some(text.to_owned());
        self
    }

    /// Makes it name the processes of this cgroup. By default it names none, because that would attach programs to the root of
    /// all cgroups, which has every process of the machine.
    #[must_use]
    pub fn owners_in(self, cgroup: &Cgroup) -> Self {
        self.owners_in_folder(cgroup.path())
    }

    /// The same for a folder, which may be no cgroup.
    #[must_use]
    pub fn owners_in_folder(mut self, folder: &Path) -> Self {
        self.owners_in = Some(folder.to_owned());
        self
    }

    /// Makes it learn destinations first, for the configured time. By default every new destination is rare at
    /// once.
    #[must_use]
    pub fn learning(mut self) -> Self {
        self.learns = true;
        self
    }

    /// Starts it in a PID namespace of its own, like a container; signals do not reach it then.
    #[must_use]
    pub fn in_own_pid_namespace(mut self) -> Self {
        self.own_processes = true;
        self
    }

    /// Mounts a file system of this many KiB, visible to nobody else, on its existing state directory.
    #[must_use]
    pub fn with_small_state(mut self, kibibytes: u32) -> Self {
        self.small_state = Some(kibibytes);
        self
    }

    /// Starts it with the mounts that this process sees.
    #[must_use]
    pub const fn in_mounts_of(mut self, process: u32) -> Self {
        self.mounts_of = Some(process);
        self
    }

    /// Makes one of its threads panic or hang: `panic:store-writer`, `hang:store-writer:60`.
    #[must_use]
    pub fn fault(mut self, fault: &str) -> Self {
        self.fault = Some(fault.to_owned());
        self
    }

    /// Runs it under this program name, so that it looks like another program.
    #[must_use]
    pub const fn called(mut self, name: &'static str) -> Self {
        self.name = Some(name);
        self
    }

    /// Runs another program instead of the one under test.
    #[must_use]
    pub fn program_at(mut self, path: &Path) -> Self {
        self.program = Some(path.to_owned());
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn environment(mut self, name: &'static str, value: &str) -> Self {
        self.environment.push((name, value.to_owned()));
        self
    }

    /// Runs it as a user who has these capabilities and no other privilege, such as `cap_bpf`.
    #[must_use]
    pub fn unprivileged_but(mut self, capabilities: &[String]) -> Self {
        self.capabilities = Some(capabilities.to_vec());
        self
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// If the agent does not become ready; the error shows its log.
    pub fn start(self) -> Result<Agent> {
        self.start_until("ready:")
    }

    /// Starts it and waits until its log has a line that contains `text`.
    ///
    /// # Errors
    /// If there is none in time; the error shows its log.
    pub fn start_until(self, text: &str) -> Result<Agent> {
        let agent = self.launch()?;
        if agent.wait_for_log(text).is_err() {
            bail!("the agent did not get as far as {text:?}:\n{}", agent.log());
        }
        Ok(agent)
    }

    /// Starts it and waits until it has ended by itself.
    ///
    /// # Errors
    /// If it does not end.
    pub fn refused(self) -> Result<Refusal> {
        let mut agent = self.launch()?;
        let status = agent.process.wait(PATIENCE)?;
        // Log lines begin with their time in brackets.
        let stderr: Vec<_> =
            agent.process.stderr_lines().into_iter().filter(|line| !line.starts_with('[')).collect();
        Ok(Refusal { code: status.code(), stderr: stderr.join("\n") })
    }

    fn launch(self) -> Result<Agent> {
        let scratch = scratch_dir()?;
        let mut program = self.program.map_or_else(Agent::program, Ok)?;
        // Where the program was built, another user may have no access.
        if let Some(name) = self.name.or(self.capabilities.is_some().then_some("smb-sensor")) {
            let copy = scratch.path().join(name);
            fs::copy(&program, &copy).context("copy the program")?;
            program = copy;
        }
        let state_dir = self.state_dir.unwrap_or_else(|| scratch.path().join("state"));
        let mut command = match (self.own_processes, self.small_state) {
            _ if self.capabilities.is_some() => {
                fs::create_dir_all(&state_dir)?;
                for (folder, mode) in [(scratch.path(), 0o711), (&state_dir, 0o700)] {
                    fs::set_permissions(folder, fs::Permissions::from_mode(mode))?;
                }
                chown(&state_dir, Some(NOBODY), Some(NOBODY))?;
                let listed: Vec<_> =
                    self.capabilities.iter().flatten().map(|one| format!("+{one}")).collect();
                let (listed, user) = (listed.join(","), NOBODY.to_string());
                let mut command = self.namespace.command("setpriv");
                command.args(["--reuid", &user, "--regid", &user, "--clear-groups", "--no-new-privs"]);
                command.arg(format!("--bounding-set=-all,{listed}"));
                command.arg(format!("--inh-caps=-all,{listed}")).arg(format!("--ambient-caps=-all,{listed}"));
                command.arg(program);
                command
            }
            (true, _) => self.namespace.tree_command(program),
            (false, None) => match self.mounts_of {
                None => self.namespace.command(program),
                Some(process) => {
                    let mut command = self.namespace.command("nsenter");
                    command.args(["--mount", "--target", &process.to_string(), "--"]).arg(program);
                    command
                }
            },
            (false, Some(kibibytes)) => {
                let mut command = self.namespace.command("unshare");
                let mount = format!("mount -t tmpfs -o size={kibibytes}k smb-sensor \"$0\" && exec \"$@\"");
                command.args(["--mount", "--", "sh", "-c", &mount]).arg(&state_dir).arg(program);
                command
            }
        };
        if let Some(fault) = &self.fault {
            command.env("SMB_SENSOR_FAULT", fault);
        }
        command.envs(self.environment);
        command.arg("run").arg("--state-dir").arg(&state_dir).args(&self.arguments);
        if !self.learns {
            command.args(["--learning-hours", "0"]);
        }
        let mut config = self.config;
        match self.owners_in {
            Some(folder) => {
                let section = format!("\n[process]\ncgroup = \"{}\"\n", folder.display());
                config = Some(config.unwrap_or_default() + &section);
            }
            None => {
                command.args(["--attribution", "off"]);
            }
        }
        if let Some(text) = config {
            let path = scratch.path().join("smb-sensor.toml");
            fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
            command.arg("--config").arg(path);
        }
        Ok(Agent { process: Process::spawn(command)?, state_dir, _scratch: scratch })
    }
}
