//! ECS `threat`: techniques of ATT&CK with their tactics, and entries of threat lists.

use std::net::IpAddr;

use sensor_core::{
    attack::{TECHNIQUES, Tactic, Technique},
    incident::ThreatHit,
};

use super::fields::{Feed, Indicator, Named, Techniques, Threat};

/// Observed techniques and list entries of `external`; `None` without any.
pub(super) fn threat<'a>(
    shown: impl Iterator<Item = &'a str>,
    hits: &[ThreatHit],
    external: Option<IpAddr>,
) -> Option<Threat> {
    let shown: Vec<&'static Technique> =
        shown.filter_map(|id| TECHNIQUES.iter().copied().find(|technique| technique.id == id)).collect();
    let mut threat = Threat::default();
    if !shown.is_empty() {
        threat.framework = Some("MITRE ATT&CK");
        threat.technique = Some(techniques(&shown));
        threat.tactic = Some(tactics(&shown));
    }
    if let (Some(hit), Some(external)) = (hits.first(), external) {
        threat.feed = Some(Feed { name: hit.list.clone() });
        threat.indicator = Some(indicator(hit, external));
    }
    (threat.framework.is_some() || threat.feed.is_some()).then_some(threat)
}

/// Techniques, each once, with the sub-techniques below them.
fn techniques(shown: &[&'static Technique]) -> Techniques {
    let (mut above, mut below): (Vec<&'static Technique>, Vec<&'static Technique>) = (Vec::new(), Vec::new());
    for technique in shown {
        let parent = technique.parent.unwrap_or(technique);
        if !above.contains(&parent) {
            above.push(parent);
        }
        if technique.parent.is_some() && !below.contains(technique) {
            below.push(technique);
        }
    }
    let Named { id, name, reference } = named(&above);
    Techniques { id, name, reference, subtechnique: (!below.is_empty()).then(|| named(&below)) }
}

fn named(techniques: &[&'static Technique]) -> Named {
    Named {
        id: techniques.iter().map(|technique| technique.id).collect(),
        name: techniques.iter().map(|technique| technique.name).collect(),
        reference: techniques.iter().map(|technique| technique.url()).collect(),
    }
}

fn tactics(shown: &[&'static Technique]) -> Named {
    let mut tactics: Vec<&'static Tactic> = Vec::new();
    for tactic in shown.iter().flat_map(|technique| technique.tactics) {
        if !tactics.contains(tactic) {
            tactics.push(tactic);
        }
    }
    Named {
        id: tactics.iter().map(|tactic| tactic.id).collect(),
        name: tactics.iter().map(|tactic| tactic.name).collect(),
        reference: tactics.iter().map(|tactic| tactic.url()).collect(),
    }
}

fn indicator(hit: &ThreatHit, external: IpAddr) -> Indicator {
    Indicator {
        kind: if external.is_ipv4() { "ipv4-addr" } else { "ipv6-addr" },
        ip: external.to_string(),
        name: hit.prefix.clone(),
        provider: hit.list.clone(),
        description: hit.description.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sub_technique_is_below_its_technique_and_tactics_are_unique() {
        let threat = threat(["T1110.001", "T1110.003", "T1133", "T0000"].into_iter(), &[], None).unwrap();
        let technique = threat.technique.unwrap();
        assert_eq!(technique.id, ["T1110", "T1133"]);
        let below = technique.subtechnique.unwrap();
        assert_eq!(below.id, ["T1110.001", "T1110.003"]);
        assert_eq!(below.reference[0], "https://attack.mitre.org/techniques/T1110/001/");
        assert_eq!(threat.tactic.unwrap().name, ["Credential Access", "Initial Access", "Persistence"]);
    }

    #[test]
    fn no_technique_and_no_list_is_no_threat() {
        assert!(threat([].into_iter(), &[], Some([8, 8, 4, 4].into())).is_none());
    }
}
