//! `[[exempt]]`: entries of the configuration, and of the file of exemptions that were added by command.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    slice,
};

use ipnet::IpNet;
use toml_span::{Span, Value, de_helpers::TableHelper, value::ValueInner};

use super::{
    Lists, Problem, Service,
    exemption_text::{identifier, plain, process, reason},
    file,
    reader::Reader,
    value::port,
};
use sensor_core::{
    enrichment::ConfiguredName,
    exempt::{Added, End, Exemption, Spoken},
};

use crate::{
    names::{NamedAddresses, ResolvedNames, is_name, normal},
    parse::{expiry, network},
};

/// Names that are kept of an address.
const MAX_NAMES: usize = 4;

/// Reads the entries of a file that has nothing else, each with its author.
///
/// # Errors
/// Every mistake, in the order of the file.
pub fn parse_added(text: &str, lists: &Lists) -> Result<Vec<Exemption>, Vec<Problem>> {
    let mut all = Vec::new();
    file::read(text, |reader, table| all = entries(reader, table, lists, true))?;
    Ok(all)
}

/// Reads the entries of the configuration.
pub(super) fn read(reader: &mut Reader, table: &mut TableHelper<'_>, lists: &Lists) -> Vec<Exemption> {
    entries(reader, table, lists, false)
}

fn entries(reader: &mut Reader, table: &mut TableHelper<'_>, lists: &Lists, added: bool) -> Vec<Exemption> {
    let mut known = BTreeMap::new();
    reader.tables(table, "exempt", |reader, table, span| {
        let exemption = entry(reader, table, span, lists, added);
        if let Some(above) = known.insert(exemption.id.clone(), exemption.to_string()) {
            let id = &exemption.id;
            reader.mistake(
                span,
                format!("there is an exemption {id} above already ({above}): take one out, or give it another `id`"),
            );
        }
        exemption
    })
}

fn entry(
    reader: &mut Reader,
    table: &mut TableHelper<'_>,
    span: Span,
    lists: &Lists,
    added: bool,
) -> Exemption {
    let before = reader.errors.len();
    let mut one = Exemption::default();
    let (mut by, mut at) = (String::new(), None);
    reader.value(table, "id", &mut one.id, |id: String| identifier(&id));
    one.source = end(reader, table, "source", lists);
    one.destination = end(reader, table, "destination", lists);
    one.services = services(reader, table);
    reader.value(table, "process", &mut one.process, |name: String| process(&name).map(Some));
    reader.value(table, "reason", &mut one.reason, |text: String| reason(&text));
    reader.value(table, "expires", &mut one.expires, |time: String| expiry(&time).map(Some));
    if added {
        reader.value(table, "added_by", &mut by, |name: String| plain(&name));
        reader.value(table, "added_at", &mut at, |time: String| expiry(&time).map(Some));
        one.added = Some(Added { by, at: at.unwrap_or_default() });
    }
    if reader.errors.len() == before {
        if one.covers_everything() {
            reader.mistake(
                span,
                "this exemption covers everything, which switches the sensor off: narrow it with `source`, `destination`, \
                 `service` or `process`",
            );
        } else if one.reason.is_empty() {
            reader.mistake(span, "this exemption has no `reason`: say why the traffic is safe");
        }
    }
    if one.id.is_empty() {
        one.id = one.natural_id();
    }
    one
}

/// One end: networks and names of lists.
fn end(reader: &mut Reader, table: &mut TableHelper<'_>, name: &'static str, lists: &Lists) -> Option<End> {
    let (_, items) = reader.some(table, name)?;
    let (mut written, mut all) = (Vec::new(), Vec::new());
    for item in items {
        let span = item.span;
        let Some(text) = text(reader, name, item) else { continue };
        match networks(&text, lists, "[lists]") {
            Ok(nets) => all.extend(nets),
            Err(wrong) => reader.mistake(span, format!("`{name}`: {wrong}")),
        }
        written.push(text);
    }
    Some(End::new(written, &all))
}

