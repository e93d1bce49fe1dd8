//! Whether an interface can be watched, and how its offloads affect the observations.

use sensor_common::headers::Link;

use super::{Line, line::Lines};
use crate::{
    config::Config,
    kernel::{
        attach::{AttachError, Attached, Ingress, TcMode},
        ethtool::Offloads,
        interface::Interface,
        object::KernelProgram,
    },
};

/// Tests one interface, if it exists.
pub(super) fn interface(
    name: &str,
    kernel: Option<&mut KernelProgram>,
    config: &Config,
    lines: &mut Lines,
) -> Option<Interface> {
    let interface = match Interface::named(name) {
        Ok(interface) => interface,
        Err(error) => {
            lines.push((name.to_owned(), Line::Missing(error.to_string())));
            return None;
        }
    };
    let Some(kernel) = kernel else {
        let text = "cannot be tried: the kernel program is not loaded (see above)".to_owned();
        lines.push((name.to_owned(), Line::Missing(text)));
        return Some(interface);
    };
    let (line, ingress) = tried(kernel, interface.clone(), config);
    lines.push((name.to_owned(), line));
    if let Some(ingress) = ingress {
        let line = match Offloads::of(name) {
            Ok(offloads) => offload_line(&offloads, ingress),
            Err(error) => Line::Limited(format!("cannot read the driver's settings: {error}")),
        };
        lines.push((format!("{name} offloads"), line));
    }
    Some(interface)
}

/// Attaches for a moment and reports the ways.
fn tried(kernel: &mut KernelProgram, interface: Interface, config: &Config) -> (Line, Option<Ingress>) {
    let attached = match Attached::new(kernel, interface, config.kernel.ingress, config.kernel.tc) {
        Ok(attached) => attached,
        Err(error) => {
            let line = match error {
                AttachError::Watched { process, .. } => {
                    let process = process.map_or_else(String::new, |process| format!(" (process {process})"));
                    Line::Ok(format!("watched by smb-sensor now{process}; not tried beside it"))
                }
                AttachError::Left { .. } => Line::Ok(
                    "an smb-sensor that does not run left its program here for its next run; not tried beside it".to_owned(),
                ),
                error => Line::Missing(error.to_string()),
            };
            return (line, None);
        }
    };
    let text = format!("{attached} (tried)");
    let line = match (attached.ingress, attached.egress) {
        (Ingress::XdpNative, TcMode::Tcx) => Line::Ok(text),
        (Ingress::XdpNative, TcMode::Clsact) => {
            Line::Limited(format!("{text}: the filter outlives a killed agent"))
        }
        // Nothing better is to be had there.
        (Ingress::Tc(TcMode::Tcx), TcMode::Tcx) if attached.interface.link == Link::Ip => Line::Ok(text),
        _ if attached.interface.link == Link::Ip => {
            Line::Limited(format!("{text}: each packet costs more than with TCX"))
        }
        _ => Line::Limited(format!("{text}: each packet costs more than with native XDP")),
    };
    (line, Some(attached.ingress))
}

/// How the offloads reduce accuracy with this hook.
fn offload_line(offloads: &Offloads, ingress: Ingress) -> Line {
    let mut lost = Vec::new();
    let native = ingress == Ingress::XdpNative;
    if offloads.lro == Some(true) {
        lost.push(
            "LRO joins incoming segments in hardware: packets in are counted too few (ethtool -K IF lro off)",
        );
    } else if offloads.gro == Some(true) && !native {
        lost.push("GRO joins incoming segments before they are seen: packets in are counted too few, bytes of headers too");
    }
    if offloads.rx_vlan == Some(true) && native {
        lost.push(
            "the hardware takes VLAN tags off before XDP: alerts name no VLAN of incoming packets (ethtool -K IF rxvlan off)",
        );
    }
    let description = description(offloads);
    if lost.is_empty() {
        Line::Ok(description)
    } else {
        Line::Limited(format!("{description}; {}", lost.join("; ")))
    }
}

/// The driver's settings. TC sees outgoing frames before TSO and GSO cut them.
fn description(offloads: &Offloads) -> String {
    let switches = [
        ("GRO", offloads.gro),
        ("LRO", offloads.lro),
        ("GSO", offloads.gso),
        ("TSO", offloads.tso),
        ("VLAN offload", offloads.rx_vlan),
    ];
    let mut words: Vec<String> = switches
        .iter()
        .map(|(name, state)| match state {
            Some(true) => format!("{name} on"),
            Some(false) => format!("{name} off"),
            None => format!("{name} unknown"),
        })
        .collect();
    if offloads.gso == Some(true) || offloads.tso == Some(true) {
        words.push("outgoing segments are counted before they are cut".to_owned());
    }
    let mut number = |name: &str, value: Option<(u32, u32)>| {
        if let Some((now, most)) = value {
            words.push(format!("{name} {now} of {most}"));
        }
    };
    number("receive ring", offloads.ring);
    number("channels", offloads.channels);
    if let Some(queues) = offloads.rx_queues {
        words.push(format!("receive queues {queues}"));
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Offloads = Offloads {
        gro: Some(false),
        lro: Some(false),
        gso: Some(false),
        tso: Some(false),
        rx_vlan: Some(false),
        ring: Some((256, 4096)),
        rx_queues: Some(4),
        channels: Some((4, 8)),
    };

    #[test]
    fn offload_is_a_limit_only_if_it_hides_packets() {
        let joined = Offloads { gro: Some(true), ..PLAIN };
        assert!(matches!(offload_line(&joined, Ingress::XdpNative), Line::Ok(_)));
        assert!(
            matches!(offload_line(&joined, Ingress::XdpGeneric), Line::Limited(text) if text.contains("GRO joins"))
        );
        let untagged = Offloads { rx_vlan: Some(true), ..PLAIN };
        assert!(
            matches!(offload_line(&untagged, Ingress::XdpNative), Line::Limited(text) if text.contains("rxvlan off"))
        );
        assert!(matches!(offload_line(&untagged, Ingress::Tc(TcMode::Tcx)), Line::Ok(_)));
        let lro = Offloads { lro: Some(true), ..PLAIN };
        assert!(
            matches!(offload_line(&lro, Ingress::XdpNative), Line::Limited(text) if text.contains("LRO"))
        );
    }

    #[test]
    fn unreported_driver_values_are_unknown() {
        let text = description(&Offloads::default());
        assert!(text.contains("GRO unknown") && !text.contains("ring"), "{text}");
        let text = description(&Offloads { tso: Some(true), ..PLAIN });
        assert!(text.contains("receive ring 256 of 4096") && text.contains("receive queues 4"), "{text}");
        assert!(text.contains("before they are cut"), "{text}");
        assert!(text.contains("VLAN offload off") && !text.contains("off on"), "{text}");
    }
}
