//! Interfaces of mail servers.

use super::KnownInterface;

pub(super) static INTERFACES: &[KnownInterface] = &[
    // MS-NSPI
    KnownInterface::new(
        0xf5cc5a18_4264_101a_8c59_08002b2f8426,
        "nspi",
        &[
            (0, "NspiBind"),
            (1, "NspiUnbind"),
            (2, "NspiUpdateStat"),
            (3, "NspiQueryRows"),
            (4, "NspiSeekEntries"),
            (5, "NspiGetMatches"),
            (6, "NspiResortRestriction"),
            (7, "NspiDNToMId"),
            (8, "NspiGetPropList"),
            (9, "NspiGetProps"),
            (10, "NspiCompareMIds"),
            (11, "NspiModProps"),
            (12, "NspiGetSpecialTable"),
            (13, "NspiGetTemplateInfo"),
            (14, "NspiModLinkAtt"),
            (16, "NspiQueryColumns"),
            (17, "NspiGetNamesFromIDs"),
            (18, "NspiGetIDsFromNames"),
            (19, "NspiResolveNames"),
            (20, "NspiResolveNamesW"),
        ],
    ),
    // MS-OXCRPC
    KnownInterface::new(
        0xa4f1db00_ca47_1067_b31f_00dd010662da,
        "emsmdb",
        &[
            (1, "EcDoDisconnect"),
            (4, "EcRRegisterPushNotification"),
            (6, "EcDummyRpc"),
            (10, "EcDoConnectEx"),
            (11, "EcDoRpcExt2"),
            (14, "EcDoAsyncConnectEx"),
        ],
    ),
];
