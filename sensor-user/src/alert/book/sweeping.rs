//! Alerts on sweeps.

use std::{collections::HashMap, net::IpAddr};

use serde_json::Value;

use super::judged::OpenAlert;
use crate::{
    alert::{
        Context, Status,
        admission::{Admission, Asker},
        sweep::document,
    },
    detect::sweep::{RULE, Stage, Sweep},
};

/// The alerts on sweeps that are open, by who sweeps.
#[derive(Default)]
pub(super) struct SweepAlerts {
    open: HashMap<IpAddr, OpenAlert>,
}

impl SweepAlerts {
    /// Documents of what is to be told of sweeps; adds alerts that were admitted to `opened`.
    pub(super) fn tell(
        &mut self,
        sweeps: &[(Stage, Sweep)],
        admission: &mut Admission,
        opened: &mut u64,
        context: &Context<'_>,
    ) -> Vec<Value> {
        let mut documents = Vec::new();
        for (stage, sweep) in sweeps {
            let asker = Asker::of_sweep(sweep);
            let mut alert = match self.open.remove(&sweep.source) {
                Some(mut alert) => {
                    *opened += u64::from(alert.ask_again(asker, admission, context.now).is_some());
                    alert
                }
                None => {
                    let id = format!("{}/{}/{}", RULE.id, sweep.source, sweep.first / 1_000_000);
                    let alert = OpenAlert::ask(&RULE, id, asker, admission, context.now);
                    *opened += u64::from(alert.hidden.is_none());
                    alert
                }
            };
            let told = |id: &str, sequence, status| document(id, sequence, status, sweep, context);
            if *stage == Stage::Over {
                documents.extend(alert.tell_last(told));
            } else {
                documents.extend(alert.tell(Status::Updated, told));
                self.open.insert(sweep.source, alert);
            }
        }
        documents
    }
}
