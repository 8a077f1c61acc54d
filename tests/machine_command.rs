//! `sweetspot machine` as its users run it. No test here depends on how fast this machine is.

use std::process::{Command, Output};

use serde_json::Value;

fn machine(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_sweetspot");
    Command::new(program).arg("machine").args(arguments).output().expect("the program starts")
}

fn json(arguments: &[&str]) -> Value {
    let output = machine(arguments);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("standard output is JSON and nothing else")
}

#[test]
fn the_facts_alone_are_printed_as_text_without_bandwidth() {
    let output = machine(&["--no-measure"]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    for label in ["Machine", "CPU", "Memory", "GPU"] {
        assert!(text.lines().any(|line| line.starts_with(label)), "{label} is missing in\n{text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 100 || !line.trim().contains(' ')), "{text}");
    assert!(!text.contains("Bandwidth"), "{text}");
}

#[test]
fn the_facts_are_json_with_units_in_their_names() {
    let sheet = json(&["--no-measure", "-o", "json"]);
    assert_eq!(sheet["schema_version"], 1);
    assert_eq!(sheet["roofline"], Value::Null);
    let machine = &sheet["machine"];
    assert!(machine["cpu"]["logical_cores"].as_u64().is_some_and(|cores| cores >= 1));
    assert!(machine["memory"]["total_bytes"].as_u64().is_some_and(|bytes| bytes > 1 << 20));
    let available = machine["memory"]["available_bytes"].as_u64().expect("a number");
    assert!(available <= machine["memory"]["total_bytes"].as_u64().expect("a number"));
    let gpus = machine["gpus"].as_array().expect("a list");
    assert!(!gpus.is_empty() || machine["gpu_note"].is_string(), "no GPU and no word why: {machine}");
}

#[test]
fn what_is_measured_says_how_with_how_many_threads_and_how_sure_it_is() {
    let sheet = json(&["--format", "json", "--threads", "1"]);
    for (measured, best, median, floor) in [
        ("bandwidth", "best_gb_per_second", "median_gb_per_second", 0.1),
        ("bandwidth_single_thread", "best_gb_per_second", "median_gb_per_second", 0.1),
        ("throughput", "best_gflops", "median_gflops", 0.01),
        ("throughput_single_thread", "best_gflops", "median_gflops", 0.01),
    ] {
        let value = &sheet["roofline"][measured];
        let (best, median) = (value[best].as_f64(), value[median].as_f64());
        assert!(median.is_some_and(|rate| rate > floor) && best >= median, "{measured}: {value}");
        assert!(value["spread_percent"].as_f64().is_some_and(|percent| percent >= 0.0), "{measured}: {value}");
        assert!(value["repetitions"].as_u64().is_some_and(|count| count >= 3), "{measured}: {value}");
        assert_eq!(value["threads"], 1, "{measured}");
        assert!(value["method"].as_str().is_some_and(|method| !method.is_empty()), "{measured}: {value}");
    }
    assert!(sheet["noise"].is_array());
}

#[test]
fn wrong_arguments_end_with_code_2_and_are_named() {
    for arguments in [&["-t", "0"][..], &["-t", "many"], &["--format", "xml"], &["--no-such-flag"]] {
        let output = machine(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        let message = String::from_utf8(output.stderr).expect("UTF-8");
        assert!(message.contains(arguments[arguments.len() - 1]), "{arguments:?}: {message}");
    }
}
