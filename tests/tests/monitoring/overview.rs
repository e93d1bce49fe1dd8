//! The overview in a real browser: the watched interface, packets, losses, and how far each output is.

use sensor_common::counter::Counter;
use sensor_lab::{Namespace, require_lab};
use sensor_tests::{
    Browser,
    status_page::{StatusPage, incidents},
};
use sensor_user::{http::InterfaceState, kernel::counters::CounterValues};
use serde_json::{Value, json};

use crate::browser::url;

/// The texts of a table's cells, row by row.
fn cells(browser: &mut Browser, section: &str) -> Value {
    let rows = format!("document.querySelectorAll('section[aria-labelledby={section}] tbody tr')");
    let texts = format!("[...{rows}].map(row => [...row.cells].map(cell => cell.textContent.trim()))");
    browser.evaluate(&texts).unwrap()
}

/// The value beside a name in the list of facts of a section, and whether it is drawn as a warning.
fn fact(browser: &mut Browser, section: &str, name: &str) -> (String, bool) {
    let facts =
        format!("[...document.querySelectorAll('section[aria-labelledby={section}] dl.facts > div')]");
    let value = format!(
        "{facts}.filter(fact => fact.children[0].textContent === '{name}').map(fact => fact.children[1])[0]"
    );
    let text = browser.evaluate(&format!("{value}.textContent")).unwrap();
    let warns = browser.evaluate(&format!("{value}.classList.contains('warn')")).unwrap();
    (text.as_str().unwrap().to_owned(), warns == true)
}

fn text(browser: &mut Browser, selector: &str) -> Value {
    browser.evaluate(&format!("document.querySelector('{selector}').textContent")).unwrap()
}

#[test]
fn overview_shows_lag_errors_and_last_delivery_of_each_output() {
    require_lab!(Browser);
    let namespace = Namespace::new("page").unwrap();
    let page = StatusPage::serve(&namespace, incidents()).unwrap();
    let mut browser = Browser::start(&namespace).unwrap();
    browser.open(&url("/")).unwrap();
    let file = json!(["file", "yes", "214", "0", "0", "0", "29 Nov 10:14:12", "none"]);
    let why = "29 Nov 10:12:40: connect to siem.example:6514: connection refused";
    assert_eq!(
        cells(&mut browser, "outputs"),
        json!([file, ["siem", "no", "210", "4", "3", "0", "29 Nov 10:14:12", why]])
    );
    let warnings = "[...document.querySelectorAll('section[aria-labelledby=outputs] td.warn')]";
    let labels = format!("{warnings}.map(cell => cell.dataset.label)");
    assert_eq!(browser.evaluate(&labels).unwrap(), json!(["Can deliver", "Errors"]));

    page.show(|snapshot| {
        let siem = &mut snapshot.outputs[1];
        (siem.written, siem.waiting, siem.errors) = (1_210, 7, 5);
        (siem.refused, siem.lost) = (2, 1);
        (siem.ability, siem.last_success) = (None, None);
    });
    browser.open(&url("/")).unwrap();
    assert_eq!(
        cells(&mut browser, "outputs"),
        json!([file, ["siem", "not known yet", "1,210", "7", "5", "3", "never", why]])
    );
}

#[test]
fn overview_shows_packets_losses_and_the_watched_interface() {
    require_lab!(Browser);
    let namespace = Namespace::new("page").unwrap();
    let page = StatusPage::serve(&namespace, incidents()).unwrap();
    let mut browser = Browser::start(&namespace).unwrap();
    browser.open(&url("/")).unwrap();
    assert_eq!(text(&mut browser, "section[aria-labelledby=packets] p.figure"), "48,213");
    let outcomes = json!([
        ["kept", "31,870", "66 %"],
        ["lateral", "14,902", "30 %"],
        ["reserved", "1,120", "2 %"],
        ["exempt destination", "321", "0 %"],
    ]);
    assert_eq!(cells(&mut browser, "packets"), outcomes);
    for name in ["lost records", "unaccounted packets"] {
        assert_eq!(fact(&mut browser, "packets", name), ("0".to_owned(), false), "{name}");
    }
    assert_eq!(fact(&mut browser, "packets", "connections now").0, "37");
    assert_eq!(fact(&mut browser, "packets", "flow slots in use").0, "1,204 of 16,384");
    let interface = "ul.states[aria-label=Interfaces] li";
    assert_eq!(text(&mut browser, interface), "lan0 watchedincoming by native XDP, outgoing by TCX");
    assert_eq!(
        browser.evaluate(&format!("document.querySelectorAll('{interface} .good').length")).unwrap(),
        1
    );

    page.show(|snapshot| {
        snapshot.statistics.kernel = CounterValues::of(|counter| match counter {
            Counter::Seen | Counter::Kept => 31_877,
            Counter::LostOpened => 3,
            Counter::LostPayload => 2,
            Counter::ShortFrame => 1_001,
            _ => 0,
        });
        snapshot.interfaces = vec![InterfaceState {
            name: "wan0".to_owned(),
            state: Err("there is no such interface".to_owned()),
        }];
    });
    browser.open(&url("/")).unwrap();
    assert_eq!(cells(&mut browser, "packets"), json!([["kept", "31,877", "100 %"]]));
    assert_eq!(fact(&mut browser, "packets", "lost records"), ("5".to_owned(), true));
    assert_eq!(fact(&mut browser, "packets", "unaccounted packets"), ("7".to_owned(), true));
    assert_eq!(fact(&mut browser, "packets", "packets without readable ports").0, "1,001");
    let state = text(&mut browser, interface);
    assert_eq!(state, "wan0 not watchedthere is no such interface");
    assert_eq!(
        browser.evaluate(&format!("document.querySelectorAll('{interface} .bad').length")).unwrap(),
        1
    );
}
