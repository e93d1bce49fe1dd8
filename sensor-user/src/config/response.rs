//! `[response]`: what the agent may do about incidents.

use toml_span::de_helpers::TableHelper;

use super::{
    AutoBlock, ResponseOptions,
    reader::Reader,
    value::{one_of, within},
};
use crate::parse::network;

/// Reads the section.
pub(super) fn read(reader: &mut Reader, table: &mut TableHelper<'_>, options: &mut ResponseOptions) {
    reader.section(table, "response", |reader, table| {
        reader.value(table, "auto_block", &mut options.auto_block, |name: String| {
            one_of(&name, &[("off", AutoBlock::Off), ("critical", AutoBlock::Critical)])
        });
        reader.value(table, "auto_block_for", &mut options.auto_block_for, |n| within(n, 1, 30 * 86_400));
        reader.value(table, "dry_run", &mut options.dry_run, Ok);
        reader.list(table, "never_block", &mut options.never_block, |net: String| network(&net));
    });
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{BadThreatList, Config, Problem, file};

    fn parse(keys: &str) -> Result<Config, Vec<Problem>> {
        file::parse(&format!("[response]\n{keys}"), Path::new("."), BadThreatList::Refused)
    }

    #[test]
    fn nothing_is_blocked_unless_configured() {
        let response = parse("never_block = [\"10.0.0.53\"]\n").unwrap().response;
        assert_eq!((response.auto_block, response.never_block.len()), (AutoBlock::Off, 1));
        let response = parse("auto_block = \"critical\"\ndry_run = true\n").unwrap().response;
        assert_eq!((response.auto_block, response.auto_block_for), (AutoBlock::Critical, 3_600));
        assert!(response.dry_run);
    }

    #[test]
    fn names_each_mistake() {
        for (keys, words) in [
            ("auto_block = \"high\"\n", "critical"),
            ("auto_block_for = 0\n", "1"),
            ("never_block = [\"dns.example\"]\n", "dns.example"),
        ] {
            let problems = parse(keys).unwrap_err();
            assert!(problems[0].message.contains(words), "{keys}: {problems:?}");
        }
    }
}
