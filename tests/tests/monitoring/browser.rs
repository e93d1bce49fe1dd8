//! The status page in a real browser: it loads without a complaint, shows hostile names as text, stays quick with many incidents,
//! works without scripts and by keyboard, and is accessible by the rules of axe-core.

use std::{fs, time::Duration};

use sensor_core::incident::{Incident, IncidentId, Milestone, TimelineEntry, fixtures, message};
use sensor_lab::{Namespace, patience, poll, require_lab, scratch_dir, skip};
use sensor_tests::{
    Browser,
    status_page::{ADDRESS, StatusPage, incidents, many_incidents},
};

/// Time in which an open page shows something new.
const LIVE: Duration = Duration::from_secs(30);

/// Time to the first paint of a long list, the best of [`PAINTS`]. A debug build is given more time than the benchmark.
const FIRST_PAINT: Duration = Duration::from_secs(5);

/// Paints of which the best counts: a busy machine may stand still during one.
const PAINTS: usize = 3;

/// Names that others chose.
const HOSTILE: &str = "<script>document.title='broken'</script>\"' onload=x &lt; \u{202e}gpj.\u{7}";

pub(crate) fn url(path: &str) -> String {
    format!("http://{ADDRESS}{path}")
}

fn paths(incidents: &[Incident]) -> Vec<String> {
    let mut paths = vec![
        "/".to_owned(),
        "/incidents".to_owned(),
        "/exposed".to_owned(),
        "/flows".to_owned(),
        "/blocks".to_owned(),
        "/explain".to_owned(),
        "/explain?client=ten&server=8.8.4.4".to_owned(),
        "/incidents/nothing".to_owned(),
    ];
    paths.extend(incidents.iter().map(|one| format!("/incidents/{}", one.id)));
    paths
}

/// The same without the pages that are refusals, which the console mentions.
fn present(incidents: &[Incident]) -> Vec<String> {
    let is_refusal = |path: &String| path == "/incidents/nothing" || path.starts_with("/explain?");
    paths(incidents).into_iter().filter(|path| !is_refusal(path)).collect()
}

#[test]
fn every_page_loads_without_a_complaint_on_every_screen() {
    require_lab!(Browser);
    let namespace = Namespace::new("page").unwrap();
    let incidents = incidents();
    let page = StatusPage::serve_with_form(&namespace, incidents.clone()).unwrap();
    let mut browser = Browser::start(&namespace).unwrap();
    let pictures = scratch_dir().unwrap();
    for (width, dark) in [(1_280, false), (390, true)] {
        browser.resize(width, 844).unwrap();
        browser.prefer_dark(dark).unwrap();
        for path in present(&incidents) {
            page.refresh();
            browser.open(&url(&path)).unwrap();
            assert_eq!(browser.complaints().unwrap(), [""; 0], "{path}, {width} wide");
            let shown = browser.evaluate("document.documentElement.scrollWidth").unwrap();
            assert!(shown.as_i64().unwrap() <= width.into(), "{path} is {shown} wide on a screen of {width}");
            let ground = browser.evaluate("getComputedStyle(document.body).backgroundColor").unwrap();
            assert_eq!(ground == "rgb(14, 20, 27)", dark, "{path}: {ground}");
        }
        let picture = pictures.path().join("page.png");
        browser.screenshot(&picture, true).unwrap();
        assert!(fs::read(&picture).unwrap().starts_with(b"\x89PNG"));
    }
}

#[test]
fn violation_of_the_policy_would_be_noticed() {
    require_lab!(Browser);
    let namespace = Namespace::new("page").unwrap();
    let _page = StatusPage::serve(&namespace, incidents()).unwrap();
    let mut browser = Browser::start(&namespace).unwrap();
    browser.open(&url("/")).unwrap();
    browser
        .evaluate("document.body.insertAdjacentHTML('beforeend', '<p style=\"color:red\">x</p>')")
        .unwrap();
    let complaints = browser.complaints().unwrap().join("\n");
    assert!(complaints.contains("Content Security Policy"), "{complaints}");
}

#[test]
fn hostile_names_are_shown_as_text() {
    require_lab!(Browser);
    let namespace = Namespace::new("page").unwrap();
    let mut hostile = Incident { id: IncidentId(0xbad), ..fixtures::leak_accepted() };
    hostile.internal.name = Some(HOSTILE.to_owned());
    hostile.external.name = Some(HOSTILE.to_owned());
    hostile.credentials[0].user = Some(HOSTILE.to_owned());
    hostile.shares[0].path = format!("\\\\8.8.4.4\\{HOSTILE}");
    for finding in hostile.findings.values_mut() {
        finding.fact = HOSTILE.to_owned();
    }
    hostile.timeline.push(TimelineEntry { at: hostile.last, what: Milestone::Share(HOSTILE.to_owned()) });
    let _page = StatusPage::serve(&namespace, vec![hostile]).unwrap();
    let mut browser = Browser::start(&namespace).unwrap();
    let query =
        "/incidents?q=%22%3E%3Cscript%3Edocument.title%3D%27broken%27%3C/script%3E&severity=%22%3Ex&page=-1";
    for path in ["/", "/incidents", "/incidents/0000000000000bad", query, "/incidents/%3Cscript%3E"] {
        browser.open(&url(path)).unwrap();
        let title = browser.evaluate("document.title").unwrap();
        assert!(title.as_str().unwrap().ends_with("· smb-sensor"), "{path}: {title}");
        assert_eq!(
            browser.evaluate("document.querySelectorAll('body script, [onload]').length").unwrap(),
            0,
            "{path}"
        );
        let text = browser.evaluate("document.documentElement.outerHTML").unwrap();
        assert!(!text.as_str().unwrap().contains(['\u{202e}', '\u{7}']), "{path}");
        let complaints = browser.complaints().unwrap();
        assert!(complaints.iter().all(|one| one.contains("404")), "{path}: {complaints:?}");
    }
    browser.open(&url("/incidents/0000000000000bad")).unwrap();
    let text = browser.evaluate("document.querySelector('main').textContent").unwrap();
    let text = text.as_str().unwrap();
    assert!(
        text.contains("<script>document.title='broken'</script>\"' onload=x &lt; \\u{202e}gpj"),
        "{text}"
    );
}

