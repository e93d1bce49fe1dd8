//! Log-ons from the Internet.

use crate::shows;

#[test]
fn a_hundred_guesses_of_which_one_is_right_are_one_critical_incident() {
    shows("guessing");
}

#[test]
fn a_hundred_guesses_by_hydra_over_smb_1_are_one_critical_incident() {
    shows("guessing-hydra");
}

#[test]
fn one_password_tried_for_forty_users_is_one_high_incident() {
    shows("spraying");
}

#[test]
fn a_port_that_answers_the_internet_is_one_medium_incident() {
    shows("exposed-service");
}

#[test]
fn a_log_on_after_a_flood_is_reported_within_two_seconds() {
    shows("flood-then-log-on");
}

#[test]
fn a_service_that_is_created_from_outside_is_one_critical_incident() {
    shows("remote-execution");
}

#[test]
fn a_registry_that_is_written_from_outside_is_one_critical_incident() {
    shows("remote-registry");
}

#[test]
fn a_registry_key_that_is_created_by_samba_from_outside_is_one_critical_incident() {
    shows("remote-registry-by-samba");
}

#[test]
fn a_task_that_is_run_from_outside_is_one_critical_incident() {
    shows("remote-task");
}

#[test]
fn a_job_that_is_added_from_outside_is_one_critical_incident() {
    shows("remote-job");
}

#[test]
fn guesses_that_are_minutes_apart_are_one_high_incident() {
    shows("slow-guessing");
}
