//! The cost of one packet to a program, by BPF_PROG_TEST_RUN.

use anyhow::{Context as _, Result, ensure};
use aya::programs::{ProgramError, SchedClassifier, TestRun, TestRunOptions, TestRunResult, Xdp};

use crate::processor::thread_nanos;

/// A program that the kernel can run on a frame by hand.
#[derive(Clone, Copy)]
pub(crate) enum Runnable<'a> {
    /// At XDP. Must be attached somewhere: else the kernel waits for a grace period in each run.
    Xdp(&'a Xdp),
    /// At TC.
    Tc(&'a SchedClassifier),
}

impl Runnable<'_> {
    fn test_run(self, options: TestRunOptions<'_>) -> Result<TestRunResult, ProgramError> {
        match self {
            Self::Xdp(xdp) => xdp.test_run(options),
            Self::Tc(classifier) => classifier.test_run(options),
        }
    }

    /// Runs it on `frame` `packets` times; returns its last return value.
    pub(crate) fn run(self, frame: &[u8], packets: u32) -> Result<u32> {
        let options = TestRunOptions { data_in: Some(frame), repeat: packets, ..TestRunOptions::new() };
        let result = self.test_run(options).context("run a program by hand")?;
        Ok(result.return_value)
    }

    /// Processor time of one packet, nanoseconds; the program must return one of `expected`. The kernel's own figure has
    /// no fractions.
    pub(crate) fn cost(self, frame: &[u8], packets: u32, expected: &[u32]) -> Result<f64> {
        let start = thread_nanos()?;
        let returned = self.run(frame, packets)?;
        let nanos = thread_nanos()? - start;
        ensure!(
            expected.contains(&returned),
            "the program returned {returned} and none of {expected:?}: it did not do what is measured"
        );
        Ok(nanos as f64 / f64::from(packets))
    }
}