#[test]
fn ten_thousand_incidents_are_listed_and_searched_quickly() {
    require_lab!(Browser);
    let namespace = Namespace::new("page").unwrap();
    let incidents = many_incidents(10_000);
    let relayed = incidents.iter().filter(|one| message::summary(one).contains("relayed")).count();
    let _page = StatusPage::serve(&namespace, incidents).unwrap();
    let mut browser = Browser::start(&namespace).unwrap();
    // The first page also starts the renderer.
    browser.open(&url("/assets/icon.svg")).unwrap();
    let paint = "new Promise(done => new PerformanceObserver(list => \
                 list.getEntriesByName('first-contentful-paint').forEach(paint => done(paint.startTime)))\
                 .observe({ type: 'paint', buffered: true }))";
    let paints = (0..PAINTS).map(|_| {
        browser.open(&url("/incidents")).unwrap();
        browser.evaluate(paint).unwrap().as_f64().unwrap()
    });
    let first_paint = paints.fold(f64::INFINITY, f64::min);
    println!("first paint of a list of 10,000 incidents after {first_paint:.0} ms");
    assert!(first_paint < patience(FIRST_PAINT).as_secs_f64() * 1e3, "first paint after {first_paint} ms");
    let text = |browser: &mut Browser, selector: &str| {
        let value = browser.evaluate(&format!("document.querySelector('{selector}').textContent")).unwrap();
        value.as_str().unwrap().to_owned()
    };
    assert_eq!(text(&mut browser, "p.count"), "1–50 of 10,000");
    browser.open(&url("/incidents?page=200")).unwrap();
    assert_eq!(text(&mut browser, "p.count"), "9,951–10,000 of 10,000");
    assert_eq!(browser.evaluate("document.querySelectorAll('a[rel=next]').length").unwrap(), 0);
    browser.open(&url("/incidents?q=relayed&state=open&severity=critical")).unwrap();
    assert_eq!(text(&mut browser, "p.count"), format!("1–50 of {relayed}"));
    assert!((400..600).contains(&relayed), "one kind of about twenty: {relayed}");
}

#[test]
fn works_without_scripts_and_by_keyboard() {
    require_lab!(Browser);
    let namespace = Namespace::new("page").unwrap();
    let _page = StatusPage::serve(&namespace, incidents()).unwrap();
    let mut browser = Browser::start(&namespace).unwrap();
    browser.run_scripts(false).unwrap();
    browser.open(&url("/")).unwrap();
    assert_eq!(browser.evaluate("document.querySelectorAll('main .incidents tbody tr').length").unwrap(), 8);
    assert_eq!(browser.evaluate("document.getElementById('live-state').textContent").unwrap(), "");
    browser.press("Tab").unwrap();
    assert_eq!(browser.evaluate("document.activeElement.className").unwrap(), "skip");
    let outline = "getComputedStyle(document.activeElement).outlineStyle";
    for _ in 0..8 {
        browser.press("Tab").unwrap();
        assert_eq!(browser.evaluate(outline).unwrap(), "solid", "focus is visible");
    }
}

#[test]
fn open_page_shows_a_new_incident_by_itself() {
    require_lab!(Browser);
    let namespace = Namespace::new("page").unwrap();
    let mut all = incidents();
    let later = all.pop().unwrap();
    let page = StatusPage::serve(&namespace, all).unwrap();
    let mut browser = Browser::start(&namespace).unwrap();
    browser.open(&url("/incidents")).unwrap();
    let state = "document.getElementById('live-state').textContent";
    poll(LIVE, || browser.evaluate(state).ok().filter(|value| value == "live")).unwrap();
    let id = later.id;
    page.add(later).unwrap();
    let rows = format!("document.querySelectorAll('main a[href=\"/incidents/{id}\"]').length");
    poll(LIVE, || browser.evaluate(&rows).ok().filter(|count| *count == 1)).unwrap();
    assert_eq!(browser.complaints().unwrap(), [""; 0]);
}

#[test]
fn pages_are_accessible_by_the_rules_of_axe() {
    require_lab!(Browser);
    let Ok(axe) = fs::read_to_string(sensor_lab::axe::script()) else {
        skip("pages_are_accessible_by_the_rules_of_axe", "axe-core is not installed: run cargo xtask setup");
        return;
    };
    let namespace = Namespace::new("page").unwrap();
    let incidents = incidents();
    let page = StatusPage::serve_with_form(&namespace, incidents.clone()).unwrap();
    let mut browser = Browser::start(&namespace).unwrap();
    for (width, dark) in [(1_280, false), (1_280, true), (390, false)] {
        browser.resize(width, 844).unwrap();
        browser.prefer_dark(dark).unwrap();
        for path in paths(&incidents[..2]) {
            page.refresh();
            browser.open(&url(&path)).unwrap();
            browser.evaluate(&format!("{axe}; 1")).unwrap();
            let found = browser
                .evaluate(
                    "axe.run().then(all => all.violations.map(one => `${one.id}: ${one.help}: ` + \
                     one.nodes.map(node => node.html + ' ' + node.failureSummary).join('; ')))",
                )
                .unwrap();
            assert_eq!(found, serde_json::json!([]), "{path}, {width} wide, dark: {dark}");
        }
    }
}
