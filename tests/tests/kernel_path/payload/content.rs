//! Commands with file content: the command alone is evidence, and the content is never sent.

use sensor_common::slot::{
    RecordKind,
    Side::{self, Local, Remote},
};
use sensor_core::record::Content;
use sensor_tests::{HOOKS, Setup, flows};

use super::{
    ENDS, begin_anew,
    message::{REPLY, REQUEST, contents, of_smb1, of_smb2, pdu, rpc, smb1, smb1_with, smb2, smb2_with},
    segment,
};
use crate::expect::on;

/// Messages of one side, in segments, and whether they carry content.
type Row = (String, Side, Vec<Vec<u8>>, bool);

fn row(name: impl Into<String>, reply: bool, message: &[u8], carries: bool) -> Row {
    (name.into(), if reply { Remote } else { Local }, vec![message.to_vec()], carries)
}

/// The same message with an error status of the server.
fn failed(mut message: Vec<u8>) -> Vec<u8> {
    let status = if message[4] == 0xFF { 9 } else { 12 };
    message[status..status + 4].copy_from_slice(&0xC000_0022_u32.to_le_bytes());
    message
}

fn rows() -> Vec<Row> {
    let file = contents(300);
    let mut rows = Vec::new();
    for command in 0..=18 {
        for reply in [REQUEST, REPLY] {
            let carries = matches!((command, reply), (smb2::WRITE, REQUEST) | (smb2::READ, REPLY));
            let name = format!("SMB2 command {command}, reply {reply}");
            let message = of_smb2(command, reply, 400);
            rows.push(row(&name, reply, &message, carries));
            if reply {
                rows.push(row(format!("{name}, failed"), reply, &failed(message), false));
            }
        }
    }
    // MS-CIFS 2.2.2.1: reads and writes; ECHO, CLOSE, NT_CREATE_ANDX, TRANSACTION2, LOGOFF_ANDX, TREE_DISCONNECT.
    let reads = [0x0A, 0x13, 0x1A, 0x1B, smb1::READ_ANDX];
    let writes = [0x0B, 0x14, 0x1D, 0x1E, 0x1F, 0x2C, smb1::WRITE_ANDX, 0xC1];
    let others = [
        0x2B,
        0x04,
        smb1::NT_CREATE_ANDX,
        smb1::TRANSACTION2,
        smb1::LOGOFF_ANDX,
        smb1::TREE_DISCONNECT,
        smb1::TRANSACTION,
    ];
    for command in reads.into_iter().chain(writes).chain(others) {
        for reply in [REQUEST, REPLY] {
            let carries = if reply { reads.contains(&command) } else { writes.contains(&command) };
            let name = format!("SMB1 command {command:#x}, reply {reply}");
            let message = of_smb1(command, reply, 400);
            rows.push(row(&name, reply, &message, carries));
            if reply {
                rows.push(row(format!("{name}, failed"), reply, &failed(message), false));
            }
        }
    }
    for kind in [rpc::REQUEST, rpc::RESPONSE, rpc::FAULT, rpc::BIND, rpc::BIND_ACK] {
        let pdu = pdu(kind, 72);
        rows.push(row(
            format!("SMB2 WRITE of pdu {kind}"),
            REQUEST,
            &smb2_with(smb2::WRITE, REQUEST, 116, &pdu),
            false,
        ));
        rows.push(row(
            format!("SMB2 READ of pdu {kind}"),
            REPLY,
            &smb2_with(smb2::READ, REPLY, 84, &pdu),
            false,
        ));
        rows.push(row(
            format!("SMB1 write of pdu {kind}"),
            REQUEST,
            &smb1_with(smb1::WRITE_ANDX, REQUEST, 68, &pdu),
            false,
        ));
        rows.push(row(
            format!("SMB1 read of pdu {kind}"),
            REPLY,
            &smb1_with(smb1::READ_ANDX, REPLY, 64, &pdu),
            false,
        ));
    }
    let write = smb2_with(smb2::WRITE, REQUEST, 116, &file);
    for cut in [8, 17, 30, 116] {
        let parts = vec![write[..cut].to_vec(), write[cut..].to_vec()];
        rows.push((format!("SMB2 WRITE in two segments, cut at {cut}"), Local, parts, true));
    }
    rows.push(("file content without a header".into(), Local, vec![file], false));
    rows
}

#[test]
fn recognises_file_content_by_command_and_never_sends_it() {
    on("recognises_file_content_by_command_and_never_sends_it", &Setup::default(), |twin| {
        let mut wrong = Vec::new();
        for hook in HOOKS {
            for (name, side, segments, carries) in rows() {
                begin_anew(twin, hook);
                let (mut sequence, mut reported) = (1, None);
                for payload in &segments {
                    let frame = segment(ENDS, side, sequence, payload).build();
                    let effect = twin.run(hook, &frame).unwrap();
                    reported = flows(&effect.records).unwrap().last().copied().or(reported);
                    sequence += payload.len() as u32;
                }
                let expected = Content { left: carries && side == Local, came: carries && side == Remote };
                match reported {
                    // It is reported at once, and not with the next sweep.
                    Some((RecordKind::Opened | RecordKind::Rose, flow)) if flow.content == expected => {}
                    other => wrong.push(format!("{name} at {hook:?}: {expected:?} expected, {other:?}")),
                }
            }
        }
        wrong
    });
}
