//! The entry point of a fuzz target.
//!
//! With the feature `link` it is a target of libFuzzer. Without it, a target is a program that reads the files in its arguments,
//! so that an input that once failed can be tried with any compiler.

#[cfg(feature = "link")]
pub use libfuzzer_sys::fuzz_target;

/// Makes a program that gives the content of each file among its arguments to the target.
#[cfg(not(feature = "link"))]
#[macro_export]
macro_rules! fuzz_target {
    (|$bytes:ident: &[u8]| $body:block) => {
        fn main() -> std::io::Result<()> {
            let target = |$bytes: &[u8]| $body;
            for path in std::env::args_os().skip(1) {
                target(&std::fs::read(path)?);
            }
            Ok(())
        }
    };
}
