//! The programs at a cgroup, from the kernel.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;

use anyhow::{Context as _, Result};
use nix::libc;
use sensor_lab::Cgroup;

use crate::attached::names_of;

/// Command of bpf(2).
const BPF_PROG_QUERY: libc::c_long = 16;

/// Attach types of the sensor's programs (`enum bpf_attach_type`): socket events, connect(2) of both families.
const PLACES: [u32; 3] = [3, 10, 11];

/// Most programs of one attach type.
const MAX_PROGRAMS: usize = 16;

/// Input and output of BPF_PROG_QUERY (`union bpf_attr`).
#[repr(C)]
#[derive(Default)]
struct Query {
    target: u32,
    place: u32,
    query_flags: u32,
    attach_flags: u32,
    programs: u64,
    count: u32,
    // Later kernels have more fields; zero leaves them out.
    further: [u32; 9],
}

/// Names of the programs at this very cgroup, sorted.
///
/// # Errors
/// If the kernel does not answer.
pub fn attached_to(cgroup: &Cgroup) -> Result<Vec<String>> {
    let folder = File::open(cgroup.path()).context("open the cgroup")?;
    let mut found = Vec::new();
    for place in PLACES {
        let mut programs = [0_u32; MAX_PROGRAMS];
        let mut query = Query {
            target: folder.as_raw_fd() as u32,
            place,
            programs: programs.as_mut_ptr() as u64,
            count: MAX_PROGRAMS as u32,
            ..Query::default()
        };
        // SAFETY: `query` and the numbers it points to live through the call, and are as large as they say.
        let status = unsafe {
            libc::syscall(libc::SYS_bpf, BPF_PROG_QUERY, &raw mut query, size_of::<Query>() as libc::c_long)
        };
        if status != 0 {
            return Err(io::Error::last_os_error()).context("ask for the programs of the cgroup");
        }
        found.extend(names_of(&programs[..query.count as usize])?);
    }
    found.sort();
    Ok(found)
}
