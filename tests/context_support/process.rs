//! A test in a process of its own, and that process's memory.
//!
//! Tests of one binary are threads of one process: whatever the others allocate would be seen, too.

use std::process::Command;

use sweetspot::machine::vitals::ProcessMemory;

/// Set in the process that a test runs in alone; its value is the test's name.
const ALONE: &str = "SWEETSPOT_TEST_ALONE";

/// Runs a test's body in a process that does nothing else; `name` is the test's name. What it prints is shown.
pub fn alone(name: &str, body: impl FnOnce()) {
    if std::env::var(ALONE).is_ok_and(|alone| alone == name) {
        return body();
    }
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new(program);
    command.args([name, "--exact", "--nocapture", "--test-threads=1"]).env(ALONE, name);
    let output = command.output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{said}");
    assert!(output.status.success(), "{name}, alone: {}", output.status);
    assert!(said.contains("1 passed"), "there is no test of the name {name}");
}

/// The memory of this process.
pub fn memory() -> ProcessMemory {
    ProcessMemory::of(std::process::id()).expect("the system tells")
}

/// The private resident memory of this process, in bytes: every page counted. `/proc/self/status` adds up counters that each
/// CPU keeps to itself for a while, and is off by some hundred kilobytes on a busy machine.
pub fn anonymous() -> u64 {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").expect("Linux tells");
    let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:")).expect("it has the line");
    let kib: u64 = line.trim().trim_end_matches("kB").trim_end().parse().unwrap();
    kib << 10
}

/// The private memory of this process, touched or not, in bytes.
pub fn data() -> u64 {
    memory().data_bytes.expect("Linux tells")
}
