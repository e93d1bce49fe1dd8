//! The agent as a process: its threads, its disk, and its end and new beginning.

mod disk;
mod restart;
mod threads;
