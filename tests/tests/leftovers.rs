//! Nothing stays behind when the process that started an agent is killed.

use std::env;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use sensor_lab::{Process, Signal, Topology, poll, require_lab};
use sensor_tests::{Agent, PATIENCE, still_loaded};

/// Set in the process that is going to be killed.
const OWNER: &str = "SENSOR_TESTS_KILLED_OWNER";
const MYSELF: &str = "killed_test_leaves_no_agent_and_no_kernel_program";

/// Time in which it is killed; it ends by itself then.
const KILLED_WITHIN: Duration = Duration::from_secs(60);

#[test]
fn killed_test_leaves_no_agent_and_no_kernel_program() {
    require_lab!(Network);
    if env::var_os(OWNER).is_some() {
        own_until_killed();
        return;
    }
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", MYSELF, "--nocapture"]).env(OWNER, "1");
    let mut owner = Process::spawn(command).unwrap();
    let report = owner.wait_for_line(4 * PATIENCE, |line| line.starts_with("OWNED ")).unwrap();
    let mut numbers = report.split(' ').skip(1).map(|number| number.parse::<u32>().unwrap());
    let agent = format!("/proc/{}", numbers.next().unwrap());
    let programs: Vec<u32> = numbers.collect();
    assert!(programs.len() >= 3, "{report}");
    assert!(Path::new(&agent).exists());
    assert_eq!(still_loaded(&programs, Duration::ZERO).unwrap(), programs);

    owner.signal(Signal::SIGKILL).unwrap();
    owner.wait(PATIENCE).unwrap();
    let gone = poll(PATIENCE, || (!Path::new(&agent).exists()).then_some(()));
    assert!(gone.is_some(), "the agent is still there: {agent}");
    assert_eq!(still_loaded(&programs, PATIENCE).unwrap(), [0; 0]);
}

/// The work of the process that the test above starts and kills.
fn own_until_killed() {
    let Ok(border) = Topology::border() else { return };
    let Ok(agent) = Agent::on(border.gateway(), "lan0").start() else {
        return;
    };
    let Ok(programs) = agent.kernel_programs() else {
        return;
    };
    let programs: Vec<String> = programs.iter().map(u32::to_string).collect();
    eprintln!("OWNED {} {}", agent.id(), programs.join(" "));
    thread::sleep(KILLED_WITHIN);
}
