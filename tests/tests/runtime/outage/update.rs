//! Another version of the agent replaces the last one.

use std::fs;

use aya::maps::{Array, Map, MapData};
use sensor_lab::require_lab;
use sensor_tests::{Agent, attached, has_finding};
use sensor_user::kernel::{object::OBJECT, pins::PinFolder};

use super::{CONTINUED, Stage};

/// A byte of an ELF file that means nothing (the last of EI_PAD).
const UNUSED_BYTE: usize = 15;

/// The program under test with another kernel object, which does the same.
fn other_version(stage: &Stage) -> std::path::PathBuf {
    let mut program = fs::read(Agent::program().unwrap()).unwrap();
    let at = program
        .windows(OBJECT.len())
        .position(|bytes| bytes == OBJECT)
        .expect("the object is in the program");
    program[at + UNUSED_BYTE] ^= 1;
    let path = stage.scratch.path().join("smb-sensor");
    fs::write(&path, program).unwrap();
    let mut permissions = fs::metadata(&path).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o755);
    fs::set_permissions(&path, permissions).unwrap();
    path
}

#[test]
fn no_connection_is_lost_or_counted_twice_over_an_update() {
    require_lab!(Network);
    let stage = Stage::new();
    let other = other_version(&stage);
    // The other version, the first one again, and the other one.
    let begin = |round| match round {
        1 => stage.start(),
        _ => stage.agent().program_at(&other).start().unwrap(),
    };
    super::connections_of_outages(
        &stage,
        |agent| agent.kill().unwrap(),
        begin,
        "are replaced, and their maps stay",
    );
}

#[test]
fn maps_of_another_size_are_read_before_they_go() {
    require_lab!(Network);
    let stage = Stage::new();
    let begin = |round| {
        let slots = if round == 1 { 4_096 } else { 8_192 };
        let config = format!("{}\n[kernel]\nflow_slots = {slots}\n", stage.config);
        stage.agent().config(&config).start().unwrap()
    };
    let wanted = "of the earlier kernel program";
    super::connections_of_outages(&stage, |agent| agent.kill().unwrap(), begin, wanted);
}

#[test]
fn program_of_another_abi_gives_way() {
    require_lab!(Network);
    let stage = Stage::new();
    stage.start().kill().unwrap();
    let before = attached(stage.border.gateway(), "lan0").unwrap();
    let folder = PinFolder::of(stage.bpffs.path(), &stage.state());
    let about = MapData::from_pin(folder.path().join("about")).and_then(Map::from_map_data).unwrap();
    const LEN: usize = size_of::<sensor_user::kernel::pins::About>();
    let mut about: Array<MapData, [u8; LEN]> = about.try_into().unwrap();
    let mut bytes = about.get(&0, 0).unwrap();
    bytes[0] ^= 1;
    about.set(0, bytes, 0).unwrap();
    stage.connect(3);

    let agent = stage.start();
    assert!(agent.log().contains("belongs to another version"), "{}", agent.log());
    assert_eq!(attached(stage.border.gateway(), "lan0").unwrap(), before, "each program once");
    stage.connect(1);
    agent.wait_for(has_finding("smb-to-internet", "smb")).unwrap();
    agent.kill().unwrap();
    let agent = stage.start();
    agent.wait_for_log(CONTINUED).unwrap();
    agent.stop().unwrap();
}