/// The DNS names in exemptions and in the lists that they name.
pub(super) fn names(exemptions: &[Exemption], lists: &Lists) -> BTreeSet<String> {
    let ends = exemptions.iter().flat_map(|one| [&one.source, &one.destination]).flatten();
    ends.flat_map(|end| &end.written).flat_map(|word| names_of(word, lists)).cloned().collect()
}

/// The DNS names that a word of an end stands for.
fn names_of<'a>(word: &'a String, lists: &'a Lists) -> &'a [String] {
    match lists.get(word) {
        Some(list) => &list.names,
        None if is_name(word) => slice::from_ref(word),
        None => &[],
    }
}

/// Gives the exemptions the addresses of the names in them.
pub(super) fn resolve(exemptions: &mut [Exemption], lists: &Lists, resolved: &ResolvedNames) {
    let ends = exemptions.iter_mut().flat_map(|one| [&mut one.source, &mut one.destination]).flatten();
    for end in ends {
        let names: Vec<_> = end.written.iter().flat_map(|word| names_of(word, lists)).collect();
        if names.is_empty() {
            continue;
        }
        let written =
            end.written.iter().flat_map(|word| networks(word, lists, "[lists]").unwrap_or_default());
        let resolved = names.iter().flat_map(|name| resolved.networks(name).unwrap_or_default());
        *end = End::new(end.written.clone(), &written.chain(resolved).collect());
    }
}

/// The addresses that are known of DNS names in exemptions and in the lists that they name, each with its names and where these are
/// written.
pub(super) fn named(exemptions: &[Exemption], lists: &Lists, resolved: &ResolvedNames) -> NamedAddresses {
    let mut origins: BTreeMap<String, String> = BTreeMap::new();
    for one in exemptions {
        let ends = [&one.source, &one.destination].into_iter().flatten();
        for word in ends.flat_map(|end| &end.written) {
            let origin = origin(word, one, lists);
            for name in names_of(word, lists) {
                origins.entry(normal(name)).or_insert_with(|| origin.clone());
            }
        }
    }
    let mut named = NamedAddresses::new();
    for (name, origin) in origins {
        for net in resolved.networks(&name).unwrap_or_default() {
            let names = named.entry(net.addr()).or_default();
            // An IPv4 address may be among the answers twice: as such, and as one of NAT64.
            if names.len() < MAX_NAMES && names.iter().all(|known| known.name != name) {
                names.push(ConfiguredName { name: name.clone(), origin: origin.clone() });
            }
        }
    }
    named
}

/// The place of a word's DNS names: a list or the exemption itself.
fn origin(word: &str, exemption: &Exemption, lists: &Lists) -> String {
    if lists.contains_key(word) { format!("list {word}") } else { format!("exemption {}", exemption.id) }
}

/// The first DNS name at one end of an exemption that stands for an address, and the place of that name.
pub(super) fn name_of(
    (exemption, end): (&Exemption, &End),
    address: IpAddr,
    lists: &Lists,
    resolved: &ResolvedNames,
) -> Option<ConfiguredName> {
    end.written.iter().find_map(|word| {
        let name = names_of(word, lists).iter().find(|name| resolved.has(name, address))?;
        Some(ConfiguredName { name: normal(name), origin: origin(word, exemption, lists) })
    })
}

/// The networks of an end: a network, an address, or the networks of a list of `section`. A DNS name has none of its own.
///
/// # Errors
/// What is wrong with it, and which lists there are.
pub(crate) fn networks(word: &str, lists: &Lists, section: &str) -> Result<Vec<IpNet>, String> {
    if let Some(list) = lists.get(word) {
        return Ok(list.networks.clone());
    }
    if is_name(word) {
        // Its addresses are added once they are known.
        return Ok(vec![]);
    }
    network(word).map(|net| vec![net]).map_err(|wrong| {
        if word.parse::<IpNet>().is_ok() {
            return wrong;
        }
        let known: Vec<_> = lists.keys().map(String::as_str).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        format!("{wrong}; or write a DNS name with a dot, or a list of {section} (there: {known})")
    })
}

