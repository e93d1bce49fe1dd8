//! What DCE-RPC interfaces and their operations are called.

mod table;

use uuid::Uuid;

use table::KNOWN;

/// An interface that is known here.
#[derive(Debug)]
pub struct KnownInterface {
    /// Identifier.
    pub uuid: Uuid,
    /// Short name, as pipes and tools have it.
    pub name: &'static str,
    /// Operations by number.
    operations: &'static [(u16, &'static str)],
}

impl KnownInterface {
    /// The name of an operation.
    #[must_use]
    pub fn operation(&self, opnum: u16) -> Option<&'static str> {
        self.operations.iter().find(|(known, _)| *known == opnum).map(|(_, name)| *name)
    }
}

/// Finds an interface.
#[must_use]
pub fn known(uuid: &Uuid) -> Option<&'static KnownInterface> {
    KNOWN.iter().find(|interface| interface.uuid == *uuid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_identifier_and_no_operation_is_listed_twice() {
        for (at, interface) in KNOWN.iter().enumerate() {
            assert!(KNOWN[..at].iter().all(|earlier| earlier.uuid != interface.uuid), "{}", interface.name);
            assert!(interface.operations.is_sorted_by_key(|(opnum, _)| *opnum), "{}", interface.name);
        }
    }

    #[test]
    fn share_enumeration_has_its_name() {
        let srvsvc = known(&Uuid::from_u128(0x4b324fc8_1670_01d3_1278_5a47bf6ee188)).unwrap();
        assert_eq!((srvsvc.name, srvsvc.operation(15)), ("srvsvc", Some("NetrShareEnum")));
        assert_eq!(srvsvc.operation(999), None);
    }
}
