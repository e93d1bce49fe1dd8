//! `smb-sensor check` tries outputs and sends nothing.

use std::fs;

use sensor_lab::{Topology, require_lab, scratch_dir};
use sensor_tests::Agent;

#[test]
fn check_says_for_each_output_whether_it_can_be_used_and_shows_no_secret() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let scratch = scratch_dir().unwrap();
    let [config, url, made] = ["smb-sensor.toml", "url", "made.json"].map(|name| scratch.path().join(name));
    fs::write(&url, "http://127.0.0.1:1/T0KEN\n").unwrap();
    let template = scratch.path().join("body.j2");
    fs::write(&template, "{\"id\": {{ id }},\n\"rule\": {{ document.rule.name }}}\n").unwrap();
    let text = format!(
        "state_dir = {:?}\n[process]\nattribution = \"off\"\n\
         [[output]]\ntype = \"file\"\npath = {made:?}\n\
         [[output]]\ntype = \"syslog\"\nserver = \"127.0.0.1:1\"\n\
         [[output]]\ntype = \"webhook\"\nname = \"chat\"\nurl_file = \"url\"\n\
         [[output]]\ntype = \"otlp\"\nurl = \"http://127.0.0.1:1/v1/logs\"\nheaders.Authorization = {{ env = \"NOT_SET\" }}\n\
         [[output]]\ntype = \"webhook\"\nname = \"cards\"\nurl = \"http://127.0.0.1:1/\"\ntemplate_file = \"body.j2\"\n",
        scratch.path()
    );
    fs::write(&config, text).unwrap();
    let mut command = border.gateway().command(Agent::program().unwrap());
    let output = command.arg("check").arg("--config").arg(&config).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = text.lines().filter(|line| line.contains(" output ")).collect();
    for (line, state, words) in [
        (lines[0], "ok", "file: ".to_owned() + &made.display().to_string() + " can be made"),
        (lines[1], "missing", "syslog: 127.0.0.1:1 cannot be reached".to_owned()),
        (lines[2], "missing", "chat: 127.0.0.1:1 cannot be reached".to_owned()),
        (lines[3], "missing", "otlp: the variable NOT_SET is empty, not set".to_owned()),
        (
            lines[4],
            "missing",
            format!(
                "cards: {}, line 2: document.rule.name is not a value of a template; write rule.name",
                template.display()
            ),
        ),
    ] {
        assert!(line.starts_with(state) && line.contains(&words), "{state} {words}: {text}");
    }
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(!made.exists() && !(text + &log).contains("T0KEN"), "{log}");
}
