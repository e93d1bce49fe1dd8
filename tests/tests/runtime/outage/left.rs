//! Programs and pins that an agent leaves: which agent may use them, and how they are removed.

use std::process::Output;

use sensor_lab::require_lab;
use sensor_tests::{Agent, attached};
use sensor_user::kernel::pins::PinFolder;

use super::{CONTINUED, Stage};

/// `smb-sensor detach` with these further arguments.
fn detach(stage: &Stage, arguments: &[&str]) -> (Output, String) {
    let mut command = stage.border.gateway().command(Agent::program().unwrap());
    command.arg("detach").arg("--pin-directory").arg(stage.bpffs.path()).args(arguments);
    let output = command.output().unwrap();
    let text = [&*output.stdout, &output.stderr].concat();
    (output, String::from_utf8(text).unwrap())
}

fn is_attached(stage: &Stage) -> bool {
    !attached(stage.border.gateway(), "lan0").unwrap().is_empty()
}

#[test]
fn detach_names_what_it_removes_and_spares_a_running_agent() {
    require_lab!(Network);
    let stage = Stage::new();
    let agent = stage.start();
    let (output, text) = detach(&stage, &[]);
    assert!(!output.status.success() && text.contains(&format!("(process {})", agent.id())), "{text}");
    agent.kill().unwrap();
    assert!(is_attached(&stage));
    let (output, text) = detach(&stage, &["--iface", "lan0"]);
    assert!(output.status.success() && text.contains("program of lan0"), "{text}");
    assert!(!is_attached(&stage), "{text}");
    let (output, text) = detach(&stage, &[]);
    assert!(output.status.success() && text.contains("removed the maps and programs in"), "{text}");
    assert_eq!(PinFolder::all(stage.bpffs.path()).unwrap(), []);
    let (output, text) = detach(&stage, &[]);
    assert!(output.status.success() && text.contains("nothing is left attached"), "{text}");
}

#[test]
fn pins_of_an_interface_that_is_gone_are_named_and_removed() {
    require_lab!(Network);
    let stage = Stage::new();
    stage.start().kill().unwrap();
    stage.border.gateway().ip("link delete lan0").unwrap();
    let (output, text) = detach(&stage, &[]);
    assert!(output.status.success() && text.contains("which is gone"), "{text}");
    assert_eq!(PinFolder::all(stage.bpffs.path()).unwrap(), []);
}

#[test]
fn agent_that_is_to_detach_continues_and_leaves_nothing() {
    require_lab!(Network);
    let stage = Stage::new();
    stage.start().kill().unwrap();
    let agent = stage.agent().arguments(&["--detach-on-exit"]).start().unwrap();
    agent.wait_for_log(CONTINUED).unwrap();
    assert_eq!(agent.stop().unwrap().code, Some(0));
    assert!(!is_attached(&stage));
    assert_eq!(PinFolder::all(stage.bpffs.path()).unwrap(), []);
}

#[test]
fn other_agent_is_refused_where_something_was_left() {
    require_lab!(Network);
    let stage = Stage::new();
    stage.start().kill().unwrap();
    let refusal = Agent::on(stage.border.gateway(), "lan0").refused().unwrap();
    assert!(refusal.stderr.contains("smb-sensor detach --iface lan0"), "{refusal:?}");
    assert!(is_attached(&stage));
}

#[test]
fn interface_that_is_not_watched_any_more_is_left() {
    require_lab!(Network);
    let stage = Stage::new();
    stage.start().kill().unwrap();
    let agent = Agent::on(stage.border.gateway(), "wan0")
        .state_dir(&stage.state())
        .config(&stage.config)
        .start()
        .unwrap();
    agent.wait_for_log("program of lan0: it is not watched there any more").unwrap();
    assert!(!is_attached(&stage));
    assert_eq!(attached(stage.border.gateway(), "wan0").unwrap().len(), 2);
    agent.stop().unwrap();
}

#[test]
fn pins_that_are_of_no_use_are_replaced() {
    require_lab!(Network);
    let stage = Stage::new();
    let before = |what: &str| {
        stage.start().kill().unwrap();
        let folder = PinFolder::of(stage.bpffs.path(), &stage.state());
        std::fs::remove_file(folder.path().join(what)).unwrap();
        stage.start()
    };
    let agent = before("maps/SLOTS");
    assert!(agent.log().contains("are of no use and are removed"), "{}", agent.log());
    agent.kill().unwrap();
    let agent = before("about");
    assert!(agent.log().contains("are incomplete and are removed"), "{}", agent.log());
    assert_eq!(attached(stage.border.gateway(), "lan0").unwrap().len(), 2);
    agent.kill().unwrap();
    let agent = stage.start();
    agent.wait_for_log(CONTINUED).unwrap();
    agent.stop().unwrap();
}
