//! Sizes of the sensor's programs after the kernel has translated them.

use anyhow::{Context as _, Result};
use aya::programs::ProgramInfo;
use sensor_user::{config::Config, kernel::object::program};
use serde_json::{Value, json};

use crate::sensor;

/// One loaded program.
pub(crate) struct Size {
    name: &'static str,
    translated: u32,
    compiled: u32,
    verified: Option<u32>,
}

/// The sizes of the sensor's programs.
pub(crate) fn sizes() -> Result<Vec<Size>> {
    let mut kernel = sensor::load(&Config::default())?;
    let mut sizes =
        vec![Size::of(program::XDP_IN, kernel.xdp()?.info().context("ask about the XDP program")?)];
    for name in [program::TC_IN, program::TC_OUT] {
        let info = kernel.classifier(name)?.info();
        sizes.push(Size::of(name, info.with_context(|| format!("ask about {name}"))?));
    }
    Ok(sizes)
}

impl Size {
    fn of(name: &'static str, info: ProgramInfo) -> Self {
        Self {
            name,
            translated: info.size_translated().unwrap_or_default() / 8,
            compiled: info.size_jitted(),
            verified: info.verified_instruction_count(),
        }
    }

    /// As text.
    pub(crate) fn line(&self) -> String {
        let verified = self.verified.map(|count| format!(", {count} instructions walked by the verifier"));
        format!(
            "{}: {} instructions, {} bytes of machine code{}",
            self.name,
            self.translated,
            self.compiled,
            verified.unwrap_or_default()
        )
    }

    /// For the JSON file.
    pub(crate) fn json(&self) -> Value {
        json!({
            "program": self.name,
            "instructions": self.translated,
            "machine_code_bytes": self.compiled,
            "verified_instructions": self.verified,
        })
    }
}
