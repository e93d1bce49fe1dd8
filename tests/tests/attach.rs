//! Every way to attach sees a whole session, reports its name, and leaves nothing behind.

use anyhow::{Result, ensure};
use sensor_lab::{Smbd, Topology, address, require_lab};
use sensor_tests::{
    Agent, EvidenceLevel, attached, evidence, has_tcx, has_xdp_frags, on_this_kernel, reaches, smb_session,
};

/// Runs an agent with `arguments` over a real session; it has to say `how` it watches, to be attached as
/// `programs`, to alert with data seen by `hooks` and to leave nothing attached. On a kernel without TCX, clsact filters take its
/// place.
fn watches(border: &Topology, arguments: &[&str], how: &str, programs: &[&str]) -> Result<()> {
    let how = if has_tcx()? { how.to_owned() } else { how.replace("TCX", "TC clsact") };
    let programs = on_this_kernel(programs)?;
    let _smbd = Smbd::start(border.server())?;
    let agent = Agent::on(border.gateway(), "lan0").arguments(arguments).start()?;
    let said = agent.wait_for_log("watching lan0:")?;
    ensure!(said.ends_with(&how), "{said}");
    let found = attached(border.gateway(), "lan0")?;
    ensure!(found == programs, "attached: {found:?}");
    smb_session(border.client(), address::SERVER_V4)?;
    agent.wait_for(reaches("smb-to-internet", EvidenceLevel::Share))?;
    let ended = agent.stop()?;
    let alert = ended.found("smb-to-internet")?;
    ensure!(evidence(alert) >= Some(EvidenceLevel::Smb), "{alert:#}");
    ensure!(alert["smb_sensor"]["smb"]["one_sided"] == false, "{alert:#}");
    ensure!(ended.number("kept")? == ended.number("accounted")?, "{}", ended.statistics);
    let left = attached(border.gateway(), "lan0")?;
    ensure!(left.is_empty(), "still attached: {left:?}");
    Ok(())
}

const XDP: &str = "xdp smb_xdp_frags";
const TCX_IN: &str = "tcx ingress smb_tc_in";
const TCX_OUT: &str = "tcx egress smb_tc_out";
const FILTER_IN: &str = "filter ingress smb_tc_in";
const FILTER_OUT: &str = "filter egress smb_tc_out";

#[test]
fn auto_takes_native_xdp_and_tcx() {
    require_lab!();
    let border = Topology::border().unwrap();
    let how = "incoming by native XDP, outgoing by TCX";
    watches(&border, &[], how, &[XDP, TCX_OUT]).unwrap();
}

#[test]
fn generic_xdp_sees_a_session() {
    require_lab!();
    let border = Topology::border().unwrap();
    let how = "incoming by generic XDP, outgoing by TCX";
    let arguments = ["--ingress", "xdp-generic"];
    watches(&border, &arguments, how, &[XDP, TCX_OUT]).unwrap();
}

#[test]
fn tcx_alone_sees_a_session() {
    require_lab!();
    let border = Topology::border().unwrap();
    let how = "incoming by TCX, outgoing by TCX";
    watches(&border, &["--ingress", "tc"], how, &[TCX_IN, TCX_OUT]).unwrap();
}

#[test]
fn clsact_filter_beside_native_xdp_sees_a_session() {
    require_lab!();
    let border = Topology::border().unwrap();
    let how = "incoming by native XDP, outgoing by TC clsact";
    watches(&border, &["--tc", "clsact"], how, &[XDP, FILTER_OUT]).unwrap();
}

#[test]
fn clsact_filters_alone_see_a_session() {
    require_lab!();
    let border = Topology::border().unwrap();
    let how = "incoming by TC clsact, outgoing by TC clsact";
    let arguments = ["--ingress", "tc", "--tc", "clsact"];
    watches(&border, &arguments, how, &[FILTER_IN, FILTER_OUT]).unwrap();
}

#[test]
fn native_xdp_watches_jumbo_frames() {
    require_lab!();
    let border = Topology::builder().mtu(9000).build().unwrap();
    let how = if has_xdp_frags() {
        "incoming by native XDP, outgoing by TCX"
    } else {
        "incoming by generic XDP, outgoing by TCX (native XDP: the interface's MTU is too large for it)"
    };
    watches(&border, &[], how, &[XDP, TCX_OUT]).unwrap();
}
