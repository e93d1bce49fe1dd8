//! Content that leaves or arrives.

use crate::shows;

#[test]
fn fifty_mebibytes_in_one_file_are_one_critical_incident() {
    shows("upload-50-mib");
}

#[test]
fn a_thousand_small_files_are_one_critical_incident() {
    shows("upload-1000-files");
}

#[test]
fn twelve_sessions_of_one_mebibyte_are_one_incident_with_their_sum() {
    shows("upload-12-sessions");
}

#[test]
fn what_leaves_before_and_after_a_restart_is_one_incident_with_the_sum() {
    shows("upload-over-restart");
}

#[test]
fn an_encrypted_upload_is_one_critical_incident_that_says_so() {
    shows("upload-encrypted");
}

#[test]
fn a_copy_by_rclone_is_one_critical_incident() {
    shows("upload-rclone");
}

#[test]
fn a_download_is_one_incident_that_names_no_exfiltration() {
    shows("download");
}

#[test]
fn a_session_that_is_idle_over_a_restart_is_one_connection_of_one_incident() {
    shows("idle-over-restart");
}
