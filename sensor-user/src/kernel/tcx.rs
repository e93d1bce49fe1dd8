//! The identifiers of the programs at TCX. More details would need CAP_SYS_ADMIN, which a service does not have.

use std::io;

use aya_obj::generated::{bpf_attach_type, bpf_cmd};

/// Programs that are asked for at first.
const SOME: usize = 64;

/// The part of `union bpf_attr` for BPF_PROG_QUERY (include/uapi/linux/bpf.h).
#[repr(C)]
struct Query {
    interface: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    programs: u64,
    count: u32,
    padding: u32,
    program_attach_flags: u64,
    links: u64,
    link_attach_flags: u64,
    revision: u64,
}

/// The programs at an interface.
///
/// # Errors
/// As the kernel says; before 6.6 it knows no such question.
pub(super) fn programs(interface: u32, place: bpf_attach_type) -> io::Result<Vec<u32>> {
    let mut room = SOME;
    loop {
        let mut programs = vec![0_u32; room];
        let mut query = Query {
            interface,
            attach_type: place as u32,
            query_flags: 0,
            attach_flags: 0,
            programs: programs.as_mut_ptr() as u64,
            count: programs.len() as u32,
            padding: 0,
            program_attach_flags: 0,
            links: 0,
            link_attach_flags: 0,
            revision: 0,
        };
        let command = bpf_cmd::BPF_PROG_QUERY as libc::c_int;
        // SAFETY: the kernel writes into `query` alone, of the length that it is given, and at most `count` words into `programs`;
        // both live until the call returns.
        let status = unsafe { libc::syscall(libc::SYS_bpf, command, &raw mut query, size_of::<Query>()) };
        if status == 0 {
            programs.truncate(query.count as usize);
            return Ok(programs);
        }
        let error = io::Error::last_os_error();
        if error.raw_os_error() != Some(libc::ENOSPC) || query.count as usize <= room {
            return Err(error);
        }
        room = query.count as usize;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_interface_is_an_error() {
        assert!(programs(u32::MAX, bpf_attach_type::BPF_TCX_EGRESS).is_err());
    }
}
