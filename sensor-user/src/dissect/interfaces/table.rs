//! The interfaces that are known: identifiers and operation numbers are those of the IDL appendices of the documents named
//! beside them.

use uuid::Uuid;

use super::KnownInterface;

const fn interface(
    uuid: u128,
    name: &'static str,
    operations: &'static [(u16, &'static str)],
) -> KnownInterface {
    KnownInterface { uuid: Uuid::from_u128(uuid), name, operations }
}

const EFS_OPERATIONS: &[(u16, &str)] = &[
    (0, "EfsRpcOpenFileRaw"),
    (1, "EfsRpcReadFileRaw"),
    (2, "EfsRpcWriteFileRaw"),
    (3, "EfsRpcCloseRaw"),
    (4, "EfsRpcEncryptFileSrv"),
    (5, "EfsRpcDecryptFileSrv"),
    (6, "EfsRpcQueryUsersOnFile"),
    (7, "EfsRpcQueryRecoveryAgents"),
    (8, "EfsRpcRemoveUsersFromFile"),
    (9, "EfsRpcAddUsersToFile"),
    (12, "EfsRpcFileKeyInfo"),
    (13, "EfsRpcDuplicateEncryptionInfoFile"),
    (15, "EfsRpcAddUsersToFileEx"),
];

pub(super) static KNOWN: &[KnownInterface] = &[
    // MS-SRVS
    interface(
        0x4b324fc8_1670_01d3_1278_5a47bf6ee188,
        "srvsvc",
        &[
            (8, "NetrConnectionEnum"),
            (9, "NetrFileEnum"),
            (12, "NetrSessionEnum"),
            (14, "NetrShareAdd"),
            (15, "NetrShareEnum"),
            (16, "NetrShareGetInfo"),
            (17, "NetrShareSetInfo"),
            (18, "NetrShareDel"),
            (21, "NetrServerGetInfo"),
            (23, "NetrServerDiskEnum"),
            (28, "NetrRemoteTOD"),
            (32, "NetprNameCanonicalize"),
            (36, "NetrShareEnumSticky"),
        ],
    ),
    // MS-SAMR
    interface(
        0x12345778_1234_abcd_ef00_0123456789ac,
        "samr",
        &[
            (0, "SamrConnect"),
            (1, "SamrCloseHandle"),
            (5, "SamrLookupDomainInSamServer"),
            (6, "SamrEnumerateDomainsInSamServer"),
            (7, "SamrOpenDomain"),
            (8, "SamrQueryInformationDomain"),
            (11, "SamrEnumerateGroupsInDomain"),
            (13, "SamrEnumerateUsersInDomain"),
            (15, "SamrEnumerateAliasesInDomain"),
            (16, "SamrGetAliasMembership"),
            (17, "SamrLookupNamesInDomain"),
            (18, "SamrLookupIdsInDomain"),
            (19, "SamrOpenGroup"),
            (25, "SamrGetMembersInGroup"),
            (27, "SamrOpenAlias"),
            (33, "SamrGetMembersInAlias"),
            (34, "SamrOpenUser"),
            (36, "SamrQueryInformationUser"),
            (37, "SamrSetInformationUser"),
            (39, "SamrGetGroupsForUser"),
            (40, "SamrQueryDisplayInformation"),
            (46, "SamrQueryInformationDomain2"),
            (47, "SamrQueryInformationUser2"),
            (50, "SamrCreateUser2InDomain"),
            (55, "SamrUnicodeChangePasswordUser2"),
            (57, "SamrConnect2"),
            (58, "SamrSetInformationUser2"),
            (62, "SamrConnect4"),
            (64, "SamrConnect5"),
        ],
    ),
    // MS-LSAD, MS-LSAT
    interface(
        0x12345778_1234_abcd_ef00_0123456789ab,
        "lsarpc",
        &[
            (0, "LsarClose"),
            (2, "LsarEnumeratePrivileges"),
            (6, "LsarOpenPolicy"),
            (7, "LsarQueryInformationPolicy"),
            (11, "LsarEnumerateAccounts"),
            (13, "LsarEnumerateTrustedDomains"),
            (14, "LsarLookupNames"),
            (15, "LsarLookupSids"),
            (35, "LsarEnumerateAccountsWithUserRight"),
            (36, "LsarEnumerateAccountRights"),
            (44, "LsarOpenPolicy2"),
            (45, "LsarGetUserName"),
            (46, "LsarQueryInformationPolicy2"),
            (57, "LsarLookupSids2"),
            (58, "LsarLookupNames2"),
            (68, "LsarLookupNames3"),
            (76, "LsarLookupSids3"),
            (77, "LsarLookupNames4"),
        ],
    ),
    // MS-SCMR
    interface(
        0x367abb81_9844_35f1_ad32_98f038001003,
        "svcctl",
        &[
            (0, "RCloseServiceHandle"),
            (1, "RControlService"),
            (2, "RDeleteService"),
            (6, "RQueryServiceStatus"),
            (11, "RChangeServiceConfigW"),
            (12, "RCreateServiceW"),
            (14, "REnumServicesStatusW"),
            (15, "ROpenSCManagerW"),
            (16, "ROpenServiceW"),
            (17, "RQueryServiceConfigW"),
            (19, "RStartServiceW"),
            (24, "RCreateServiceA"),
            (27, "ROpenSCManagerA"),
            (28, "ROpenServiceA"),
            (31, "RStartServiceA"),
            (45, "RCreateServiceWOW64W"),
        ],
    ),
    // C706 appendix O, MS-RPCE 2.2.1.2
    interface(
        0xe1af8308_5d1f_11c9_91a4_08002b14a0fa,
        "epmapper",
        &[
            (0, "ept_insert"),
            (1, "ept_delete"),
            (2, "ept_lookup"),
            (3, "ept_map"),
            (4, "ept_lookup_handle_free"),
            (5, "ept_inq_object"),
            (6, "ept_mgmt_delete"),
        ],
    ),
    // C706 appendix Q
    interface(
        0xafa8bd80_7d8a_11c9_bef4_08002b102989,
        "mgmt",
        &[
            (0, "inq_if_ids"),
            (1, "inq_stats"),
            (2, "is_server_listening"),
            (3, "stop_server_listening"),
            (4, "inq_princ_name"),
        ],
    ),
    // MS-EFSR, on its own pipe and on that of the local security authority
    interface(0xdf1941c5_fe89_4e79_bf10_463657acf44d, "efsrpc", EFS_OPERATIONS),
    interface(0xc681d488_d850_11d0_8c52_00c04fd90f7e, "efsrpc", EFS_OPERATIONS),
    // MS-RPRN
    interface(
        0x12345678_1234_abcd_ef00_0123456789ab,
        "spoolss",
        &[
            (0, "RpcEnumPrinters"),
            (1, "RpcOpenPrinter"),
            (5, "RpcAddPrinter"),
            (9, "RpcAddPrinterDriver"),
            (10, "RpcEnumPrinterDrivers"),
            (29, "RpcClosePrinter"),
            (62, "RpcRemoteFindFirstPrinterChangeNotification"),
            (65, "RpcRemoteFindFirstPrinterChangeNotificationEx"),
            (69, "RpcOpenPrinterEx"),
            (70, "RpcAddPrinterEx"),
            (89, "RpcAddPrinterDriverEx"),
        ],
    ),
    // MS-PAR
    interface(
        0x76f03f96_cdfd_44fc_a22c_64950a001209,
        "iremotewinspool",
        &[(0, "RpcAsyncOpenPrinter"), (1, "RpcAsyncAddPrinter"), (39, "RpcAsyncAddPrinterDriver")],
    ),
    // MS-WKST
    interface(
        0x6bffd098_a112_3610_9833_46c3f87e345a,
        "wkssvc",
        &[
            (0, "NetrWkstaGetInfo"),
            (1, "NetrWkstaSetInfo"),
            (2, "NetrWkstaUserEnum"),
            (5, "NetrWkstaTransportEnum"),
            (20, "NetrGetJoinInformation"),
            (22, "NetrJoinDomain2"),
        ],
    ),
    // MS-TSCH
    interface(
        0x1ff70682_0a51_30e8_076d_740be8cee98b,
        "atsvc",
        &[(0, "NetrJobAdd"), (1, "NetrJobDel"), (2, "NetrJobEnum"), (3, "NetrJobGetInfo")],
    ),
    interface(
        0x378e52b0_c0a9_11cf_822d_00aa0051e40f,
        "sasec",
        &[
            (0, "SASetAccountInformation"),
            (1, "SASetNSAccountInformation"),
            (2, "SAGetNSAccountInformation"),
            (3, "SAGetAccountInformation"),
        ],
    ),
    interface(
        0x86d35949_83c9_4044_b424_db363231fd0c,
        "ITaskSchedulerService",
        &[
            (0, "SchRpcHighestVersion"),
            (1, "SchRpcRegisterTask"),
            (2, "SchRpcRetrieveTask"),
            (3, "SchRpcCreateFolder"),
            (6, "SchRpcEnumFolders"),
            (7, "SchRpcEnumTasks"),
            (12, "SchRpcRun"),
            (13, "SchRpcDelete"),
        ],
    ),
    // MS-RRP
    interface(
        0x338cd001_2244_31f1_aaaa_900038001003,
        "winreg",
        &[
            (0, "OpenClassesRoot"),
            (1, "OpenCurrentUser"),
            (2, "OpenLocalMachine"),
            (3, "OpenPerformanceData"),
            (4, "OpenUsers"),
            (5, "BaseRegCloseKey"),
            (6, "BaseRegCreateKey"),
            (7, "BaseRegDeleteKey"),
            (8, "BaseRegDeleteValue"),
            (9, "BaseRegEnumKey"),
            (10, "BaseRegEnumValue"),
            (15, "BaseRegOpenKey"),
            (16, "BaseRegQueryInfoKey"),
            (17, "BaseRegQueryValue"),
            (20, "BaseRegSaveKey"),
            (22, "BaseRegSetValue"),
            (26, "BaseRegGetVersion"),
        ],
    ),
    // MS-DRSR
    interface(
        0xe3514235_4b06_11d1_ab04_00c04fc2dcd2,
        "drsuapi",
        &[
            (0, "IDL_DRSBind"),
            (1, "IDL_DRSUnbind"),
            (2, "IDL_DRSReplicaSync"),
            (3, "IDL_DRSGetNCChanges"),
            (9, "IDL_DRSGetMemberships"),
            (12, "IDL_DRSCrackNames"),
            (16, "IDL_DRSDomainControllerInfo"),
        ],
    ),
    // MS-NRPC
    interface(
        0x12345678_1234_abcd_ef00_01234567cffb,
        "netlogon",
        &[
            (2, "NetrLogonSamLogon"),
            (4, "NetrServerReqChallenge"),
            (5, "NetrServerAuthenticate"),
            (6, "NetrServerPasswordSet"),
            (15, "NetrServerAuthenticate2"),
            (20, "DsrGetDcName"),
            (21, "NetrLogonGetCapabilities"),
            (26, "NetrServerAuthenticate3"),
            (29, "NetrLogonGetDomainInfo"),
            (30, "NetrServerPasswordSet2"),
            (34, "DsrGetDcNameEx2"),
            (39, "NetrLogonSamLogonEx"),
            (40, "DsrEnumerateDomainTrusts"),
            (45, "NetrLogonSamLogonWithFlags"),
        ],
    ),
    // MS-DFSNM
    interface(
        0x4fc742e0_4a10_11cf_8273_00aa004ae673,
        "netdfs",
        &[
            (0, "NetrDfsManagerGetVersion"),
            (1, "NetrDfsAdd"),
            (2, "NetrDfsRemove"),
            (4, "NetrDfsGetInfo"),
            (5, "NetrDfsEnum"),
            (12, "NetrDfsAddStdRoot"),
            (13, "NetrDfsRemoveStdRoot"),
        ],
    ),
    // MS-FSRVP
    interface(
        0xa8e0653c_2744_4389_a61d_7373df8b2292,
        "FileServerVssAgent",
        &[
            (0, "GetSupportedVersion"),
            (1, "SetContext"),
            (2, "StartShadowCopySet"),
            (3, "AddToShadowCopySet"),
            (8, "IsPathSupported"),
            (9, "IsPathShadowCopied"),
        ],
    ),
    // MS-DSSP
    interface(
        0x3919286a_b10c_11d0_9ba8_00c04fd92ef5,
        "dssetup",
        &[(0, "DsRolerGetPrimaryDomainInformation")],
    ),
    // MS-EVEN, MS-EVEN6
    interface(
        0x82273fdc_e32a_18c3_3f78_827929dc23ea,
        "eventlog",
        &[(0, "ElfrClearELFW"), (7, "ElfrOpenELW")],
    ),
    interface(0xf6beaff7_1e19_4fbb_9f8f_b89e2018337c, "even6", &[]),
    // MS-DCOM, MS-WMI
    interface(
        0x99fcfec4_5260_101b_bbcb_00aa0021347a,
        "IObjectExporter",
        &[
            (0, "ResolveOxid"),
            (1, "SimplePing"),
            (2, "ComplexPing"),
            (3, "ServerAlive"),
            (4, "ResolveOxid2"),
            (5, "ServerAlive2"),
        ],
    ),
    interface(
        0x000001a0_0000_0000_c000_000000000046,
        "IRemoteSCMActivator",
        &[(3, "RemoteGetClassObject"), (4, "RemoteCreateInstance")],
    ),
    interface(
        0x00000143_0000_0000_c000_000000000046,
        "IRemUnknown2",
        &[(3, "RemQueryInterface"), (4, "RemAddRef"), (5, "RemRelease")],
    ),
    interface(
        0x9556dc99_828c_11cf_a37e_00aa003240c7,
        "IWbemServices",
        &[(6, "GetObject"), (20, "ExecQuery"), (24, "ExecMethod")],
    ),
    // MS-BRWSA, MS-RSP, MS-DLTW, MS-ICPR, MS-NSPI, MS-OXCRPC, MS-DNSP, MS-W32T, MS-MSRP, MS-CAPR
    interface(0x6bffd098_a112_3610_9833_012892020162, "browser", &[]),
    interface(
        0x894de0c0_0d55_11d3_a322_00c04fa321a1,
        "InitShutdown",
        &[(0, "BaseInitiateShutdown"), (1, "BaseAbortShutdown"), (2, "BaseInitiateShutdownEx")],
    ),
    interface(0x300f3532_38cc_11d0_a3f0_0020af6b0add, "trkwks", &[(12, "LnkSearchMachine")]),
    interface(0x91ae6020_9e3c_11cf_8d7c_00aa00c091be, "ICertPassage", &[(0, "CertServerRequest")]),
    interface(0xf5cc5a18_4264_101a_8c59_08002b2f8426, "nspi", &[]),
    interface(0xa4f1db00_ca47_1067_b31f_00dd010662da, "emsmdb", &[]),
    interface(
        0x50abc2a4_574d_40b3_9d66_ee4fd5fba076,
        "DnsServer",
        &[(0, "R_DnssrvOperation"), (1, "R_DnssrvQuery"), (5, "R_DnssrvOperation2")],
    ),
    interface(0x8fb6d884_2388_11d0_8c35_00c04fda2795, "W32Time", &[]),
    interface(0x17fdd703_1827_4e34_79d4_24a55c53bb37, "msgsvc", &[]),
    interface(0xafc07e2e_311c_4435_808c_c483ffeec7c9, "lsacap", &[]),
];
