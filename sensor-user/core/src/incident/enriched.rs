//! Facts about the hosts of an incident that were found outside the core.

use super::{Incident, IncidentId};
use crate::enrichment::Enrichment;

/// What was found about the hosts of an incident.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Enriched {
    /// The incident.
    pub incident: IncidentId,
    /// Its internal host.
    pub internal: Enrichment,
    /// Its external host.
    pub external: Enrichment,
}

impl Enriched {
    /// Adds it to an incident. Returns whether that changed anything.
    pub fn apply(&self, incident: &mut Incident) -> bool {
        let mut changed = false;
        for (party, new) in
            [(&mut incident.internal, &self.internal), (&mut incident.external, &self.external)]
        {
            // What is known of one host says nothing of many.
            changed |= party.only_address().is_some() && party.enrichment.absorb(new);
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{enrichment::ConfiguredName, incident::fixtures};

    #[test]
    fn later_answer_adds_and_forgets_nothing() {
        let mut leak = fixtures::leak_accepted();
        let of = |mac: Option<&str>, name: Option<&str>| Enriched {
            incident: leak.id,
            internal: Enrichment {
                mac: mac.map(Into::into),
                lease_name: name.map(Into::into),
                ..Enrichment::default()
            },
            external: Enrichment::default(),
        };
        let (first, second) = (of(Some("00-00-5E-00-53-01"), None), of(None, Some("pc-ann")));
        assert!(first.apply(&mut leak) && second.apply(&mut leak));
        assert!(!first.apply(&mut leak), "nothing new");
        let known = &leak.internal.enrichment;
        assert_eq!(
            (known.mac.as_deref(), known.lease_name.as_deref()),
            (Some("00-00-5E-00-53-01"), Some("pc-ann"))
        );
        let mut sweep = fixtures::sweep();
        let external = Enriched { external: first.internal, ..Enriched::default() };
        assert!(!external.apply(&mut sweep), "300 hosts have no hardware address");
    }

    #[test]
    fn configured_names_are_replaced_as_a_whole_and_never_forgotten() {
        let mut leak = fixtures::leak_accepted();
        let named = |names: &[&str]| {
            let name = |name: &&str| ConfiguredName { name: (*name).into(), origin: "list provider".into() };
            let configured_names = names.iter().map(name).collect();
            let external = Enrichment { configured_names, ..Enrichment::default() };
            Enriched { external, ..Enriched::default() }
        };
        assert!(
            named(&["a.example", "b.example"]).apply(&mut leak) && named(&["c.example"]).apply(&mut leak)
        );
        assert!(!named(&[]).apply(&mut leak));
        let known: Vec<_> =
            leak.external.enrichment.configured_names.iter().map(ToString::to_string).collect();
        assert_eq!(known, ["c.example (DNS name in list provider)"]);
        assert_eq!(leak.external.best_name(), Some("c.example"), "before the name that it gives itself");
    }
}
