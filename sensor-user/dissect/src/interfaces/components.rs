//! Interfaces that find and activate others: the endpoint mapper, DCOM, and WMI.

use super::KnownInterface;

pub(super) static INTERFACES: &[KnownInterface] = &[
    // C706 appendix O, MS-RPCE 2.2.1.2
    KnownInterface::new(
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
    KnownInterface::new(
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
    // MS-DCOM
    KnownInterface::new(
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
    KnownInterface::new(
        0x000001a0_0000_0000_c000_000000000046,
        "IRemoteSCMActivator",
        &[(3, "RemoteGetClassObject"), (4, "RemoteCreateInstance")],
    ),
    KnownInterface::new(
        0x00000143_0000_0000_c000_000000000046,
        "IRemUnknown2",
        &[(3, "RemQueryInterface"), (4, "RemAddRef"), (5, "RemRelease"), (6, "RemQueryInterface2")],
    ),
    // MS-WMI
    KnownInterface::new(
        0x9556dc99_828c_11cf_a37e_00aa003240c7,
        "IWbemServices",
        &[
            (3, "OpenNamespace"),
            (4, "CancelAsyncCall"),
            (5, "QueryObjectSink"),
            (6, "GetObject"),
            (7, "GetObjectAsync"),
            (8, "PutClass"),
            (9, "PutClassAsync"),
            (10, "DeleteClass"),
            (11, "DeleteClassAsync"),
            (12, "CreateClassEnum"),
            (13, "CreateClassEnumAsync"),
            (14, "PutInstance"),
            (15, "PutInstanceAsync"),
            (16, "DeleteInstance"),
            (17, "DeleteInstanceAsync"),
            (18, "CreateInstanceEnum"),
            (19, "CreateInstanceEnumAsync"),
            (20, "ExecQuery"),
            (21, "ExecQueryAsync"),
            (22, "ExecNotificationQuery"),
            (23, "ExecNotificationQueryAsync"),
            (24, "ExecMethod"),
            (25, "ExecMethodAsync"),
        ],
    ),
];
