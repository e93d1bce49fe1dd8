//! Process attribution: the process on this machine that opened a connection.
//!
//! Takes a five-tuple and the time of its first packet, gives the process, or nothing: a forwarded connection has none, and none
//! is guessed. The kernel's record of connect(2) (process and thread number, name, user, cgroup) stays valid after the process
//! ended. Later readings from /proc are used only if they are from the same process, see [`process`].

mod attribution;
mod cgroup;
mod container;
mod process;
mod start;
mod user;

pub use attribution::{Attribution, Openers};
pub use start::{Reach, reach, start};
pub use user::UserNames;
