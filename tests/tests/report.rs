//! `smb-sensor report`: numbers that agree with the incidents, and a page that a browser shows without loading anything else.

use std::{fs, path::Path, process::Command};

use sensor_core::{
    incident::{Incident, IncidentId, fixtures},
    level::Severity,
};
use sensor_lab::{Namespace, require_lab, scratch_dir, skip};
use sensor_tests::{
    Agent, Browser,
    report_state::{HELD_BACK, PERIOD, fill, fill_and_close, of_four_weeks, verdicts},
};
use sensor_user::response::{Author, Verdict, VerdictEntry};
use serde_json::{Value, json};

/// Names that others chose.
const HOSTILE: &str =
    "</title></style><script>document.title='broken'</script>\"' onload=x &lt; \u{202e}gpj.\u{7}";

#[expect(clippy::unwrap_used, reason = "a test cannot go on without the program")]
fn report(state_dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(Agent::program().unwrap());
    command.arg("report").args(arguments).arg("--state-dir").arg(state_dir);
    command
}

#[expect(clippy::unwrap_used, reason = "a test cannot go on without an answer")]
fn printed(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[expect(clippy::unwrap_used, reason = "a test cannot go on without an answer")]
fn json_of(state_dir: &Path) -> Value {
    serde_json::from_str(&printed(report(state_dir, &[&PERIOD[..], &["--json"]].concat()))).unwrap()
}

/// The sum of the numbers of an object.
fn sum(object: &Value) -> u64 {
    object.as_object().into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum()
}

#[test]
fn numbers_agree_with_the_incidents_beside_an_agent_and_without_one() {
    let state = scratch_dir().unwrap();
    let incidents = of_four_weeks();
    let verdict_entries = verdicts(&incidents);
    let opened = fill(state.path(), &incidents, &verdict_entries).unwrap();
    let committed = opened.handle.committed().clone();
    let writing = std::thread::spawn(move || opened.writer.run());
    assert!(opened.handle.flush(std::time::Duration::from_secs(60)));
    assert!(committed.sequence() > 0);
    let beside = json_of(state.path());
    drop(opened.handle);
    writing.join().unwrap().unwrap();
    let mut alone = json_of(state.path());
    alone["at"] = beside["at"].clone();
    assert_eq!(alone, beside);

    // All that are active in the period; the fixtures end on 29 November.
    let severity = |wanted: Severity| incidents.iter().filter(|one| one.severity == wanted).count();
    assert_eq!(beside["incidents"]["total"], incidents.len());
    for one in Severity::ALL {
        assert_eq!(beside["incidents"]["by_severity"][one.name()], severity(one), "{one}");
    }
    let weeks = beside["incidents"]["weeks"].as_array().unwrap();
    assert_eq!(weeks.len(), 4);
    let by_week: u64 = weeks.iter().map(|week| sum(&week["opened"])).sum();
    assert_eq!(by_week + beside["incidents"]["earlier"].as_u64().unwrap(), incidents.len() as u64);
    assert!(weeks.iter().all(|week| sum(&week["opened"]) > 0), "{weeks:#?}");
    let given = beside["verdicts"]["given"].as_array().unwrap();
    assert_eq!(given.len(), verdict_entries.len());
    let without_verdict = sum(&beside["verdicts"]["none"]);
    assert_eq!(without_verdict, (incidents.len() - verdict_entries.len()) as u64);
    assert_eq!(beside["campaigns"][0]["internal_hosts"], 3);
    assert_eq!(beside["loss"]["held_back"], json!({ "smb-to-internet": HELD_BACK }));
    assert_eq!(beside["exempted"][0]["connections"], 29);
    assert!(beside["exposed"].as_array().unwrap().iter().any(|one| one["host"] == "10.0.1.2"));
    assert_eq!(beside["begins_late"], false);
}

#[test]
fn text_has_every_part_and_names_mistakes() {
    let state = scratch_dir().unwrap();
    let mut missing = report(state.path(), &[]);
    let refused = String::from_utf8(missing.output().unwrap().stderr).unwrap();
    assert!(refused.contains("there is no database in"), "{refused}");
    let incidents = of_four_weeks();
    fill_and_close(state.path(), &incidents, &verdicts(&incidents)).unwrap();
    let config = state.path().join("agent.toml");
    fs::write(&config, "[[exempt]]\nid = \"copy\"\ndestination = [\"9.9.9.9\"]\nreason = \"nightly copy\"\n")
        .unwrap();
    let text =
        printed(report(state.path(), &[&PERIOD[..], &["--config", config.to_str().unwrap()]].concat()));
    for part in [
        "2026-11-02T00:00:00.000Z to 2026-11-30T00:00:00.000Z",
        "60 incidents, ",
        "\n2026-11-02  ",
        "\nno verdict  ",
        "  phishing mail; password changed\n",
        "\nTOP PAIRS (",
        "  10.0.0.2 PC-ANN  ",
        "\nEXPOSED HOSTS\n",
        "nightly copy\n",
        "41 incidents of smb-to-internet over the quota, which were not opened\n",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    let misleads = |character: char| character != '\n' && sensor_dissect::escape::misleads(character);
    assert!(!text.chars().any(misleads), "{text:?}");
    let mut backwards = report(state.path(), &["--since", "2026-11-02", "--until", "2026-11-01"]);
    let refused = String::from_utf8(backwards.output().unwrap().stderr).unwrap();
    assert!(refused.contains("--until is not later than --since"), "{refused}");
    // What is not kept is not a week without incidents.
    let early = printed(report(state.path(), &["--since", "2026-09-01", "--until", "2026-12-01"]));
    assert!(early.contains("The oldest document in the database is of 2026-10-29"), "{early}");
    assert!(!early.contains("2026-09-07"), "{early}");
}

/// Writes the page of these incidents; gives its address.
#[expect(clippy::unwrap_used, reason = "a test cannot go on without the page")]
fn page(state_dir: &Path, incidents: &[Incident], verdict: Option<VerdictEntry>) -> String {
    let verdict_entries = match verdict {
        Some(one) => [(incidents[0].id.to_string(), one)].into(),
        None => verdicts(incidents),
    };
    fill_and_close(state_dir, incidents, &verdict_entries).unwrap();
    let file = state_dir.join("report.html");
    let said = printed(report(state_dir, &[&PERIOD[..], &["--html", file.to_str().unwrap()]].concat()));
    assert_eq!(said, format!("Wrote {}\n", file.display()));
    format!("file://{}", file.display())
}

#[test]
fn page_is_shown_by_a_browser_and_loads_nothing() {
    require_lab!(Browser);
    let namespace = Namespace::new("report").unwrap();
    let state = scratch_dir().unwrap();
    let incidents = of_four_weeks();
    let url = page(state.path(), &incidents, None);
    let axe = fs::read_to_string(sensor_lab::axe::script());
    if axe.is_err() {
        skip(
            "page_is_shown_by_a_browser_and_loads_nothing",
            "axe-core is not installed: run cargo xtask setup",
        );
    }
    let mut browser = Browser::start(&namespace).unwrap();
    for (width, dark) in [(1_280, false), (1_280, true), (390, false)] {
        browser.resize(width, 844).unwrap();
        browser.prefer_dark(dark).unwrap();
        browser.open(&url).unwrap();
        assert_eq!(browser.complaints().unwrap(), [""; 0], "{width} wide");
        let loaded =
            browser.evaluate("performance.getEntriesByType('resource').map(one => one.name)").unwrap();
        assert_eq!(loaded, json!([]));
        assert_eq!(browser.evaluate("document.scripts.length").unwrap(), 0);
        let shown = browser.evaluate("document.documentElement.scrollWidth").unwrap();
        assert!(shown.as_i64().unwrap() <= width.into(), "{shown} wide on a screen of {width}");
        let ground = browser.evaluate("getComputedStyle(document.body).backgroundColor").unwrap();
        assert_eq!(ground == "rgb(14, 20, 27)", dark, "{ground}");
        if let Ok(axe) = &axe {
            browser.evaluate(&format!("{axe}; 1")).unwrap();
            let found = browser
                .evaluate(
                    "axe.run().then(all => all.violations.map(one => `${one.id}: ${one.help}: ` + \
                     one.nodes.map(node => node.html + ' ' + node.failureSummary).join('; ')))",
                )
                .unwrap();
            assert_eq!(found, json!([]), "{width} wide, dark: {dark}");
        }
    }
    let text = browser.evaluate("document.querySelector('main').textContent").unwrap();
    let text = text.as_str().unwrap();
    for part in ["Active incidents: 60, ", "phishing mail; password changed", "10.0.0.2", "41 incidents of"] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    let drawn = "[...document.querySelectorAll('svg')].map(one => one.querySelectorAll('rect').length)";
    let drawn = browser.evaluate(drawn).unwrap();
    assert!(drawn.as_array().unwrap().iter().all(|count| count.as_u64() > Some(3)), "{drawn}");
    assert_eq!(drawn.as_array().unwrap().len(), 3);
    let page = fs::read_to_string(state.path().join("report.html")).unwrap();
    for outside in ["http://", "https://", "url(", "src=", "@import", "<link", "<script"] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn hostile_names_are_text_in_the_page() {
    require_lab!(Browser);
    let namespace = Namespace::new("report").unwrap();
    let state = scratch_dir().unwrap();
    let mut hostile = Incident { id: IncidentId(0xbad), ..fixtures::leak_accepted() };
    hostile.internal.name = Some(HOSTILE.to_owned());
    hostile.external.name = Some(HOSTILE.to_owned());
    hostile.credentials[0].user = Some(HOSTILE.to_owned());
    hostile.related.campaign = Some(hostile.id);
    let mut exposed = Incident { id: IncidentId(0xbae), ..fixtures::exposure() };
    exposed.dialects = vec![HOSTILE.to_owned()];
    exposed.related.campaign = Some(hostile.id);
    let verdict = VerdictEntry {
        verdict: Verdict::Benign,
        note: Some(HOSTILE.to_owned()),
        by: Author::OnPage(HOSTILE.to_owned()),
        at: fixtures::START,
    };
    let url = page(state.path(), &[hostile, exposed], Some(verdict));
    let mut browser = Browser::start(&namespace).unwrap();
    browser.open(&url).unwrap();
    let title = browser.evaluate("document.title").unwrap();
    assert!(title.as_str().unwrap().ends_with("· smb-sensor"), "{title}");
    assert_eq!(
        browser.evaluate("document.querySelectorAll('script, body style, [onload]').length").unwrap(),
        0
    );
    assert_eq!(browser.complaints().unwrap(), [""; 0]);
    let html = browser.evaluate("document.documentElement.outerHTML").unwrap();
    assert!(!html.as_str().unwrap().contains(['\u{202e}', '\u{7}']));
    let text = browser.evaluate("document.querySelector('main').textContent").unwrap();
    let shown = "<script>document.title='broken'</script>\"' onload=x &lt; \\u{202e}gpj";
    let count = text.as_str().unwrap().matches(shown).count();
    assert!(count >= 5, "{count} of a pair, a verdict, its note, a dialect and a campaign: {text}");
}
