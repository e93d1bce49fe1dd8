//! The forms of the page: explain, exempt, and verdict.

use std::{fs, path::Path, process::Command};

use sensor_lab::{Namespace, Topology, curl, poll, require_lab, scratch_dir};
use sensor_tests::{Agent, Browser, PATIENCE};

use crate::{
    CONFIG, converse,
    http::{get, wait_for},
};

pub(crate) const ORIGIN: &str = "http://127.0.0.1:9645";

/// The incident of one connection, by its identifier.
pub(crate) fn incident(border: &Topology) -> String {
    converse(border).unwrap();
    let list =
        wait_for(border.gateway(), "/incidents", PATIENCE, |answer| answer.body.contains("/incidents/"));
    list.unwrap().body.split("/incidents/").nth(1).unwrap().chars().take(16).collect()
}

/// The answer to a form, such as `ID/exempt`: the page, then its status.
fn post(namespace: &Namespace, form: &str, origin: &str, fields: &[(&str, &str)]) -> String {
    let (origin, url) = (format!("Origin: {origin}"), format!("{ORIGIN}/incidents/{form}"));
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut arguments = vec!["--write-out", "status %{http_code}", "--header", &origin, &url];
    for field in &fields {
        arguments.extend(["--data-urlencode", field]);
    }
    curl(namespace, &arguments).unwrap().output
}

fn added(state: &Path) -> String {
    fs::read_to_string(state.join("exemptions.toml")).unwrap_or_default()
}

/// Waits until a page with this title is loaded.
fn wait_for_page(browser: &mut Browser, title: &str) {
    // The title is there before the rest of the page.
    let loaded = "document.readyState === 'complete' && document.title";
    poll(PATIENCE, || browser.evaluate(loaded).ok().filter(|found| found == title)).unwrap();
}

#[test]
fn explanation_is_that_of_the_command() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let state = scratch_dir().unwrap();
    let agent = Agent::on(border.gateway(), "lan0").config(CONFIG).state_dir(state.path()).start().unwrap();
    let page = wait_for(border.gateway(), "/explain?client=10.0.0.2&server=8.8.4.4", PATIENCE, |answer| {
        answer.status == 200
    });
    let page = page.unwrap().body;
    assert!(page.contains("10.0.0.2 to 8.8.4.4, port 445: an incident by smb-to-internet"), "{page}");
    let mut command = Command::new(Agent::program().unwrap());
    command.args(["explain", "10.0.0.2", "8.8.4.4", "--state-dir"]).arg(state.path());
    let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
    assert!(text.lines().count() > 10, "{text}");
    // The first line says who was asked.
    for line in text.lines().skip(1).filter(|line| !line.contains(['<', '>', '&', '"', '\''])) {
        assert!(page.contains(line), "no {line:?} in\n{page}");
    }
    let wrong = get(border.gateway(), "/explain?client=10.0.0.2&server=8.8.4.4&port=99999").unwrap();
    assert_eq!(wrong.status, 422);
    assert!(wrong.body.contains("Port: not a port"), "{}", wrong.body);
    agent.stop().unwrap();
}

#[test]
fn exemption_is_added_in_a_browser_without_scripts() {
    require_lab!(Browser);
    let border = Topology::border().unwrap();
    let state = scratch_dir().unwrap();
    let config = format!("{CONFIG}exempt_form = true\n");
    let agent = Agent::on(border.gateway(), "lan0").config(&config).state_dir(state.path()).start().unwrap();
    let id = incident(&border);
    let mut browser = Browser::start(border.gateway()).unwrap();
    browser.run_scripts(false).unwrap();
    browser.open(&format!("{ORIGIN}/incidents/{id}")).unwrap();
    let fill = "(() => { const form = document.forms[0]; form.reason.value = 'nightly <copy>'; \
                form.who.value = 'Ada'; form.until.value = '2200-01-01'; form.querySelector('button').click(); return 1 })()";
    browser.evaluate(fill).unwrap();
    wait_for_page(&mut browser, "Exempt · smb-sensor");
    let text = browser.evaluate("document.querySelector('main').textContent").unwrap();
    assert!(text.as_str().unwrap().contains("in force"), "{text}");
    let complaints = browser.complaints().unwrap();
    assert_eq!(complaints, [""; 0]);
    let written = added(state.path());
    for part in [
        "reason = \"nightly <copy>\"",
        "added_by = \"Ada\"",
        "source = [\"10.0.0.2\"]",
        "expires = \"2200-01-02",
    ] {
        assert!(written.contains(part), "no {part} in {written}");
    }
    let mut command = Command::new(Agent::program().unwrap());
    command.args(["exempt", "list", "--state-dir"]).arg(state.path());
    let list = String::from_utf8(command.output().unwrap().stdout).unwrap();
    assert!(list.contains("nightly <copy>"), "{list}");
    // The agent has applied it.
    converse(&border).unwrap();
    let exempted = "\nsmb_sensor_exempted_connections_total 1\n";
    wait_for(border.gateway(), "/metrics", PATIENCE, |answer| answer.body.contains(exempted)).unwrap();
    agent.stop().unwrap();
}

