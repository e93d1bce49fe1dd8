//! `smb-sensor`: the command line of the agent.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser;
use sensor_user::{
    agent, check,
    cli::{Cli, Command, EnforceArgs, ReplayArgs, RunArgs},
    config::Config,
    control, exempt, explain, listing, replay, stdout,
};

fn main() -> ExitCode {
    let cli = Cli::parse();
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info"))
        .format_target(false)
        .init();
    let result = match cli.command {
        Command::Run(args) => run(&args),
        Command::Replay(args) => replay(&args),
        Command::Enforce(args) => enforce(&args),
        Command::Exempt(args) => exempt::run(&args),
        Command::Explain(args) => explain::command::run(&args.order()),
        Command::Alerts(args) => listing::run(&args.wanted(), args.json, &args.state_dir),
        Command::Check(args) => check::run(&args.interfaces, args.config.as_deref(), args.json),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("smb-sensor: {}", told_once(&error));
            ExitCode::FAILURE
        }
    }
}

fn run(args: &RunArgs) -> Result<ExitCode> {
    let overrides = args.overrides();
    let load = |bad_threat_list| {
        Config::load_with(args.config.as_deref(), &overrides, bad_threat_list)?.with_added()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the asynchronous runtime")?;
    runtime.block_on(agent::run(load))?;
    Ok(ExitCode::SUCCESS)
}

fn replay(args: &ReplayArgs) -> Result<ExitCode> {
    let config = Config::load(args.config.as_deref(), &args.overrides())?;
    replay::run(&args.order(), &config)
}

fn enforce(args: &EnforceArgs) -> Result<ExitCode> {
    let answer = control::ask(&args.state_dir, &args.request())?;
    stdout::write(|out| writeln!(out, "{}", answer.told))?;
    Ok(if answer.done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The error and its causes, leaving out a cause that the words before already tell.
fn told_once(error: &anyhow::Error) -> String {
    let mut told = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !told.contains(&cause) {
            told = format!("{told}: {cause}");
        }
    }
    told
}
