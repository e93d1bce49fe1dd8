//! The compiled packet path, read from the loaded programs: nothing here measures time.
#![expect(clippy::print_stdout, reason = "a run shows the sizes to whoever asks for them")]

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use aya::programs::Xdp;
use sensor_common::settings::feature;
use sensor_lab::{require_lab, skip};
use sensor_user::{
    config::Config,
    kernel::{
        object::{KernelProgram, program},
        ticks::KernelClock,
    },
    plan,
};

/// Most instructions of a program after translation by the kernel. More is no fault by itself, but should be a deliberate
/// choice: unused code takes cache space, and verification time on old kernels.
const BUDGETS: [(&str, u32); 7] = [
    (program::XDP_FRAGS, 16_900),
    (program::XDP_IN, 16_900),
    (program::XDP_IP, 12_000),
    (program::TC_IN, 16_900),
    (program::TC_OUT, 16_900),
    (program::TC_IP_IN, 12_000),
    (program::TC_IP_OUT, 12_000),
];

/// A program in the kernel.
struct Loaded {
    name: &'static str,
    id: u32,
    instructions: u32,
    budget: u32,
    /// Instructions that the verifier followed, if the kernel says (Linux 5.16).
    verified: Option<u32>,
}

/// Most instructions that the verifier may follow; it gives up after a million.
const MAX_VERIFIED: u32 = 300_000;

fn loaded() -> Result<KernelProgram> {
    loaded_with(0)
}

/// The programs with further [`feature`] bits.
fn loaded_with(features: u32) -> Result<KernelProgram> {
    let clock = KernelClock::of_this_kernel().context("read the kernel's tick length")?.ticks();
    let mut plan = plan::load_plan(&Config::default(), clock);
    plan.settings.features |= features;
    KernelProgram::load(&plan).context("load the kernel program")
}

/// Every program that looks at packets, also the XDP program that only kernels without frames in several buffers are given
/// by the agent.
fn programs(kernel: &mut KernelProgram) -> Result<Vec<Loaded>> {
    let describe = |(name, budget)| {
        let info = match name {
            program::XDP_FRAGS | program::XDP_IN | program::XDP_IP => xdp(kernel, name)?.info(),
            _ => kernel.classifier(name)?.info(),
        };
        let info = info.with_context(|| format!("ask about {name}"))?;
        let bytes = info.size_translated().with_context(|| format!("ask for the size of {name}"))?;
        let verified = info.verified_instruction_count();
        Ok(Loaded { name, id: info.id(), instructions: bytes / 8, budget, verified })
    };
    BUDGETS.into_iter().map(describe).collect()
}

/// The XDP program of this name, verified.
fn xdp<'a>(kernel: &'a mut KernelProgram, name: &str) -> Result<&'a mut Xdp> {
    let program = kernel
        .ebpf()
        .and_then(|ebpf| ebpf.program_mut(name))
        .with_context(|| format!("no program {name}"))?;
    let xdp: &mut Xdp = program.try_into().with_context(|| format!("{name} as an XDP program"))?;
    xdp.load().with_context(|| format!("load {name}"))?;
    Ok(xdp)
}

/// The translated instructions as bpftool lists them, or `None` where there is no bpftool.
fn listing(id: u32) -> Result<Option<String>> {
    let Ok(output) = Command::new("bpftool").args(["prog", "dump", "xlated", "id", &id.to_string()]).output()
    else {
        return Ok(None);
    };
    let text = String::from_utf8(output.stdout).context("read what bpftool writes")?;
    ensure!(text.contains("exit"), "bpftool shows no instructions of program {id}: {text}");
    Ok(Some(text))
}

/// The kernel replaces a lookup in a known map by the lookup itself (arrays) or by a call of that map's own function
/// (tries). The general function only remains if two lookups were merged into one, on a map that is unknown then.
#[test]
fn looks_up_array_maps_without_a_call() {
    require_lab!(Network);
    look_for_general_lookups().unwrap();
}

fn look_for_general_lookups() -> Result<()> {
    let mut kernel = loaded()?;
    for program in programs(&mut kernel)? {
        let Some(listing) = listing(program.id)? else {
            skip("looks_up_array_maps_without_a_call", "bpftool is not in PATH: install the package bpftool");
            return Ok(());
        };
        let general =
            listing.lines().filter(|line| line.contains("call bpf_map_lookup_elem")).collect::<Vec<_>>();
        ensure!(general.is_empty(), "{} looks maps up by a general call: {general:#?}", program.name);
    }
    Ok(())
}

#[test]
fn programs_keep_within_their_instruction_budget() {
    require_lab!(Network);
    count_instructions().unwrap();
}

fn count_instructions() -> Result<()> {
    let mut kernel = loaded()?;
    let programs = programs(&mut kernel)?;
    for Loaded { name, instructions, budget, .. } in &programs {
        println!("{name}: {instructions} instructions of {budget}");
    }
    let over: Vec<String> = programs
        .iter()
        .filter(|program| program.instructions > program.budget)
        .map(|program| format!("{} has {}, of {}", program.name, program.instructions, program.budget))
        .collect();
    ensure!(
        over.is_empty(),
        "more instructions than are allowed: {over:#?}; if all are needed, raise the budget"
    );
    Ok(())
}

#[test]
fn verifier_gives_up_on_no_program() {
    require_lab!(Network);
    count_verified().unwrap();
}

fn count_verified() -> Result<()> {
    let kinds = [
        (0, "by default"),
        (feature::TUNNELS, "with tunnels"),
        (feature::TUNNELS | feature::SHORT, "with tunnels, as before Linux 6.2"),
    ];
    for (features, kind) in kinds {
        for Loaded { name, verified, .. } in programs(&mut loaded_with(features)?)? {
            let Some(verified) = verified else {
                skip("verifier_gives_up_on_no_program", "the kernel does not say what the verifier did");
                return Ok(());
            };
            println!("{name} {kind}: {verified} instructions verified");
            ensure!(verified <= MAX_VERIFIED, "{name} {kind}: the verifier followed {verified} instructions");
        }
    }
    Ok(())
}
