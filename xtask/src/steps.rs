//! One line per step of a task: what is done, and how long it took. The output of the programs that a step runs goes to a log
//! file, which is named when the step fails.
//!
//! On a terminal a spinner shows the last line of that output while the step runs. Elsewhere nothing moves.

use std::{
    cell::RefCell,
    collections::VecDeque,
    fs::{self, File},
    io::{self, BufRead, BufReader, IsTerminal, Write},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cargo::target_dir;

/// Lines of a failed program's output that are shown beside the name of the log.
const LAST_LINES: usize = 15;

/// Time between two pictures of the spinner.
const TICK: Duration = Duration::from_millis(100);

/// The steps of one task.
pub(crate) struct Steps {
    log_path: PathBuf,
    log: RefCell<File>,
    terminal: bool,
}

impl Steps {
    /// Begins a task with an empty log, `<target folder>/xtask/<task>.log`.
    pub(crate) fn begin(task: &str) -> anyhow::Result<Self> {
        let folder = target_dir()?.join("xtask");
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        let path = folder.join(format!("{task}.log"));
        let log = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
        Ok(Self::with_log(path, log))
    }

    /// Continues a task that another process began, in that process's log.
    pub(crate) fn resume(log: &Path) -> anyhow::Result<Self> {
        let file = File::options()
            .append(true)
            .open(log)
            .with_context(|| format!("opening the log {}", log.display()))?;
        Ok(Self::with_log(log.to_owned(), file))
    }

    fn with_log(log_path: PathBuf, log: File) -> Self {
        Self { log_path, log: RefCell::new(log), terminal: io::stdout().is_terminal() }
    }

    /// Where the output of programs goes.
    pub(crate) fn log_path(&self) -> &Path {
        &self.log_path
    }

    /// Runs one step. Its line ends with the time that it took.
    ///
    /// # Errors
    /// Those of `work`.
    pub(crate) fn run<T>(
        &self,
        name: &str,
        work: impl FnOnce(&Step<'_>) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let started = Instant::now();
        writeln!(self.log.borrow_mut(), "\n== {name}").context("writing the log")?;
        let step = Step { steps: self, bar: self.terminal.then(|| spinner(name)) };
        if !self.terminal {
            print!("{name} …");
            io::stdout().flush().context("writing to standard output")?;
        }
        let outcome = work(&step);
        let took = duration(started.elapsed());
        match (&step.bar, &outcome) {
            (Some(bar), outcome) => {
                bar.finish_and_clear();
                let mark = if outcome.is_ok() { "\x1b[32m✓\x1b[0m" } else { "\x1b[31m✗\x1b[0m" };
                println!("{mark} {name}  \x1b[2m{took}\x1b[0m");
            }
            (None, Ok(_)) => println!(" {took}"),
            (None, Err(_)) => println!(" failed after {took}"),
        }
        outcome
    }
}

fn spinner(name: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout());
    if let Ok(style) =
        ProgressStyle::with_template("{spinner:.cyan} {prefix}  {elapsed:.dim}  {wide_msg:.dim}")
    {
        bar.set_style(style);
    }
    bar.set_prefix(name.to_owned());
    bar.enable_steady_tick(TICK);
    bar
}

/// A step that is running.
pub(crate) struct Step<'a> {
    steps: &'a Steps,
    bar: Option<ProgressBar>,
}

impl Step<'_> {
    /// Shows what the step does at the moment; it appears on a terminal only.
    pub(crate) fn show(&self, detail: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(plain(detail));
        }
    }

    /// Writes a line to the log.
    pub(crate) fn log(&self, line: &str) -> anyhow::Result<()> {
        let path = &self.steps.log_path;
        writeln!(self.steps.log.borrow_mut(), "{line}").with_context(|| format!("writing {}", path.display()))
    }

    /// Does something that needs the terminal for itself, such as asking for a password.
    pub(crate) fn with_terminal<T>(&self, work: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(work),
            None => work(),
        }
    }

    /// Runs a program to its end and passes each line of its output to `on_line`, which says whether the log is to hold it.
    ///
    /// # Errors
    /// If the program cannot be started or read.
    pub(crate) fn lines(
        &self,
        command: &mut Command,
        mut on_line: impl FnMut(&str) -> bool,
    ) -> anyhow::Result<ExitStatus> {
        let program = words(command);
        self.log(&format!("$ {program}"))?;
        let (reader, writer) = io::pipe().context("making a pipe")?;
        let second = writer.try_clone().context("making a pipe")?;
        let spawned = command.stdin(Stdio::null()).stdout(writer).stderr(second).spawn();
        // The command keeps its ends of the pipe otherwise, and the reading would never end.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = spawned.with_context(|| format!("running {program}"))?;
        for line in BufReader::new(reader).split(b'\n') {
            let line = line.with_context(|| format!("reading the output of {program}"))?;
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end();
            if on_line(line) {
                self.show(line);
                self.log(line)?;
            }
        }
        child.wait().with_context(|| format!("waiting for {program}"))
    }

    /// Runs a program to its end, its output going to the log.
    ///
    /// # Errors
    /// If it cannot be run or does not succeed; then with the last lines of its output and the name of the log.
    pub(crate) fn command(&self, command: &mut Command) -> anyhow::Result<()> {
        self.command_with(command, |_| true)
    }

    /// Like [`Step::command`], with each line of output passed to `on_line` first, as [`Step::lines`] does.
    ///
    /// # Errors
    /// Those of [`Step::command`].
    pub(crate) fn command_with(
        &self,
        command: &mut Command,
        mut on_line: impl FnMut(&str) -> bool,
    ) -> anyhow::Result<()> {
        let mut last: VecDeque<String> = VecDeque::with_capacity(LAST_LINES);
        let status = self.lines(command, |line| {
            let logged = on_line(line);
            if logged {
                if last.len() == LAST_LINES {
                    last.pop_front();
                }
                last.push_back(plain(line));
            }
            logged
        })?;
        if status.success() {
            return Ok(());
        }
        let log = self.steps.log_path.display();
        let last: String = last.iter().map(|line| format!("\n  {line}")).collect();
        bail!("{} failed ({status}). Its whole output is in {log}; it ends with:{last}", words(command));
    }
}