#[test]
fn forms_of_others_and_with_mistakes_change_nothing() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let gateway = border.gateway();
    let state = scratch_dir().unwrap();
    let config = format!("{CONFIG}exempt_form = true\n");
    let agent = Agent::on(gateway, "lan0").config(&config).state_dir(state.path()).start().unwrap();
    let id = incident(&border);
    let page = get(gateway, &format!("/incidents/{id}")).unwrap().body;
    let token = page.split("name=\"token\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let form = format!("{id}/exempt");
    let good =
        [("token", token), ("source", "10.0.0.2"), ("reason", "copy"), ("who", "Ada"), ("until", "1d")];
    for (origin, fields, status, words) in [
        ("http://evil.example", good.to_vec(), 403, "not sent from a page of this sensor"),
        ("null", good.to_vec(), 403, "not sent from a page of this sensor"),
        (ORIGIN, good[1..].to_vec(), 403, "older than the agent"),
        (ORIGIN, vec![good[0], good[1], good[2], ("who", " ")], 422, "Who: write your name"),
        (ORIGIN, vec![good[0], good[1], good[2]], 422, "Who: write your name"),
        (ORIGIN, vec![good[0], good[1], good[3]], 422, "Why: "),
        (ORIGIN, vec![good[0], good[1], good[2], good[3], ("until", "soon")], 422, "--expires"),
        (ORIGIN, vec![good[0], good[2], good[3]], 422, "covers everything"),
        (ORIGIN, vec![good[0], good[2], good[3], ("service", "ftp")], 422, "Services: "),
        (ORIGIN, vec![good[0], ("reason", &"x".repeat(20_000))], 413, ""),
    ] {
        let answer = post(gateway, &form, origin, &fields);
        assert!(
            answer.ends_with(&format!("status {status}")) && answer.contains(words),
            "{fields:?}: {answer}"
        );
        assert_eq!(added(state.path()), "", "{fields:?}");
    }
    assert!(
        post(gateway, "0000000000000000/exempt", ORIGIN, &good).ends_with("status 403"),
        "the token is of another incident"
    );
    assert!(post(gateway, &form, ORIGIN, &good).ends_with("status 200"));
    assert!(added(state.path()).contains("added_by = \"Ada\""));
    let twice = post(gateway, &form, ORIGIN, &good);
    assert!(twice.ends_with("status 422") && twice.contains("already"), "{twice}");
    agent.stop().unwrap();

    let agent = Agent::on(gateway, "lan0").config(CONFIG).state_dir(state.path()).start().unwrap();
    let page =
        wait_for(gateway, &format!("/incidents/{id}"), PATIENCE, |answer| answer.status == 200).unwrap();
    assert!(!page.body.contains("<form class=\"exempt\""), "it is off by default");
    let refused = post(gateway, &form, ORIGIN, &good);
    assert!(refused.ends_with("status 403") && refused.contains("exempt_form"), "{refused}");
    agent.stop().unwrap();
}

