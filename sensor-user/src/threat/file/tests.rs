use super::*;

fn parsed(text: &str, format: &Format) -> Vec<(String, u32, String)> {
    let entries = parse(text, format).unwrap();
    entries
        .into_iter()
        .map(|one| (one.net.to_string(), one.line, one.description.unwrap_or_default().into()))
        .collect()
}

fn entry(net: &str, line: u32, description: &str) -> (String, u32, String) {
    (net.into(), line, description.into())
}

#[test]
fn plain_files_have_descriptive_comments() {
    let text = "; a list, of 2020\n\n8.8.4.0/24 ; SBL1, spam\r\n 2001:db8::1 # host\n9.9.9.9\n";
    let expected = [
        entry("8.8.4.0/24", 3, "SBL1, spam"),
        entry("2001:db8::1/128", 4, "host"),
        entry("9.9.9.9/32", 5, ""),
    ];
    assert_eq!(parsed(text, &Format::Detect), expected);
}

#[test]
fn finds_columns_by_their_heading() {
    let text = "seen,ip,what\n2024,8.8.4.4,\"one, \"\"two\"\"\"\n2024,9.9.9.0/24,b\n";
    let expected = [entry("8.8.4.4/32", 2, "one, \"two\""), entry("9.9.9.0/24", 3, "b")];
    assert_eq!(parsed(text, &Format::Detect), expected);
    let named = Format::Csv { prefix: Some(1), description: Some(0) };
    assert_eq!(parsed(text, &named)[0], entry("8.8.4.4/32", 2, "2024"));
    assert_eq!(
        parsed("8.8.4.4;a;b\n", &Format::Csv { prefix: None, description: Some(2) }),
        [entry("8.8.4.4/32", 1, "b")]
    );
}

#[test]
fn reports_every_line_without_a_prefix() {
    let mistakes = parse("8.8.4.4\nx\n8.8.4.4/24\n", &Format::Plain).unwrap_err();
    assert_eq!(mistakes.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 3]);
    assert!(mistakes[1].1.contains("8.8.4.0/24"));
    let csv = Format::Csv { prefix: Some(0), description: None };
    assert_eq!(parse("8.8.4.444,a\n", &csv).unwrap_err()[0].0, 1, "that is no heading");
    assert_eq!(parse("a,b\n8.8.4.4,b\nc,d\n", &Format::Detect).unwrap_err()[0].0, 3);
}

#[test]
fn quote_opens_at_a_column_start_and_closes_in_its_line() {
    let wrong = parse("8.8.4.4,a\n9.9.9.9,\"b\n1.1.1.1,c\n", &Format::Detect).unwrap_err();
    assert!(wrong.len() == 1 && wrong[0].0 == 2 && wrong[0].1.contains("not closed"), "{wrong:?}");
    let heading = parse("\"prefix,what\n8.8.4.4,a\n", &Format::Detect).unwrap_err();
    assert_eq!(heading[0].0, 1);
    assert_eq!(parsed("8.8.4.4,24\" screen,x\n", &Format::Detect), [entry("8.8.4.4/32", 1, "24\" screen")]);
    assert_eq!(parsed("8.8.4.4, \"a, b\" ,x\n", &Format::Detect), [entry("8.8.4.4/32", 1, "a, b")]);
}

#[test]
fn reads_only_a_regular_file() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    for other in [pipe.as_path(), folder.path(), Path::new("/dev/zero")] {
        let refused = read(other, &Format::Plain).unwrap_err().to_string();
        assert!(refused.contains(&format!("{} is not a regular file", other.display())), "{refused}");
    }
}

#[test]
fn escapes_descriptions() {
    assert_eq!(parsed("8.8.4.4 # a\u{1b}[2Jb\n", &Format::Plain)[0].2, "a\\u{1b}[2Jb");
}

#[test]
fn detects_json() {
    let bundle = "\n{\"type\": \"bundle\", \"objects\": [{\"type\": \"ipv4-addr\", \"value\": \"8.8.4.4\"}]}";
    for format in [Format::Detect, Format::Stix] {
        assert_eq!(parsed(bundle, &format), [entry("8.8.4.4/32", 2, "")]);
    }
    let event =
        "{\"Event\": {\"Attribute\": [{\"type\": \"ip-dst\", \"value\": \"8.8.4.4\", \"to_ids\": true}]}}";
    for format in [Format::Detect, Format::Misp] {
        assert_eq!(parsed(event, &format), [entry("8.8.4.4/32", 1, "")]);
    }
}
