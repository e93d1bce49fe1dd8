//! Blocks on the page: a form that blocks, the list, and a form that ends one.

use std::net::TcpStream;

use sensor_lab::{Answer, Namespace, TcpListener, Topology, address, curl, poll, require_lab, scratch_dir};
use sensor_tests::{Agent, Browser, PATIENCE, text};
use serde_json::Value;

use crate::{
    CONFIG,
    forms::{ORIGIN, incident},
    http::{get, wait_for},
};

/// The answer to a form: its page, then its status.
fn post(namespace: &Namespace, path: &str, origin: &str, fields: &[(&str, &str)]) -> String {
    let (origin, url) = (format!("Origin: {origin}"), format!("{ORIGIN}{path}"));
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut arguments = vec!["--write-out", "status %{http_code}", "--header", &origin, &url];
    for field in &fields {
        arguments.extend(["--data-urlencode", field]);
    }
    curl(namespace, &arguments).unwrap().output
}

/// The token of the form that sends to `action`.
fn token<'a>(page: &'a str, action: &str) -> &'a str {
    let form =
        page.split(&format!("action=\"{action}\"")).nth(1).unwrap_or_else(|| panic!("no form: {page}"));
    form.split("name=\"token\" value=\"").nth(1).unwrap().split('"').next().unwrap()
}

fn action(action: &'static str) -> impl Fn(&Value) -> bool {
    move |document| text(document, "/event/action") == action
}

#[test]
fn host_is_blocked_and_unblocked_by_forms_of_this_page_alone() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let gateway = border.gateway();
    let state = scratch_dir().unwrap();
    let never = "[response]\nnever_block = [\"10.0.0.2\"]\n";
    let config = format!("{CONFIG}block_form = true\n{never}");
    let agent = Agent::on(gateway, "lan0").config(&config).state_dir(state.path()).start().unwrap();
    let id = incident(&border);
    let begin = format!("/incidents/{id}/block");
    let page = get(gateway, &format!("/incidents/{id}")).unwrap().body;
    assert!(page.contains("<option value=\"10.0.0.2,8.8.4.4\">"), "{page}");
    let token_of_form = token(&page, &begin).to_owned();
    let good = [
        ("token", &*token_of_form),
        ("target", "8.8.4.4"),
        ("time", "1h"),
        ("reason", "a <leak>"),
        ("who", "Ada"),
    ];
    let with = |name: &'static str, value: &'static str| {
        good.map(|(known, before)| if known == name { (known, value) } else { (known, before) })
    };
    for (origin, fields, status, words) in [
        ("http://evil.example", good, 403, "not sent from a page of this sensor"),
        (ORIGIN, with("token", ""), 403, "older than the agent"),
        (ORIGIN, with("target", "9.9.9.9"), 422, "this incident is not about 9.9.9.9"),
        (ORIGIN, with("target", "10.0.0.2,8.8.4.4"), 422, "response.never_block lists 10.0.0.2/32"),
        (ORIGIN, with("time", "31d"), 422, "How long: "),
        (ORIGIN, with("who", " "), 422, "Who: write your name"),
    ] {
        let answer = post(gateway, &begin, origin, &fields);
        assert!(answer.ends_with(&format!("status {status}")) && answer.contains(words), "{answer}");
    }
    assert!(get(gateway, "/blocks").unwrap().body.contains("Nothing is blocked."));

    let answer = post(gateway, &begin, ORIGIN, &good);
    assert!(answer.ends_with("status 200") && answer.contains("blocked 8.8.4.4 until "), "{answer}");
    let started = agent.wait_for(action("block-started")).unwrap();
    assert_eq!(text(&started, "/user/name"), "Ada");
    assert_eq!(text(&started, "/smb_sensor/response/reason"), "a <leak>");
    let outside = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo).unwrap();
    let passes = || {
        let to = outside.address();
        let wait = std::time::Duration::from_millis(400);
        border.client().run(|| TcpStream::connect_timeout(&to, wait)).unwrap().is_ok()
    };
    assert!(!passes());

    let list = wait_for(gateway, "/blocks", PATIENCE, |page| page.body.contains("8.8.4.4")).unwrap().body;
    assert!(list.contains("Ada (status page)") && list.contains("a &#60;leak&#62;"), "{list}");
    let end = [("token", token(&list, "/blocks/end")), ("target", "8.8.4.4"), ("who", "Eve")];
    let refused = post(gateway, "/blocks/end", "null", &end);
    assert!(refused.ends_with("status 403"), "{refused}");
    let other = post(gateway, "/blocks/end", ORIGIN, &[end[0], ("target", "8.8.8.8"), end[2]]);
    assert!(other.ends_with("status 403"), "the token is of another block: {other}");
    assert!(!passes());
    let answer = post(gateway, "/blocks/end", ORIGIN, &end);
    assert!(answer.ends_with("status 200") && answer.contains("no longer blocked: 8.8.4.4"), "{answer}");
    assert_eq!(text(&agent.wait_for(action("block-ended")).unwrap(), "/user/name"), "Eve");
    assert!(poll(PATIENCE, || passes().then_some(())).is_some());
    agent.stop().unwrap();

    let agent = Agent::on(gateway, "lan0").config(CONFIG).state_dir(state.path()).start().unwrap();
    let path = format!("/incidents/{id}");
    let page = wait_for(gateway, &path, PATIENCE, |answer| answer.status == 200).unwrap().body;
    assert!(!page.contains("/block\""), "it is off by default");
    let refused = post(gateway, &begin, ORIGIN, &good);
    assert!(refused.ends_with("status 403") && refused.contains("block_form"), "{refused}");
    agent.stop().unwrap();
}

#[test]
fn block_begins_in_a_browser_without_scripts() {
    require_lab!(Browser);
    let border = Topology::border().unwrap();
    let state = scratch_dir().unwrap();
    let config = format!("{CONFIG}block_form = true\n");
    let agent = Agent::on(border.gateway(), "lan0").config(&config).state_dir(state.path()).start().unwrap();
    let id = incident(&border);
    let mut browser = Browser::start(border.gateway()).unwrap();
    browser.run_scripts(false).unwrap();
    browser.open(&format!("{ORIGIN}/incidents/{id}")).unwrap();
    let fill = "(() => { const form = document.forms[0]; form.reason.value = 'leak'; form.who.value = 'Ada'; \
                form.querySelector('button').click(); return 1 })()";
    browser.evaluate(fill).unwrap();
    let started = agent.wait_for(action("block-started")).unwrap();
    assert_eq!(text(&started, "/smb_sensor/response/target"), "10.0.0.2,8.8.4.4");
    browser.open(&format!("{ORIGIN}/blocks")).unwrap();
    let complaints = browser.complaints().unwrap();
    assert_eq!(complaints, [""; 0]);
    agent.stop().unwrap();
}
