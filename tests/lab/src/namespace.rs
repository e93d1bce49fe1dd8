//! An unnamed network namespace, held by a file descriptor.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result, anyhow, bail};
use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::sched::{CloneFlags, CpuSet, sched_getaffinity, sched_setaffinity, setns, unshare};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getpid, getppid};

/// No duplicate address detection, no router advertisements: addresses work at once and nothing sends by itself.
/// Reverse-path filtering would drop packets to an extra address that arrive over the default route.
const QUIET: [(&str, &str); 8] = [
    ("net/ipv6/conf/all/accept_dad", "0"),
    ("net/ipv6/conf/default/accept_dad", "0"),
    ("net/ipv6/conf/all/accept_ra", "0"),
    ("net/ipv6/conf/default/accept_ra", "0"),
    ("net/ipv6/conf/default/autoconf", "0"),
    ("net/ipv6/conf/default/router_solicitations", "0"),
    ("net/ipv4/conf/all/rp_filter", "0"),
    ("net/ipv4/conf/default/rp_filter", "0"),
];

/// In the place of a CPU: any.
const ANY_CPU: usize = usize::MAX;

/// A network namespace without a name. It lives as long as this value, a process inside it or an open socket of
/// it does; links, routes and programs attached to its links go with it.
#[derive(Debug)]
pub struct Namespace {
    label: String,
    fd: Arc<OwnedFd>,
    /// The one CPU that programs which start in it run on, or [`ANY_CPU`].
    cpu: AtomicUsize,
}

impl Namespace {
    /// Creates a namespace with loopback up. `label` is for error messages only.
    ///
    /// # Errors
    /// When the caller may not create namespaces (needs root, or CAP_SYS_ADMIN and CAP_NET_ADMIN) or `ip` is missing.
    pub fn new(label: &str) -> Result<Self> {
        // A thread of its own: `unshare` moves the calling thread, which must not come back.
        let fd = thread::scope(|scope| scope.spawn(unshared_namespace).join())
            .map_err(|_| anyhow!("the thread that creates a namespace panicked"))?
            .with_context(|| format!("create network namespace {label}: run as root"))?;
        let namespace = Self { label: label.to_owned(), fd: Arc::new(fd), cpu: AtomicUsize::new(ANY_CPU) };
        for (key, value) in QUIET {
            namespace.sysctl(key, value)?;
        }
        namespace.ip_batch("link set lo up")?;
        Ok(namespace)
    }

