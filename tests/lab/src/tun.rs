//! Tun devices: interfaces whose packets have no Ethernet header, and a cable of two of them.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::{Context as _, Result};
use nix::libc::{self, c_int, c_short};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::Namespace;

// include/uapi/linux/if_tun.h: each request says that it takes an int, whatever it takes.
nix::ioctl_write_ptr_bad!(
    set_interface,
    nix::request_code_write!(b'T', 202, size_of::<c_int>()),
    libc::ifreq
);
nix::ioctl_write_int_bad!(set_link, nix::request_code_write!(b'T', 205, size_of::<c_int>()));

/// How long the forwarder waits before it looks whether it is to end.
const PATIENCE: u16 = 50;

/// Bytes of the longest packet.
const LONGEST: usize = 65_535;

/// A tun device, which goes when this is dropped.
#[derive(Debug)]
pub struct Tun(File);

impl Tun {
    /// Makes one in a namespace.
    ///
    /// # Errors
    /// When the kernel has no tun devices, or the name is taken.
    pub fn new(namespace: &Namespace, name: &str) -> Result<Self> {
        let what = || format!("make the tun device {name} in network namespace {}", namespace.label());
        let open = || {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .custom_flags(libc::O_NONBLOCK)
                .open("/dev/net/tun")?;
            // SAFETY: all zero is a value of this structure.
            let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
            for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
                *to = from as libc::c_char;
            }
            request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as c_short;
            // SAFETY: the descriptor is open, and the request lives over the call.
            unsafe { set_interface(file.as_raw_fd(), &raw const request) }?;
            Ok::<_, std::io::Error>(file)
        };
        namespace.run(open)?.with_context(what).map(Self)
    }

    /// Gives the device another hardware type (include/uapi/linux/if_arp.h). It has to be down.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn hardware_type(&self, number: u16) -> Result<()> {
        // SAFETY: the descriptor is open, and the value is passed as it is.
        unsafe { set_link(self.0.as_raw_fd(), c_int::from(number)) }
            .with_context(|| format!("give a tun device the hardware type {number}"))?;
        Ok(())
    }
}

/// Two tun devices; what goes out of one comes in at the other.
#[derive(Debug)]
pub struct TunCable {
    stop: Arc<AtomicBool>,
    forwarder: Option<JoinHandle<()>>,
}

impl TunCable {
    /// Lays the cable between two interfaces that it makes.
    ///
    /// # Errors
    /// As [`Tun::new`].
    pub fn between(near: (&Namespace, &str), far: (&Namespace, &str)) -> Result<Self> {
        let (near, far) = (Tun::new(near.0, near.1)?, Tun::new(far.0, far.1)?);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let forwarder = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let mut both = [&near, &far].map(|tun| PollFd::new(tun.0.as_fd(), PollFlags::POLLIN));
                if poll(&mut both, PollTimeout::from(PATIENCE)).is_ok_and(|ready| ready > 0) {
                    forward(&near.0, &far.0);
                    forward(&far.0, &near.0);
                }
            }
        });
        Ok(Self { stop, forwarder: Some(forwarder) })
    }
}

impl Drop for TunCable {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(forwarder) = self.forwarder.take() {
            let _ = forwarder.join();
        }
    }
}

/// Carries what waits; a packet that the other end does not take is lost, as on any wire.
fn forward(mut from: &File, mut to: &File) {
    let mut packet = vec![0; LONGEST];
    // Bounded, so that both directions get their turn.
    for _ in 0..64 {
        match from.read(&mut packet) {
            Ok(length) => drop(to.write(&packet[..length])),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}