fn services(reader: &mut Reader, table: &mut TableHelper<'_>) -> Vec<Spoken> {
    let Some((_, items)) = reader.some(table, "service") else { return vec![] };
    let mut services = Vec::new();
    for mut item in items {
        let span = item.span;
        let spoken = match item.take() {
            ValueInner::Integer(number) => port(number).map(Spoken::Port),
            ValueInner::String(name) => service(&name),
            other => Err(format!("{} is neither a name nor a port", other.type_str())),
        };
        match spoken {
            Ok(spoken) => services.push(spoken),
            Err(wrong) => reader.mistake(span, format!("`service`: {wrong}")),
        }
    }
    services
}

/// A service by its name, or a port.
///
/// # Errors
/// The allowed names.
pub fn service(word: &str) -> Result<Spoken, String> {
    match word {
        "smb" => Ok(Spoken::Service(Service::Smb)),
        "rpc" => Ok(Spoken::Service(Service::Rpc)),
        "netbios" => Ok(Spoken::Service(Service::Netbios)),
        "quic" => Ok(Spoken::Service(Service::SmbOverQuic)),
        "webdav" => Ok(Spoken::Service(Service::WebDav)),
        number => match number.parse() {
            Ok(number) => port(number).map(Spoken::Port),
            Err(_) => Err(format!("{word:?} is unknown; write smb, rpc, netbios, quic, webdav or a port")),
        },
    }
}

