//! Data of named pipes: WRITE requests (MS-SMB2 2.2.21), READ responses (2.2.20), and IOCTL both ways (2.2.31,
//! 2.2.32) with FSCTL_PIPE_TRANSCEIVE (MS-FSCC 2.3).
//!
//! The same commands carry file contents. The caller must know that the handle is a pipe.

use zerocopy::{
    FromBytes, Immutable, KnownLayout, Unaligned,
    little_endian::{U16, U32, U64, U128},
};

use super::{Smb2Error, fixed};
use crate::wire::available;

/// Data of a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PipeData<'a> {
    /// Handle; a READ response has none.
    pub file: Option<u128>,
    /// Whether only a pipe can carry it.
    pub surely_pipe: bool,
    /// The bytes, as far as they are there.
    pub bytes: &'a [u8],
}

const FSCTL_PIPE_TRANSCEIVE: u32 = 0x0011_C017;

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct WriteFields {
    structure_size: U16,
    data_offset: U16,
    length: U32,
    offset: U64,
    file: U128,
}

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct ReadFields {
    structure_size: U16,
    data_offset: u8,
    reserved: u8,
    length: U32,
}

/// Request and response agree up to here; in a response, input precedes output.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct IoctlFields {
    structure_size: U16,
    reserved: U16,
    control: U32,
    file: U128,
    input_offset: U32,
    input_length: U32,
}

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct IoctlResponseFields {
    common: IoctlFields,
    output_offset: U32,
    output_length: U32,
}

/// Reads the data of a command; `None` if it has no data of a pipe.
pub(super) fn read(command: u16, response: bool, bytes: &[u8]) -> Result<Option<PipeData<'_>>, Smb2Error> {
    let carried = |offset: u32, length: u32| available(bytes, offset as usize, length as usize);
    Ok(match (command, response) {
        (0x0008, true) => {
            let fields: &ReadFields = fixed(bytes, 17, "READ response")?;
            let data = carried(fields.data_offset.into(), fields.length.get());
            Some(PipeData { file: None, surely_pipe: false, bytes: data })
        }
        (0x0009, false) => {
            let fields: &WriteFields = fixed(bytes, 49, "WRITE request")?;
            let data = carried(fields.data_offset.get().into(), fields.length.get());
            Some(PipeData { file: Some(fields.file.get()), surely_pipe: false, bytes: data })
        }
        (0x000B, false) => {
            let fields: &IoctlFields = fixed(bytes, 57, "IOCTL request")?;
            transceived(fields, carried(fields.input_offset.get(), fields.input_length.get()))
        }
        (0x000B, true) => {
            let fields: &IoctlResponseFields = fixed(bytes, 49, "IOCTL response")?;
            transceived(&fields.common, carried(fields.output_offset.get(), fields.output_length.get()))
        }
        _ => None,
    })
}

fn transceived<'a>(fields: &IoctlFields, bytes: &'a [u8]) -> Option<PipeData<'a>> {
    (fields.control.get() == FSCTL_PIPE_TRANSCEIVE).then(|| PipeData {
        file: Some(fields.file.get()),
        surely_pipe: true,
        bytes,
    })
}
