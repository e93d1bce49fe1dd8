//! Whether alerts will name processes.

use super::Line;
use crate::{
    config::{AttributionChoice, ProcessOptions},
    kernel::{owner::OwnerPrograms, privileges},
    owner::{Reach, reach},
};

/// Whether alerts will name processes; with `attach` the programs are attached for a moment, like those of interfaces.
/// Without them the sensor still runs; only a configured cgroup must exist.
pub(super) fn attribution(options: &ProcessOptions, attach: bool) -> Line {
    const LOST: &str = "alerts name no process";
    if options.attribution == AttributionChoice::Off {
        return Line::Ok("off, as configured".to_owned());
    }
    let reach = match reach(options) {
        Ok(reach) => reach,
        Err(reason) if options.cgroup.is_some() => return Line::Missing(reason),
        Err(reason) => return Line::Limited(format!("{LOST}: {reason}")),
    };
    if !privileges::missing().is_empty() {
        return Line::Limited(format!("{LOST}: cannot be tried without the privileges above"));
    }
    let tried = match OwnerPrograms::load() {
        Ok(programs) if attach => programs.attach(&reach.folder).map(|_| "tried"),
        Ok(_) => Ok("accepted by the verifier"),
        Err(error) => Err(error),
    };
    match tried {
        Ok(how) => reach_line(&reach, how),
        Err(error) => Line::Limited(format!("{LOST}: {error}")),
    }
}

fn reach_line(reach: &Reach, how: &str) -> Line {
    let text = format!("connections opened by processes below {} ({how})", reach.folder.display());
    let lost = reach.lost();
    if lost.is_empty() { Line::Ok(text) } else { Line::Limited(format!("{text}; {}", lost.join("; "))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_attribution_by_its_reach() {
        let all = Reach {
            folder: "/sys/fs/cgroup".into(),
            whole: true,
            numbers_mean_the_same: true,
            reads_others: true,
        };
        assert!(matches!(reach_line(&all, "tried"), Line::Ok(_)));
        for (less, word) in [
            (Reach { whole: false, ..all.clone() }, "cgroup"),
            (Reach { numbers_mean_the_same: false, ..all.clone() }, "--pid=host"),
            (Reach { reads_others: false, ..all.clone() }, "CAP_SYS_PTRACE"),
        ] {
            assert!(
                matches!(reach_line(&less, "tried"), Line::Limited(text) if text.contains(word)),
                "{word}"
            );
        }
    }

    #[test]
    fn configured_cgroup_must_exist() {
        let options =
            ProcessOptions { cgroup: Some("/nonexistent/cgroup".into()), ..ProcessOptions::default() };
        assert!(
            matches!(attribution(&options, false), Line::Missing(text) if text.contains("/nonexistent/cgroup"))
        );
        let off = ProcessOptions { attribution: AttributionChoice::Off, ..options };
        assert!(matches!(attribution(&off, false), Line::Ok(_)));
    }
}
