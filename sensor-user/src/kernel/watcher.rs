//! Finds the running smb-sensor that watches an interface.

use std::{fs, path::Path};

/// The process number of another smb-sensor in this network namespace whose XDP program is on the interface with this
/// index, from the kernel's information about its descriptors; `None` if those are not readable.
#[must_use]
pub fn watcher_of(index: u32) -> Option<u32> {
    let here = fs::read_link("/proc/self/ns/net").ok()?;
    let processes = fs::read_dir("/proc").ok()?.flatten();
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|id| *id != std::process::id())
        .find(|id| {
            let process = Path::new("/proc").join(id.to_string());
            let name = fs::read_to_string(process.join("comm"));
            name.is_ok_and(|name| name.trim_end() == "smb-sensor")
                && fs::read_link(process.join("ns/net")).is_ok_and(|there| there == here)
                && holds(&process.join("fdinfo"), index)
        })
}

/// Whether a descriptor below `folder` is an XDP link on the interface.
fn holds(folder: &Path, index: u32) -> bool {
    let descriptors = fs::read_dir(folder).into_iter().flatten().flatten();
    // A descriptor may be closed meanwhile.
    descriptors.filter_map(|entry| fs::read_to_string(entry.path()).ok()).any(|info| is_link(&info, index))
}

fn is_link(info: &str, index: u32) -> bool {
    let value = |key: &str| info.lines().find_map(|line| Some(line.strip_prefix(key)?.trim()));
    value("link_type:") == Some("xdp")
        && value("ifindex:").and_then(|number| number.parse().ok()) == Some(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_link_by_type_and_interface() {
        let info = "pos:\t0\nlink_type:\txdp\nlink_id:\t7\nprog_tag:\tab\nprog_id:\t9\nifindex:\t12\n";
        assert!(is_link(info, 12) && !is_link(info, 1));
        assert!(!is_link(&info.replace("xdp", "tcx"), 12));
        assert!(!is_link("pos:\t0\n", 0));
    }

    #[test]
    fn nothing_watches_a_missing_interface() {
        assert_eq!(watcher_of(u32::MAX), None);
    }
}