fn text(reader: &mut Reader, name: &str, mut value: Value<'_>) -> Option<String> {
    let span = value.span;
    match value.take() {
        ValueInner::String(text) => Some(text.into_owned()),
        other => {
            reader.mistake(span, format!("`{name}`: a text in quotes expected, {} found", other.type_str()));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::BadThreatList;

    fn parse(text: &str) -> Result<Vec<Exemption>, Vec<Problem>> {
        file::parse(text, Path::new("."), BadThreatList::Refused).map(|config| config.exemptions)
    }

    fn wrong(text: &str) -> String {
        parse(text).unwrap_err().remove(0).message
    }

    #[test]
    fn name_covers_nothing_until_it_is_resolved() {
        let text = "[lists]\n\"sites.x\" = [\"192.0.2.0/24\"]\n[[exempt]]\nid = \"a\"\nsource = \"10.0.0.0/8\"\n\
                    destination = [\"files.example\", \"8.8.4.4\", \"sites.x\"]\nreason = \"backup\"\n";
        let mut config = file::parse(text, Path::new("."), BadThreatList::Refused).unwrap();
        assert_eq!(
            config.names(),
            BTreeSet::from(["files.example".to_owned()]),
            "a list of that name comes first"
        );
        let destination = |config: &crate::config::Config| config.exemptions[0].destination.clone().unwrap();
        assert_eq!(destination(&config).networks().len(), 2);
        let mut resolved = ResolvedNames::default();
        let address = "9.9.9.9".parse().unwrap();
        resolved.learn(
            "files.example",
            &[address],
            std::time::Duration::ZERO,
            sensor_core::time::Timestamp::default(),
        );
        let lists = config.lists.clone();
        resolve(&mut config.exemptions, &lists, &resolved);
        let end = destination(&config);
        assert!(end.networks().len() == 3 && end.to_string() == "files.example, 8.8.4.4, sites.x", "{end:?}");
        let alone =
            parse("[[exempt]]\nsource = \"10.0.0.1\"\ndestination = \"files.example\"\nreason = \"x\"\n")
                .unwrap();
        assert!(!alone[0].covers_everything() && !alone[0].can_never_match());
        assert!(
            alone[0].prefixes(0).iter().all(|(net, _)| net.to_string() == "10.0.0.1/32"),
            "{:?}",
            alone[0].prefixes(0)
        );
    }

    #[test]
    fn addresses_have_the_names_that_stand_for_them_and_where_these_are_written() {
        let text = "[lists]\nprovider = [\"Files.example.\", \"192.0.2.0/24\"]\nunused = [\"other.example\"]\n\
                    [[exempt]]\nid = \"a\"\nsource = \"10.0.0.1\"\ndestination = [\"provider\", \"9.9.9.9\"]\nreason = \"x\"\n\
                    [[exempt]]\nid = \"b\"\ndestination = [\"backup.example\", \"files.example\"]\nreason = \"x\"\n";
        let config = file::parse(text, Path::new("."), BadThreatList::Refused).unwrap();
        let mut resolved = ResolvedNames::default();
        let [one, other]: [IpAddr; 2] = ["8.8.4.4", "8.8.4.5"].map(|text| text.parse().unwrap());
        for (name, answer) in [
            ("files.example", vec![one]),
            ("backup.example", vec![one, other]),
            ("other.example", vec![other]),
        ] {
            resolved.learn(name, &answer, std::time::Duration::ZERO, sensor_core::time::Timestamp::default());
        }
        let named = named(&config.exemptions, &config.lists, &resolved);
        let names =
            |address: &IpAddr| named[address].iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let backup = "backup.example (DNS name in exemption b)";
        assert_eq!(names(&one), format!("{backup}, files.example (DNS name in list provider)"));
        assert_eq!((names(&other).as_str(), named.len()), (backup, 2), "no exemption names the other list");
    }

    #[test]
    fn exemption_needs_a_reason_and_a_scope() {
        assert!(wrong("[[exempt]]\nsource = \"10.0.0.1\"\n").contains("reason"));
        assert!(wrong("[[exempt]]\nreason = \"x\"\n").contains("covers everything"));
        assert!(wrong("exempt = 3\n").contains("[[exempt]]"));
        let fine =
            parse("[[exempt]]\nsource = \"10.0.0.1\"\ndestination = \"8.8.4.0/24\"\nreason = \"backup\"\n")
                .unwrap();
        assert_eq!(fine.len(), 1);
        assert_eq!(fine[0].id.len(), 8);
    }

    #[test]
    fn reads_every_part_of_an_entry() {
        let text = "[lists]\nprovider = [\"198.51.100.0/24\", \"203.0.113.0/24\"]\n\
            [[exempt]]\nid = \"nightly\"\nsource = [\"10.0.0.1\", \"10.0.1.0/24\"]\ndestination = \"provider\"\n\
            service = [\"smb\", 4445]\nprocess = \"/usr/sbin/backupd\"\nreason = \"copies\"\nexpires = \"2030-06-30\"\n";
        let one = parse(text).unwrap().remove(0);
        assert_eq!(one.id, "nightly");
        assert_eq!(one.destination.as_ref().unwrap().networks().len(), 2);
        assert_eq!(one.services, [Spoken::Service(Service::Smb), Spoken::Port(4445)]);
        assert_eq!(one.expires, expiry("2030-06-30").ok());
        assert_eq!(one.to_string(), "10.0.0.1, 10.0.1.0/24 -> provider (smb, 4445) by /usr/sbin/backupd");
    }

    #[test]
    fn reports_a_wrong_entry_with_the_allowed_values() {
        let with = |line: &str| wrong(&format!("[[exempt]]\nreason = \"x\"\n{line}\n"));
        assert!(with("source = \"offices\"").contains("there: none"));
        assert!(with("source = []").contains("empty list"));
        assert!(with("source = 3").contains("text in quotes"));
        assert!(with("service = \"ftp\"").contains("smb, rpc, netbios"));
        assert!(with("service = 70000").contains("1 to 65535"));
        assert!(with("source = \"10.0.0.1\"\nexpires = \"tomorrow\"").contains("2030-06-30"));
        assert!(with("source = \"10.0.0.1\"\nid = \"a b\"").contains("letters, digits"));
        assert!(with("source = \"10.0.0.1\"\nadded_by = \"me\"").contains("unknown key `added_by`"));
        assert!(wrong("[[exempt]]\nsource = \"10.0.0.1\"\nreason = \"a\\nb\"\n").contains("control"));
    }

    #[test]
    fn refuses_the_same_exemption_twice() {
        let one = "[[exempt]]\nsource = \"10.0.0.1\"\nreason = \"x\"\n";
        assert!(wrong(&format!("{one}{one}")).contains("already"));
    }
}