#[test]
fn verdict_is_given_in_a_browser_without_scripts_and_leads_to_the_exemption() {
    require_lab!(Browser);
    let border = Topology::border().unwrap();
    let state = scratch_dir().unwrap();
    let config = format!("{CONFIG}exempt_form = true\nverdict_form = true\n");
    let agent = Agent::on(border.gateway(), "lan0").config(&config).state_dir(state.path()).start().unwrap();
    let id = incident(&border);
    let mut browser = Browser::start(border.gateway()).unwrap();
    browser.run_scripts(false).unwrap();
    browser.open(&format!("{ORIGIN}/incidents/{id}")).unwrap();
    let fill = "(() => { const form = [...document.forms].find(one => one.verdict); form.verdict.value = 'benign'; \
                form.note.value = 'nightly <copy>'; form.who.value = 'Ada'; form.querySelector('button').click(); return 1 })()";
    browser.evaluate(fill).unwrap();
    wait_for_page(&mut browser, "Verdict · smb-sensor");
    let text = browser.evaluate("document.querySelector('main').textContent").unwrap();
    let text = text.as_str().unwrap();
    assert!(text.contains("benign, by Ada (status page)"), "{text}");
    assert!(text.contains("--reason 'nightly <copy>'"), "{text}");
    browser.evaluate("document.querySelector('a[href$=\"#exempt\"]').click()").unwrap();
    wait_for_page(&mut browser, &format!("Incident {id} · smb-sensor"));
    let filled = "(() => { const form = [...document.forms].find(one => one.reason); \
                  return form.reason.value + '|' + form.who.value })()";
    assert_eq!(browser.evaluate(filled).unwrap(), "nightly <copy>|Ada");
    let section = browser.evaluate("document.querySelector('#verdict').parentElement.textContent").unwrap();
    let section = section.as_str().unwrap();
    assert!(
        section.contains("benign by Ada (status page)") && section.contains("nightly <copy>"),
        "{section}"
    );
    assert_eq!(browser.complaints().unwrap(), [""; 0]);
    let given =
        agent.wait_for(|one| one.pointer("/event/action").is_some_and(|is| is == "verdict-given")).unwrap();
    assert_eq!(given.pointer("/user").unwrap(), &serde_json::json!({ "name": "Ada" }));
    assert_eq!(given.pointer("/smb_sensor/verdict/on_page").unwrap(), true);
    agent.stop().unwrap();
}

#[test]
fn verdicts_of_other_pages_and_with_mistakes_change_nothing() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let gateway = border.gateway();
    let state = scratch_dir().unwrap();
    let config = format!("{CONFIG}verdict_form = true\n");
    let agent = Agent::on(gateway, "lan0").config(&config).state_dir(state.path()).start().unwrap();
    let id = incident(&border);
    let page = get(gateway, &format!("/incidents/{id}")).unwrap().body;
    assert!(!page.contains("/exempt\""), "that form is off");
    let token = page.split("name=\"token\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let form = format!("{id}/verdict");
    let good = [("token", token), ("verdict", "duplicate"), ("note", "of another"), ("who", "Ada")];
    for (origin, fields, status, words) in [
        ("http://evil.example", good.to_vec(), 403, "not sent from a page of this sensor"),
        (ORIGIN, good[1..].to_vec(), 403, "older than the agent"),
        (ORIGIN, vec![good[0], good[1], good[2]], 422, "Who: write your name"),
        (ORIGIN, vec![good[0], ("verdict", "harmless"), good[3]], 422, "Verdict: choose one"),
        (
            ORIGIN,
            vec![good[0], good[1], ("note", "a\u{1b}b"), good[3]],
            422,
            "Why: it has control characters",
        ),
        (ORIGIN, vec![good[0], good[1], ("note", &"x".repeat(501)), good[3]], 422, "Why: it has 501"),
        (ORIGIN, vec![good[0], ("note", &"x".repeat(20_000))], 413, ""),
    ] {
        let answer = post(gateway, &form, origin, &fields);
        assert!(
            answer.ends_with(&format!("status {status}")) && answer.contains(words),
            "{fields:?}: {answer}"
        );
    }
    let page = get(gateway, &format!("/incidents/{id}")).unwrap().body;
    assert!(page.contains("None yet."), "{page}");
    assert!(post(gateway, &form, ORIGIN, &good).ends_with("status 200"));
    let page = get(gateway, &format!("/incidents/{id}")).unwrap().body;
    assert!(page.contains("<strong>duplicate</strong>"), "{page}");
    agent.stop().unwrap();

    let agent = Agent::on(gateway, "lan0").config(CONFIG).state_dir(state.path()).start().unwrap();
    let page =
        wait_for(gateway, &format!("/incidents/{id}"), PATIENCE, |answer| answer.status == 200).unwrap();
    assert!(
        page.body.contains("<strong>duplicate</strong>") && !page.body.contains("<form"),
        "{}",
        page.body
    );
    let refused = post(gateway, &form, ORIGIN, &good);
    assert!(refused.ends_with("status 403") && refused.contains("verdict_form"), "{refused}");
    agent.stop().unwrap();
}
