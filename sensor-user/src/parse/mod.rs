//! Single values as people write them: networks, times, text.

mod encoding;
mod network;
mod when;

pub(crate) use self::{
    encoding::{NOT_UTF8, UTF16, is_utf16},
    network::{as_ipv4, network},
    when::{day, expiry, expiry_or_duration},
};