    /// The label given at creation.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// A path under which other processes can open the namespace as long as this process holds it.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", getpid(), self.fd.as_raw_fd())
    }

    /// The inode number that identifies the namespace in `/proc/PID/ns/net` of the processes inside it.
    ///
    /// # Errors
    /// When the descriptor cannot be queried.
    pub fn inode(&self) -> Result<u64> {
        let path = self.path();
        Ok(fs::metadata(&path).with_context(|| format!("look up {path}"))?.ino())
    }

    /// Runs `work` on a thread inside the namespace and returns its value. Sockets made there stay in the
    /// namespace; threads started there are inside it too. A panic of `work` continues in the caller.
    ///
    /// `/sys` still shows the namespace of the caller; `/proc/sys/net` and `/proc/thread-self/net` show this one.
    ///
    /// # Errors
    /// When the thread cannot enter the namespace.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        let entered = thread::scope(|scope| {
            scope
                .spawn(|| {
                    setns(self.fd.as_fd(), CloneFlags::CLONE_NEWNET)?;
                    Ok(work())
                })
                .join()
        });
        match entered {
            Ok(result) => result.map_err(|errno: Errno| {
                anyhow!("enter network namespace {}: {errno}: run as root", self.label)
            }),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    /// A command that runs inside the namespace, without standard input, and is killed when the thread that
    /// started it ends.
    ///
    /// Use it directly for `output()` and `status()`; hand it to [`crate::spawn`] or [`crate::Process::spawn`]
    /// when it shall outlive the calling thread.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.stdin(Stdio::null());
        let fd = Arc::clone(&self.fd);
        let owner = getpid();
        let cpu = self.cpu.load(Ordering::Relaxed);
        let mut only = CpuSet::new();
        let cpus = (cpu != ANY_CPU).then(|| only.set(cpu).map(|()| only));
        // SAFETY: between fork and exec the closure makes four system calls and neither allocates nor locks; the
        // descriptor is kept open by the captured Arc.
        unsafe {
            command.pre_exec(move || {
                if let Some(cpus) = cpus {
                    sched_setaffinity(Pid::from_raw(0), &cpus?)?;
                }
                enter_and_die_with(fd.as_fd(), owner)
            });
        }
        command
    }

    /// Has programs that start in it from now on run on this CPU alone. A veth carries a packet on the CPU of its sender, while a
    /// network card keeps a direction of a connection on one.
    pub fn keep_to_cpu(&self, cpu: usize) {
        self.cpu.store(cpu, Ordering::Relaxed);
    }

    /// Like [`command`](Self::command), for a program that forks: it becomes the first process of a PID
    /// namespace, so that all its descendants die with it. It knows itself as process 1.
    ///
    /// Signals sent to the child reach the `unshare` around it, not the program; killing it kills all.
    pub fn tree_command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = self.command("unshare");
        command.args(["--pid", "--fork", "--kill-child=SIGKILL", "--"]).arg(program);
        command
    }

    /// Runs one `ip` command inside, for example `ip("route add 192.0.2.0/24 via 10.0.0.1")`.
    ///
    /// # Errors
    /// When `ip` is missing or refuses.
    pub fn ip(&self, arguments: &str) -> Result<()> {
        self.ip_batch(arguments)
    }

    /// Runs several `ip` commands, one a line, in one process; stops at the first that fails.
    ///
    /// # Errors
    /// When `ip` is missing or refuses a line.
    pub fn ip_batch(&self, lines: &str) -> Result<()> {
        let what = || format!("in network namespace {}: ip -batch:\n{lines}", self.label);
        let mut child = self
            .command("ip")
            .args(["-batch", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("start ip: install iproute2")?;
        if let Some(mut input) = child.stdin.take() {
            // A refusal closes the pipe early; the message of `ip` says more than the write error.
            let _ = writeln!(input, "{lines}");
        }
        let output = child.wait_with_output().with_context(what)?;
        if !output.status.success() {
            bail!("{}\n{}", what(), String::from_utf8_lossy(&output.stderr).trim_end());
        }
        Ok(())
    }

    /// Sets `/proc/sys/<key>` of this namespace, for example `sysctl("net/ipv4/ip_forward", "1")`.
    ///
    /// # Errors
    /// When the key does not exist or refuses the value; keys outside `net/` are refused since they are not the
    /// namespace's own.
    pub fn sysctl(&self, key: &str, value: &str) -> Result<()> {
        if !key.starts_with("net/") || key.contains("..") {
            bail!(
                "set {key} in network namespace {}: only keys under net/ belong to a namespace",
                self.label
            );
        }
        let path = format!("/proc/sys/{key}");
        self.run(|| fs::write(&path, value))?
            .with_context(|| format!("in network namespace {}: write {value} to {path}", self.label))
    }

    /// The index of one of the namespace's interfaces.
    ///
    /// # Errors
    /// When there is no such interface.
    pub fn interface_index(&self, interface: &str) -> Result<u32> {
        self.run(|| nix::net::if_::if_nametoindex(interface))?
            .with_context(|| format!("look up interface {interface} in network namespace {}", self.label))
    }

    /// The hardware address of one of the namespace's interfaces.
    ///
    /// # Errors
    /// When there is no such interface or it has no hardware address.
    pub fn mac_address(&self, interface: &str) -> Result<[u8; 6]> {
        let find = || {
            let mut all = getifaddrs()?.filter(|entry| entry.interface_name == interface);
            Ok(all.find_map(|entry| entry.address?.as_link_addr()?.addr()))
        };
        self.run(find)?
            .map_err(|errno: Errno| {
                anyhow!("list the interfaces of network namespace {}: {errno}", self.label)
            })?
            .with_context(|| format!("find interface {interface} in network namespace {}", self.label))
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn unshared_namespace() -> io::Result<OwnedFd> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    Ok(File::open("/proc/thread-self/ns/net")?.into())
}

/// Runs in the child between fork and exec.
fn enter_and_die_with(namespace: BorrowedFd<'_>, owner: Pid) -> io::Result<()> {
    setns(namespace, CloneFlags::CLONE_NEWNET)?;
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    // The owner may have died before the request above; then nobody would ever kill this child.
    if getppid() != owner {
        return Err(Errno::ESRCH.into());
    }
    Ok(())
}
/// The CPUs on which programs may run, by number.
///
/// # Errors
/// When the kernel does not say.
pub fn allowed_cpus() -> Result<Vec<usize>> {
    let allowed = sched_getaffinity(Pid::from_raw(0)).context("ask which CPUs may be used")?;
    Ok((0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu) == Ok(true)).collect())
}
