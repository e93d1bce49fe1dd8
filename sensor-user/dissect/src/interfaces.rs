//! Names of DCE-RPC interfaces and their operations.
//!
//! Identifiers and operation numbers come from the documents that their comments name. Numbers that a document reserves or
//! excludes from the wire have no name, even if something else uses them.

mod accounts;
mod administration;
mod components;
mod domain;
mod files;
mod mail;
mod printing;

use uuid::Uuid;

/// The known interfaces, family by family.
static FAMILIES: [&[KnownInterface]; 7] = [
    files::INTERFACES,
    accounts::INTERFACES,
    domain::INTERFACES,
    administration::INTERFACES,
    printing::INTERFACES,
    components::INTERFACES,
    mail::INTERFACES,
];

/// A known interface.
#[derive(Debug)]
pub struct KnownInterface {
    /// Identifier.
    pub uuid: Uuid,
    /// Short name, as used for pipes and by tools.
    pub name: &'static str,
    /// Operations by number.
    operations: &'static [(u16, &'static str)],
}

impl KnownInterface {
    const fn new(uuid: u128, name: &'static str, operations: &'static [(u16, &'static str)]) -> Self {
        Self { uuid: Uuid::from_u128(uuid), name, operations }
    }

    /// The name of an operation.
    #[must_use]
    pub fn operation(&self, opnum: u16) -> Option<&'static str> {
        self.operations.iter().find(|(known, _)| *known == opnum).map(|(_, name)| *name)
    }
}

/// Finds an interface.
#[must_use]
pub fn known(uuid: &Uuid) -> Option<&'static KnownInterface> {
    FAMILIES.into_iter().flatten().find(|interface| interface.uuid == *uuid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_and_operations_are_unique() {
        let all: Vec<_> = FAMILIES.into_iter().flatten().collect();
        for (at, interface) in all.iter().enumerate() {
            assert!(all[..at].iter().all(|earlier| earlier.uuid != interface.uuid), "{}", interface.name);
            let numbers: Vec<_> = interface.operations.iter().map(|(opnum, _)| *opnum).collect();
            assert!(numbers.is_sorted_by(|one, next| one < next), "{}: {numbers:?}", interface.name);
            let mut names: Vec<_> = interface.operations.iter().map(|(_, name)| *name).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), numbers.len(), "{} calls two operations alike", interface.name);
        }
    }

    #[test]
    fn operations_have_the_names_of_their_documents() {
        for (interface, opnum, name) in [
            ("srvsvc", 15, "NetrShareEnum"),
            ("srvsvc", 32, "NetprPathCompare"),
            ("srvsvc", 57, "NetrShareDelEx"),
            ("samr", 12, "SamrCreateUserInDomain"),
            ("samr", 22, "SamrAddMemberToGroup"),
            ("samr", 31, "SamrAddMemberToAlias"),
            ("samr", 35, "SamrDeleteUser"),
            ("samr", 38, "SamrChangePasswordUser"),
            ("samr", 67, "SamrValidatePassword"),
            ("lsarpc", 45, "LsarGetUserName"),
            ("lsarpc", 77, "LsarLookupNames4"),
            ("svcctl", 13, "REnumDependentServicesW"),
            ("svcctl", 37, "RChangeServiceConfig2W"),
            ("svcctl", 42, "REnumServicesStatusExW"),
            ("svcctl", 64, "ROpenSCManager2"),
            ("spoolss", 8, "RpcGetPrinter"),
            ("spoolss", 88, "RpcXcvData"),
            ("spoolss", 116, "RpcLogJobInfoForBranchOffice"),
            ("iremotewinspool", 74, "RpcAsyncLogJobInfoForBranchOffice"),
            ("efsrpc", 22, "EfsRpcQueryProtectors"),
            ("wkssvc", 30, "NetrEnumerateComputerNames"),
            ("winreg", 35, "BaseRegDeleteKeyEx"),
            ("netlogon", 48, "DsrUpdateReadOnlyServerDnsRecords"),
            ("drsuapi", 30, "IDL_DRSReadNgcKey"),
            ("netdfs", 25, "NetrDfsGetSupportedNamespaceVersion"),
            ("ITaskSchedulerService", 19, "SchRpcEnableTask"),
            ("even6", 28, "EvtRpcGetClassicLogDisplayName"),
            ("DnsServer", 18, "R_DnssrvEnumRecords4"),
        ] {
            assert_eq!(named(interface).operation(opnum), Some(name), "{interface} {opnum}");
        }
    }

    #[test]
    fn reserved_numbers_have_no_name() {
        for (interface, opnum) in
            [("srvsvc", 29), ("samr", 63), ("svcctl", 10), ("lsarpc", 1), ("srvsvc", 999)]
        {
            assert_eq!(named(interface).operation(opnum), None, "{interface} {opnum}");
        }
    }

    #[test]
    fn finds_an_interface_by_its_identifier() {
        let srvsvc = Uuid::from_u128(0x4b324fc8_1670_01d3_1278_5a47bf6ee188);
        assert_eq!(known(&srvsvc).map(|interface| interface.name), Some("srvsvc"));
        assert!(known(&Uuid::nil()).is_none());
    }

    fn named(name: &str) -> &'static KnownInterface {
        FAMILIES.into_iter().flatten().find(|interface| interface.name == name).unwrap()
    }
}
