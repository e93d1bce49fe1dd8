//! The processor of a thread, and the processor time that it used.

use std::{collections::BTreeMap, fs, path::PathBuf, sync::OnceLock};

use anyhow::{Context as _, Result};
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    time::{ClockId, clock_gettime},
    unistd::Pid,
};

/// The processors that this process may use, first and last; the same one twice where there is one.
pub(crate) fn pair() -> Result<(usize, usize)> {
    let allowed = sched_getaffinity(Pid::from_raw(0)).context("ask which processors may be used")?;
    let mut usable = (0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu).unwrap_or(false));
    let first = usable.next().context("no processor may be used")?;
    Ok((first, usable.next_back().unwrap_or(first)))
}

/// Keeps the calling thread, and those it will start, on `cpu`.
pub(crate) fn stay_on(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu).with_context(|| format!("name processor {cpu}"))?;
    sched_setaffinity(Pid::from_raw(0), &set).with_context(|| format!("stay on processor {cpu}"))
}

/// Runs `work` on `cpu`, on a thread of its own.
pub(crate) fn on<T: Send>(cpu: usize, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            stay_on(cpu)?;
            work()
        });
        match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Processor time of the calling thread, nanoseconds: other work on the same processor does not count.
pub(crate) fn thread_nanos() -> Result<u64> {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).context("read the thread's processor time")?;
    Ok(time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64)
}

/// Processor time so far of the kernel thread that receives frames on `cpu` under load; 0 without one.
pub(crate) fn receiving_nanos(cpu: usize) -> Result<u64> {
    static THREADS: OnceLock<BTreeMap<String, PathBuf>> = OnceLock::new();
    let threads = THREADS.get_or_init(softirq_threads);
    let Some(folder) = threads.get(&format!("ksoftirqd/{cpu}")) else { return Ok(0) };
    let path = folder.join("schedstat");
    let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    // Nanoseconds on a processor come first.
    let nanos = text.split_whitespace().next().and_then(|nanos| nanos.parse().ok());
    nanos.with_context(|| format!("find the processor time in {}", path.display()))
}

/// The kernel's `ksoftirqd` threads by name, with their folder under /proc.
fn softirq_threads() -> BTreeMap<String, PathBuf> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|entry| {
            let name = fs::read_to_string(entry.path().join("comm")).ok()?;
            let name = name.trim_end();
            name.starts_with("ksoftirqd/").then(|| (name.to_owned(), entry.path()))
        })
        .collect()
}