/// A program and its arguments, as one would type them.
fn words(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    // A whole script would hide the message, so only its first line is shown.
    let words = words.map(|word| match word.to_string_lossy().split_once('\n') {
        Some((first, _)) => format!("'{first} …'"),
        None => word.to_string_lossy().into_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// A line without the sequences and characters that move a terminal's cursor.
fn plain(line: &str) -> String {
    let mut rest = line.chars();
    let mut plain = String::with_capacity(line.len());
    while let Some(character) = rest.next() {
        if character == '\x1b' {
            let _ = rest.by_ref().skip(1).find(|end| ('@'..='~').contains(end));
        } else if !character.is_control() {
            plain.push(character);
        } else if character == '\t' {
            plain.push(' ');
        }
    }
    plain
}

/// `0.4 s`, `12 s`, `3 min 24 s`.
fn duration(time: Duration) -> String {
    match time.as_secs() {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        seconds @ 10..60 => format!("{seconds} s"),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps with a log in a folder that goes with the returned value.
    fn steps() -> (Steps, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.log");
        let log = File::create(&path).unwrap();
        (Steps { log_path: path, log: RefCell::new(log), terminal: false }, folder)
    }

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn output_of_both_streams_goes_to_the_log() {
        let (steps, _folder) = steps();
        steps.run("Speak", |step| step.command(&mut shell("echo out; echo err >&2"))).unwrap();
        let log = fs::read_to_string(steps.log_path()).unwrap();
        assert!(log.contains("== Speak") && log.contains("\nout\nerr\n"), "{log}");
    }

    #[test]
    fn failure_names_the_log_and_shows_the_last_lines() {
        let (steps, _folder) = steps();
        let failing = "for i in $(seq 1 30); do echo line $i; done; exit 3";
        let error = steps.run("Fail", |step| step.command(&mut shell(failing))).unwrap_err().to_string();
        assert!(error.contains(&steps.log_path().display().to_string()), "{error}");
        assert!(error.contains("exit status: 3"), "{error}");
        assert!(
            error.contains("line 30") && error.contains("line 16\n") && !error.contains("line 15\n"),
            "{error}"
        );
    }

    #[test]
    fn does_not_log_a_refused_line() {
        let (steps, _folder) = steps();
        let work = |step: &Step<'_>| step.lines(&mut shell("echo keep; echo drop"), |line| line == "keep");
        assert!(steps.run("Filter", work).unwrap().success());
        let log = fs::read_to_string(steps.log_path()).unwrap();
        assert!(log.contains("\nkeep\n") && !log.contains("\ndrop\n"), "{log}");
    }

    #[test]
    fn resumed_log_keeps_its_content() {
        let (steps, _folder) = steps();
        steps.run("First", |_| Ok(())).unwrap();
        Steps::resume(steps.log_path()).unwrap().run("Second", |_| Ok(())).unwrap();
        let log = fs::read_to_string(steps.log_path()).unwrap();
        assert!(log.contains("== First") && log.contains("== Second"), "{log}");
    }

    #[test]
    fn control_sequences_do_not_reach_the_terminal() {
        assert_eq!(plain("\x1b[1;32m   Compiling\x1b[0m a\tb\r"), "   Compiling a b");
    }

    #[test]
    fn rounds_times_to_their_size() {
        let texts = [400, 12_300, 204_000].map(|millis| duration(Duration::from_millis(millis)));
        assert_eq!(texts, ["0.4 s", "12 s", "3 min 24 s"]);
    }
}
