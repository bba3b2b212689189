//! The command line of `router`: `compose`, `check`, `plan`, `serve` and `healthcheck`.
//!
//! People's scripts rely on the flags, the output and the exit codes here. What a command does is in a module of its own.

mod check;
mod compose;
mod diagnostics;
mod healthcheck;
mod plan;
mod serve;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Parser, Subcommand, ValueEnum};

use crate::error_chain;
use crate::supergraph_yaml::SupergraphYamlError;

/// A general Apollo Federation 2 router.
#[derive(Debug, Parser)]
#[command(name = "router", version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Composes subgraphs into a supergraph. Exit code 0: composed; 1: the subgraphs do not fit together; 2: bad usage.
    Compose(compose::ComposeArgs),
    /// Compares two schemas: what the step from OLD to NEW breaks for clients. Exit code 0: nothing; 1: something; 2: bad
    /// usage.
    Check(check::CheckArgs),
    /// Shows how an operation would be answered: which subgraphs are asked what, in which order.
    Plan(plan::PlanArgs),
    /// Serves a supergraph over HTTP.
    Serve(serve::ServeArgs),
    /// Asks a router that serves on this machine whether it is ready. Exit code 0: it is; 1: it is not, and why.
    Healthcheck(healthcheck::HealthcheckArgs),
}

/// How a command writes what it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// It did what it was asked to.
    Success,
    /// It was asked properly, and the answer is no.
    Failure,
}

/// Runs the command in `arguments`, of which the first is the program's name.
///
/// Exit code 0: success; 1: the graph or the operation is at fault, said on standard error; 2: bad usage, such as a flag
/// that does not exist or a file that cannot be read.
pub async fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Nobody is there to read it when this fails.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let result = match cli.command {
        Command::Compose(arguments) => compose::run(arguments).await,
        Command::Check(arguments) => check::run(arguments).await,
        Command::Plan(arguments) => plan::run(&arguments),
        Command::Serve(arguments) => serve::run(arguments).await,
        Command::Healthcheck(arguments) => healthcheck::run(&arguments).await,
    };
    match result {
        Ok(Outcome::Success) => ExitCode::SUCCESS,
        Ok(Outcome::Failure) => ExitCode::from(1),
        Err(error) => {
            let drawn: String = messages(&error).into_iter().map(diagnostics::error_line).collect();
            let _ = anstream::stderr().write_all(drawn.as_bytes());
            ExitCode::from(2)
        }
    }
}

/// What there is to say of `error`: one line each.
fn messages(error: &anyhow::Error) -> Vec<String> {
    match error.downcast_ref::<SupergraphYamlError>() {
        Some(SupergraphYamlError::Several(errors)) => errors.iter().map(|error| error_chain(error)).collect(),
        _ => vec![format!("{error:#}")],
    }
}

/// Writes `text` to `output`, or to standard output without one.
///
/// The file is replaced as a whole: a router that watches it never reads half of it.
fn write_output(output: Option<&Path>, text: &str) -> anyhow::Result<()> {
    let Some(path) = output else {
        return io::stdout()
            .write_all(text.as_bytes())
            .context("cannot write to standard output");
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        bail!(
            "cannot write {}: there is no folder {}; make it first",
            path.display(),
            folder.display()
        );
    }
    let mut name = path
        .file_name()
        .with_context(|| format!("{} is not a file", path.display()))?
        .to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let written = std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, path));
    written.with_context(|| format!("cannot write {}", path.display()))
}
