//! Single values as people write them: networks, times, text.

mod encoding;
pub(crate) mod list_file;
mod network;
mod when;

pub(crate) use self::{
    encoding::{NOT_UTF8, UTF16, is_utf16},
    list_file::{ListFileError, Mistakes, bytes, described_mistake, read_lines, says_something, split},
    network::{as_ipv4, network},
    when::{day, expiry, expiry_or_duration},
};
