//! The page of the fleet in a real browser, over a real stream.

use std::{fs, net::Ipv4Addr};

use sensor_lab::{Namespace, NatsServer, poll, require_lab, scratch_dir, skip};
use sensor_tests::{
    Browser, PATIENCE,
    fleet::{Message, health, incident, output, prepared, publish},
    status_page::{ADDRESS, StatusPage, incidents},
};
use serde_json::json;

/// Serves the page of a fleet with these messages, and calls `look` with a browser that shows it.
fn with_fleet(messages: &[Message], look: impl FnOnce(&mut Browser, &StatusPage)) {
    let namespace = Namespace::new("page").unwrap();
    let data = scratch_dir().unwrap();
    let server = NatsServer::start(&namespace, Ipv4Addr::LOCALHOST, data.path(), "").unwrap();
    publish(&namespace, server.address(), messages).unwrap();
    let page = StatusPage::serve(&namespace, incidents()).unwrap();
    page.show_fleet(output(server.address()).unwrap());
    let mut browser = Browser::start(&namespace).unwrap();
    let has_rows = "document.querySelectorAll('main tbody tr').length > 0";
    poll(PATIENCE, || {
        open(&mut browser, &page);
        browser.evaluate(has_rows).ok().filter(|has| *has == true)
    })
    .unwrap();
    look(&mut browser, &page);
}

fn open(browser: &mut Browser, page: &StatusPage) {
    page.refresh();
    browser.open(&format!("http://{ADDRESS}/fleet")).unwrap();
}

#[test]
fn fleet_fits_every_screen_and_is_accessible_by_the_rules_of_axe() {
    require_lab!(Browser);
    require_lab!(Nats);
    let axe = fs::read_to_string(sensor_lab::axe::script());
    if axe.is_err() {
        skip(
            "fleet_fits_every_screen_and_is_accessible_by_the_rules_of_axe",
            "axe-core is not installed: run cargo xtask setup",
        );
    }
    with_fleet(&prepared(), |browser, page| {
        for (width, dark) in [(1_280, false), (1_280, true), (390, false), (390, true)] {
            browser.resize(width, 844).unwrap();
            browser.prefer_dark(dark).unwrap();
            open(browser, page);
            assert_eq!(browser.complaints().unwrap(), [""; 0], "{width} wide");
            let shown = browser.evaluate("document.documentElement.scrollWidth").unwrap();
            assert!(shown.as_i64().unwrap() <= width.into(), "{shown} wide on a screen of {width}");
            let rows = browser.evaluate("document.querySelectorAll('main tbody tr').length").unwrap();
            assert_eq!(rows, 6, "four sensors, and two hosts that several of them saw");
            let Ok(axe) = &axe else { continue };
            browser.evaluate(&format!("{axe}; 1")).unwrap();
            let found = browser
                .evaluate("axe.run().then(all => all.violations.map(one => `${one.id}: ${one.help}: ${one.nodes[0].html}`))")
                .unwrap();
            assert_eq!(found, json!([]), "{width} wide, dark: {dark}");
        }
    });
}

#[test]
fn names_that_sensors_choose_are_shown_as_text() {
    require_lab!(Browser);
    require_lab!(Nats);
    // A dot would begin another part of the subject.
    const HOSTILE: &str = "<script>document['title']='broken'</script>";
    let differs = json!({
        "version": "\"><img src=x onerror=document.title='broken'>\u{202e}gpj",
        "interfaces": [HOSTILE, "\u{7}"],
    });
    let messages = [
        health(HOSTILE, "<b>gate</b>", 3_600, &differs),
        incident(HOSTILE, "<b>gate</b>", "1", "high", "198.51.100.9"),
        incident("vienna", "a\"onload=x", "1", "high", "198.51.100.9"),
    ];
    with_fleet(&messages, |browser, _| {
        assert_eq!(browser.evaluate("document.title").unwrap(), "Fleet · smb-sensor");
        let elements = "document.querySelectorAll('main script, main img, main b, [onload]').length";
        assert_eq!(browser.evaluate(elements).unwrap(), 0);
        let text = browser.evaluate("document.querySelector('main').textContent").unwrap();
        let text = text.as_str().unwrap();
        assert!(text.contains(&format!("{HOSTILE}/<b>gate</b>")), "{text}");
        assert!(text.contains("vienna/a\"onload=x") && text.contains("\\u{202e}gpj"), "{text}");
        assert!(!text.contains(['\u{202e}', '\u{7}']), "{text}");
        assert_eq!(browser.complaints().unwrap(), [""; 0]);
    });
}

#[test]
fn fleet_whose_servers_are_gone_is_said_to_be_old() {
    require_lab!(Browser);
    let namespace = Namespace::new("page").unwrap();
    let page = StatusPage::serve(&namespace, incidents()).unwrap();
    page.show_fleet(output("127.0.0.1:4222".parse().unwrap()).unwrap());
    let mut browser = Browser::start(&namespace).unwrap();
    let said = "document.querySelector('main [role=alert]')?.textContent";
    let alert = poll(PATIENCE, || {
        open(&mut browser, &page);
        browser.evaluate(said).ok()?.as_str().map(str::to_owned)
    });
    let alert = alert.unwrap();
    assert!(alert.contains("Not current") && alert.contains("nats://127.0.0.1:4222"), "{alert}");
    assert!(alert.contains("It was never read"), "{alert}");
}
