//! The pictures of an incident in a real browser: its timeline, and who talked to whom.

use sensor_core::incident::{Incident, IncidentId, fixtures};
use sensor_lab::{Namespace, require_lab};
use sensor_tests::{Browser, status_page::StatusPage};
use serde_json::{Value, json};

use crate::browser::url;

/// An outbound incident with steps, an inbound one, and one with many hosts and no step.
fn incidents() -> [Incident; 3] {
    let all = [fixtures::leak_accepted(), fixtures::guessing_succeeded(), fixtures::sweep()];
    let mut numbers = 1..;
    all.map(|incident| Incident { id: IncidentId(numbers.next().unwrap()), ..incident })
}

/// Opens the page of an incident.
fn open(browser: &mut Browser, incident: &Incident) {
    browser.open(&url(&format!("/incidents/{}", incident.id))).unwrap();
    assert_eq!(browser.complaints().unwrap(), [""; 0]);
}

fn count(browser: &mut Browser, selector: &str) -> Value {
    browser.evaluate(&format!("document.querySelectorAll('{selector}').length")).unwrap()
}

fn texts(browser: &mut Browser, selector: &str) -> Value {
    let nodes = format!("[...document.querySelectorAll('{selector}')]");
    browser.evaluate(&format!("{nodes}.map(node => node.textContent)")).unwrap()
}

/// Whether all of these are drawn: with a size, and inside the picture.
fn are_drawn(browser: &mut Browser, picture: &str, nodes: &str) -> bool {
    let inside = "node => { const [box, all] = [node, node.ownerSVGElement].map(one => one.getBoundingClientRect()); \
                  return box.height > 0 && box.top >= all.top && box.bottom <= all.bottom; }";
    let nodes = format!("[...document.querySelectorAll('svg.{picture} {nodes}')]");
    browser.evaluate(&format!("{nodes}.every({inside})")).unwrap() == true
}

#[test]
fn incident_has_a_picture_of_its_timeline_with_every_step() {
    require_lab!(Browser);
    let namespace = Namespace::new("page").unwrap();
    let all = incidents();
    let _page = StatusPage::serve(&namespace, all.to_vec()).unwrap();
    let mut browser = Browser::start(&namespace).unwrap();
    let [leak, _, sweep] = &all;
    open(&mut browser, leak);
    assert_eq!(count(&mut browser, "svg.timeline"), 1);
    assert_eq!(count(&mut browser, "svg.timeline circle"), leak.timeline.len());
    let times = json!([
        "10:13:55.102",
        "10:13:55.108",
        "10:13:55.121",
        "10:13:55.127",
        "10:13:55.133",
        "10:14:07.001"
    ]);
    assert_eq!(texts(&mut browser, "svg.timeline g text.time"), times);
    assert_eq!(count(&mut browser, "svg.timeline text.pause"), 1, "before the last step");
    assert_eq!(count(&mut browser, "svg.timeline g.grave"), 2, "a credential was sent, and accepted");
    assert_eq!(count(&mut browser, "svg.timeline g.end"), 1);
    assert!(are_drawn(&mut browser, "timeline", "circle"));
    let said = texts(&mut browser, "svg.timeline > title");
    assert!(said.to_string().contains("10:13:55.121 "), "for a screen reader: {said}");
    open(&mut browser, sweep);
    assert_eq!(count(&mut browser, "svg.timeline"), 0, "without a step there is nothing to draw");
}

#[test]
fn incident_has_a_picture_of_who_talked_to_whom() {
    require_lab!(Browser);
    let namespace = Namespace::new("page").unwrap();
    let all = incidents();
    let _page = StatusPage::serve(&namespace, all.to_vec()).unwrap();
    let mut browser = Browser::start(&namespace).unwrap();
    let [leak, guessing, sweep] = &all;
    // From client to server, downwards if the client is inside.
    let falls = "(arrow => arrow.y2.baseVal.value > arrow.y1.baseVal.value)\
                 (document.querySelector('svg.hosts line.arrow'))";
    open(&mut browser, leak);
    assert_eq!(texts(&mut browser, "svg.hosts g.internal > text"), json!(["10.0.0.2  PC-ANN"]));
    assert_eq!(texts(&mut browser, "svg.hosts g.external > text"), json!(["8.8.4.4  FILES"]));
    assert_eq!(count(&mut browser, "svg.hosts line.arrow"), 1);
    assert_eq!(count(&mut browser, "svg.hosts line.border"), 1);
    assert_eq!(browser.evaluate(falls).unwrap(), true);
    let notes = json!(["TCP 445, 3 connections", "got as far as: share", "1.8 KiB left", "1.6 KiB came in"]);
    assert_eq!(texts(&mut browser, "svg.hosts text.note"), notes);
    assert!(are_drawn(&mut browser, "hosts", "rect"));

    open(&mut browser, guessing);
    assert_eq!(count(&mut browser, "svg.hosts g.internal"), 1);
    assert_eq!(count(&mut browser, "svg.hosts g.external"), 1);
    assert_eq!(browser.evaluate(falls).unwrap(), false, "the client is outside");

    open(&mut browser, sweep);
    assert_eq!(count(&mut browser, "svg.hosts g.internal"), 1);
    let targets = json!(["9.9.0.1", "9.9.0.2", "9.9.0.3", "297 more"]);
    assert_eq!(texts(&mut browser, "svg.hosts g.external > text"), targets);
    assert!(are_drawn(&mut browser, "hosts", "rect"));
}
