//! Activity over hours, days and weeks.

use crate::shows;

#[test]
fn a_dead_server_tried_twenty_times_is_one_low_incident() {
    shows("dead-server-20-times");
}

#[test]
fn a_dead_server_tried_for_a_day_is_one_low_incident() {
    shows("dead-server-a-day");
}

#[test]
fn a_dead_server_tried_for_a_week_is_one_low_incident() {
    shows("dead-server-a-week");
}

#[test]
fn a_daily_backup_is_one_incident_that_goes_on_quietly() {
    shows("daily-backup");
}

#[test]
fn a_session_kept_alive_every_two_hours_is_one_connection_of_one_incident() {
    shows("idle-keep-alives");
}

#[test]
fn echoes_after_a_share_are_no_data() {
    shows("echo");
}

#[test]
fn echoes_without_a_log_on_are_smb_and_no_data() {
    shows("echo-only");
}
