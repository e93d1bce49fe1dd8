//! `smb-sensor`: the command line of the agent.

use std::{path::Path, process::ExitCode, time::Duration};

use anyhow::{Context as _, Result};
use clap::Parser;
use clap_complete::CompleteEnv;
use sensor_user::{
    agent, alerts, check,
    cli::{self, Cli, Command, ReplayArgs, RunArgs},
    completion,
    config::Config,
    control::{self, Request},
    detach,
    exempt::{self, with_added},
    exposure, fleet, init, manual, replay, report,
    runtime::logging,
    status::{self, NoStatus},
    stdout, top,
};

/// Time that tasks of the agent have for their end after its own.
const LAST_TASKS: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    CompleteEnv::with_factory(completion::command).complete();
    let cli = Cli::parse();
    let log = logging::start();
    let result = match cli.command {
        Command::Run(args) => run(&args, &log),
        Command::Replay(args) => replay(&args),
        Command::Enforce(args) => ask(&args.state_dir, &args.request()),
        Command::Block(args) => args.request().and_then(|request| ask(&args.state_dir, &request)),
        Command::Unblock(args) => args.request().and_then(|request| ask(&args.state_dir, &request)),
        Command::Detach(args) => detach::run(&args),
        Command::Alerts(args) => alerts::run(&args),
        Command::Exempt(args) => exempt::run(&args),
        Command::Exposure(args) => exposure::run(&args),
        Command::Fleet(args) => fleet::run(&args),
        Command::Explain(args) => cli::explain::run(&args.request()),
        Command::Init(args) => init::run(&args),
        Command::Manual(args) => manual::write(&args.directory).map(|()| ExitCode::SUCCESS),
        Command::Report(args) => report::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Top(args) => top::run(&args),
        Command::Check(args) => check::run(&args),
    };
    match result {
        Ok(code) => {
            log.flush();
            code
        }
        Err(error) => {
            log.last_line(&format!("smb-sensor: {}", in_one_line(&error)));
            error.downcast_ref().map_or(ExitCode::FAILURE, NoStatus::exit_code)
        }
    }
}

fn run(args: &RunArgs, log: &logging::Log) -> Result<ExitCode> {
    let (path, overrides) = (args.config.clone(), args.overrides());
    let load =
        move |bad_threat_list| with_added(Config::load_with(path.as_deref(), &overrides, bad_threat_list)?);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the asynchronous runtime")?;
    let outcome = runtime.block_on(agent::run(load, log));
    // What a blocking thread of it still waits for holds up the end for a moment only.
    runtime.shutdown_timeout(LAST_TASKS);
    outcome.map(|()| ExitCode::SUCCESS)
}

fn replay(args: &ReplayArgs) -> Result<ExitCode> {
    let config = Config::load(args.config.as_deref(), &args.overrides())?;
    replay::run(&args.options(), &config)
}

/// Asks the running agent, and writes its answer.
fn ask(state_dir: &Path, request: &Request) -> Result<ExitCode> {
    let answer = control::ask(state_dir, request)?;
    stdout::write(|out| writeln!(out, "{}", answer.text))?;
    Ok(if answer.done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The error and its causes, without a cause that the text before already contains.
fn in_one_line(error: &anyhow::Error) -> String {
    let mut line = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !line.contains(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    line
}
