//! The arguments of `exempt add` as an exemption: every mistake names its option.

use std::net::IpAddr;

use anyhow::{Result, anyhow, bail};
use ipnet::IpNet;

use super::{Added, End, Exemption, arguments::AddArgs};
use crate::{
    config::{Config, networks},
    parse::{as_ipv4, expiry_or_duration},
    rfc3339::rfc3339,
};
use sensor_core::networks::inner;
use sensor_core::time::Timestamp;

/// The exemption, with notes for the user.
pub(crate) struct Entered {
    pub(crate) one: Exemption,
    pub(crate) notes: Vec<String>,
}

/// Reads the arguments at `now`.
///
/// # Errors
/// The first mistake, with its option.
pub(crate) fn entered(config: &Config, entry: &AddArgs, now: Timestamp) -> Result<Entered> {
    let mut notes = Vec::new();
    let source = end(config, "--source", &entry.source, &mut notes)?;
    let destination = end(config, "--destination", &entry.destination, &mut notes)?;
    let expires = entry.expires.as_deref().map(|when| expiry_or_duration(when, now)).transpose();
    let expires = expires.map_err(|wrong| anyhow!("--expires: {wrong}"))?;
    if expires.is_some_and(|expires| expires <= now) {
        bail!("--expires: that is over already");
    }
    let one = Exemption {
        source,
        destination,
        services: entry.service.clone(),
        process: entry.process.clone(),
        reason: entry.reason.clone(),
        expires,
        added: Some(Added { by: user_who_asks(), at: now }),
        id: String::new(),
    };
    if one.covers_everything() {
        bail!(
            "{one} covers everything, which switches the sensor off; nothing was changed. Narrow it with --source, --destination, \
             --service or --process"
        );
    }
    if one.can_never_match() {
        bail!(
            "{one} has IPv4 addresses alone at one end and IPv6 addresses alone at the other: no connection is like that; \
             nothing was changed"
        );
    }
    let id = entry.id.clone().unwrap_or_else(|| one.natural_id());
    let one = Exemption { id, ..one };
    notes.extend(one.too_broad(&config.watched()));
    Ok(Entered { one, notes })
}

fn end(config: &Config, option: &str, words: &[String], notes: &mut Vec<String>) -> Result<Option<End>> {
    let (mut written, mut all) = (Vec::new(), Vec::new());
    for word in words {
        let nets = networks(word, &config.lists, "[lists] in the file of --config")
            .map_err(|wrong| anyhow!("{option}: {wrong} (nothing was changed)"))?;
        all.extend(nets);
        written.push(match unmapped(word) {
            Some(other) => {
                notes.push(format!(
                    "{word} is the IPv4 network {other} in another form, and is treated as that"
                ));
                other
            }
            None => word.clone(),
        });
    }
    Ok((!written.is_empty()).then(|| End::new(written, &all)))
}

/// The IPv4 network of a mapped one.
fn unmapped(word: &str) -> Option<String> {
    let net = word.parse::<IpAddr>().map(IpNet::from).or_else(|_| word.parse()).ok()?;
    as_ipv4(net).map(|net| net.to_string())
}

/// Notes that an IPv6 address with an IPv4 address inside is treated as that.
pub(super) fn in_another_form(address: IpAddr) -> Option<String> {
    let inner = inner(address)?;
    Some(format!("{address} is the IPv4 address {inner} in another form, and is treated as that"))
}

/// The user who types, even behind sudo.
fn user_who_asks() -> String {
    let of_process = || {
        let user = nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten();
        user.map_or_else(|| nix::unistd::getuid().to_string(), |user| user.name)
    };
    std::env::var("SUDO_USER").unwrap_or_else(|_| of_process())
}

/// Refuses an exemption whose name exists; `added` are the exemptions added by command.
///
/// # Errors
/// The existing one, and what to do.
pub(super) fn is_new(config: &Config, added: &[Exemption], one: &Exemption) -> Result<()> {
    let configured = config.exemptions.iter().position(|known| known.id == one.id);
    let in_the_way = match configured {
        Some(at) => config.exemptions.get(at),
        None => added.iter().find(|known| known.id == one.id),
    };
    let Some(known) = in_the_way else { return Ok(()) };
    let id = &known.id;
    let same = if known.natural_id() == one.natural_id() { ", which covers the same" } else { "" };
    let (origin, remedy) = match (configured, &known.added) {
        (Some(at), _) => (config.places.exemption(at).to_string(), "remove it there".to_owned()),
        (None, Some(added)) => (
            format!("added by {} at {}", added.by, rfc3339(added.at)),
            format!("take it out with `smb-sensor exempt remove {id}`"),
        ),
        (None, None) => ("added".to_owned(), format!("take it out with `smb-sensor exempt remove {id}`")),
    };
    bail!(
        "there is an exemption {id} already{same}: {known} (reason: {}; {origin}); nothing was changed. To replace it, {remedy}; to \
         keep both, give this one another name with --id",
        known.reason
    )
}
