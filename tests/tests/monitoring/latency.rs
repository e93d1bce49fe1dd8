//! `/metrics` shows how long the stages take, and the cost of the kernel programs.

use sensor_lab::{Topology, require_lab};
use sensor_tests::{Agent, PATIENCE};

use crate::{CONFIG, converse, http::wait_for, kernel_measures::KernelMeasures};

/// The value of a line without its labels and name.
fn value(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

#[test]
fn each_stage_of_an_incident_is_observed_in_seconds() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let gateway = border.gateway();
    let agent = Agent::on(gateway, "lan0").config(CONFIG).start().unwrap();
    converse(&border).unwrap();
    let delivered = "smb_sensor_output_delivery_duration_seconds_count{output=\"output\"}";
    let text = wait_for(gateway, "/metrics", PATIENCE, |answer| {
        value(&answer.body, delivered).is_some_and(|count| count > 0.0)
    })
    .unwrap()
    .body;
    for stage in ["read", "core", "store"] {
        let of = |part: &str| {
            let name = format!("smb_sensor_stage_duration_seconds_{part}{{stage=\"{stage}\"}}");
            value(&text, &name).unwrap_or_else(|| panic!("no {name} in\n{text}"))
        };
        let count = of("count");
        assert!(count > 0.0, "{stage} was not observed");
        let sum = of("sum");
        assert!(sum < 10.0 * count, "{stage}: {count} observations of {sum} s in all");
    }
    let bounds = text.lines().filter(|line| {
        line.starts_with("smb_sensor_stage_duration_seconds_bucket") && line.contains("stage=\"store\"")
    });
    assert_eq!(bounds.count(), 17, "buckets from 0.1 ms to 10 s and beyond");
    agent.stop().unwrap();
}

#[test]
fn cost_of_programs_is_absent_unless_the_kernel_measures_it() {
    require_lab!(Network);
    let kernel = KernelMeasures::set(false).unwrap();
    let border = Topology::border().unwrap();
    let gateway = border.gateway();
    let agent = Agent::on(gateway, "lan0").config(CONFIG).start().unwrap();
    converse(&border).unwrap();
    let seen = |text: &str| value(text, "smb_sensor_packets_seen_total").is_some_and(|count| count > 0.0);
    let text = wait_for(gateway, "/metrics", PATIENCE, |answer| seen(&answer.body)).unwrap().body;
    assert!(!text.contains("smb_sensor_program_runs_total{"), "{text}");
    assert!(!text.contains("smb_sensor_program_run_time_seconds_total{"), "{text}");

    kernel.switch(true).unwrap();
    converse(&border).unwrap();
    let of = |text: &str, metric: &str| value(text, &format!("{metric}{{program=\"smb_tc_out\"}}"));
    let text = wait_for(gateway, "/metrics", PATIENCE, |answer| {
        of(&answer.body, "smb_sensor_program_runs_total").is_some_and(|count| count > 0.0)
    })
    .unwrap()
    .body;
    let time = of(&text, "smb_sensor_program_run_time_seconds_total").unwrap();
    let count = of(&text, "smb_sensor_program_runs_total").unwrap();
    assert!(time > 0.0 && time < 0.01 * count, "{count} packets took {time} s");
    agent.stop().unwrap();
}
