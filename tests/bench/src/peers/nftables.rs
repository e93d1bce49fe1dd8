//! An nftables rule at the netdev ingress hook that matches the packets that the sensor keeps.

use anyhow::Result;
use ipnet::IpNet;
use sensor_common::prefix::PrefixFlags;
use sensor_user::{config::Config, plan};

use super::run;
use crate::stand::{RECEIVER, Stand};

/// Installs the rule on the receiver of a stand: watched ports, internal source, destination neither internal nor reserved;
/// counts matches. Unlike the sensor it keeps no flows and reports nothing.
pub(crate) fn install(stand: &Stand) -> Result<()> {
    let mut command = stand.receiver.command("nft");
    run(command.arg(rules()), "nftables")
}

fn rules() -> String {
    let prefixes = plan::prefixes(&Config::default());
    let of = |wanted: PrefixFlags| {
        let nets = prefixes.iter().filter_map(|(net, flags)| match net {
            IpNet::V4(net) if flags.contains(wanted) => Some(net.to_string()),
            _ => None,
        });
        nets.collect::<Vec<_>>().join(", ")
    };
    let (internal, reserved) = (of(PrefixFlags::INTERNAL), of(PrefixFlags::RESERVED));
    format!(
        "table netdev bench {{
            set internal {{ type ipv4_addr; flags interval; auto-merge; elements = {{ {internal} }} }}
            set reserved {{ type ipv4_addr; flags interval; auto-merge; elements = {{ {reserved} }} }}
            chain ingress {{
                type filter hook ingress device \"{RECEIVER}\" priority 0; policy accept;
                tcp dport {{ 135, 139, 445 }} ip saddr @internal ip daddr != @internal ip daddr != @reserved counter
                udp dport {{ 137, 138 }} ip saddr @internal ip daddr != @internal ip daddr != @reserved counter
            }}
        }}"
    )
}
