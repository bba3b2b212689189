//! `hansa` as started from a shell with something wrong: one clear line, and an exit code that is not zero.
//!
//! What it does when all is well is tested by `e2e`.

use std::net::TcpListener;
use std::process::{Command, Output};

fn hansa(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hansa"))
        .args(arguments)
        .output()
        .expect("the binary was built with this test")
}

const ANY_PORTS: [&str; 4] = ["--sandbox-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];

#[track_caller]
fn check(arguments: &[&str], code: i32, expected: &str) {
    let output = hansa(arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{error}");
    let first = error.lines().next().unwrap_or_default();
    assert!(first.starts_with("error: ") && first.contains(expected), "{error}");
    assert!(output.stdout.is_empty(), "nothing is announced");
}

#[test]
fn a_taken_port_is_named_with_the_flag_that_changes_it() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let arguments = [&ANY_PORTS[..], &["--ephemeral", "--listen", &address]].concat();
    check(
        &arguments,
        1,
        &format!("cannot listen on {address} (choose another address with --listen)"),
    );
}

#[test]
fn a_folder_that_cannot_be_written_to_is_named() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let path = file.path().to_str().expect("an ASCII path");
    let arguments = [&ANY_PORTS[..], &["--listen", "127.0.0.1:0", "--data", path]].concat();
    check(&arguments, 1, &format!("the data folder {path} cannot be written to"));
}

#[test]
fn the_sandbox_stays_on_loopback() {
    check(
        &["--ephemeral", "--sandbox-listen", "0.0.0.0:0"],
        1,
        "the payment sandbox may listen on loopback only",
    );
}

#[test]
fn an_unknown_flag_is_named() {
    check(&["--bogus"], 2, "--bogus");
}

#[test]
fn a_health_check_says_that_nobody_is_there() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = free.local_addr().expect("an address").to_string();
    drop(free);
    check(
        &["healthcheck", "--admin-listen", &address],
        1,
        &format!("{address} does not answer"),
    );
}
