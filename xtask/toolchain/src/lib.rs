//! Finds the BPF tool chain.
