//! `router plan`: shows the query plan of one operation, and measures how long planning takes.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;
use executor::coerce_variables;
use federation::deferral::{ActiveDefers, DeferConditions};
use federation::error::{Location, RequestError};
use federation::limits::Limits;
use federation::operation::{self, Operation};
use federation::query_plan::QueryPlan;
use federation::supergraph::{ActiveLabels, Supergraph};
use planner::Planner;
use serde_json::{Map, json};

use super::{Format, Outcome, write_output};
use crate::text_file;

#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// The composed supergraph.
    #[arg(long, value_name = "FILE")]
    supergraph: PathBuf,
    /// The GraphQL document.
    #[arg(long, value_name = "FILE")]
    operation: PathBuf,
    /// Which of its operations; needed when there are several.
    #[arg(long, value_name = "NAME")]
    operation_name: Option<String>,
    /// A label of `@override(from:, label:)` that is on; may be given several times.
    #[arg(long, value_name = "LABEL")]
    override_label: Vec<String>,
    /// Variables of the request, as a JSON object: they say which `@defer(if: $variable)` hold. Without them none does.
    #[arg(long, value_name = "JSON")]
    variables: Option<String>,
    /// `text`: the plan as an indented tree. `json`: one object with `plan`, `fetches`, `stages` and `plan_ms`.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Plan this often, and say the median time. Each time anew: nothing is remembered but what loading the supergraph
    /// computes.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
}

pub(super) fn run(arguments: &PlanArgs) -> Result<Outcome> {
    let sdl = read(&arguments.supergraph)?;
    let text = read(&arguments.operation)?;
    let supergraph = Supergraph::parse(&sdl).with_context(|| arguments.supergraph.display().to_string())?;
    let supergraph = Arc::new(supergraph);
    let parsed = parse(&text, &supergraph, arguments)
        .and_then(|operation| Ok((defers(&operation, arguments.variables.as_deref())?, operation)));
    let (defers, operation) = match parsed {
        Ok(parsed) => parsed,
        Err(errors) => {
            io::stderr().write_all(errors.as_bytes())?;
            return Ok(Outcome::Failure);
        }
    };
    let labels = labels(&supergraph, &arguments.override_label)?;
    let (plan, plan_ms) = plan_repeatedly(&supergraph, &operation, (&labels, &defers), arguments.repeat)?;
    let output = match arguments.format {
        Format::Text => plan.to_string(),
        Format::Json => {
            let report = json!({
                "plan": plan.to_json(),
                "fetches": plan.fetches(),
                "stages": plan.stages(),
                "plan_ms": plan_ms,
            });
            format!("{report:#}\n")
        }
    };
    write_output(None, &output)?;
    Ok(Outcome::Success)
}

fn read(path: &Path) -> Result<String> {
    text_file::read_blocking(path).with_context(|| format!("cannot read {}", path.display()))
}

/// The operation, or one line for each reason why it is none.
fn parse(text: &str, supergraph: &Supergraph, arguments: &PlanArgs) -> Result<Operation, String> {
    let explain = |errors: Vec<RequestError>| {
        let file = arguments.operation.display();
        let lines = errors.iter().map(|error| match error.locations.first() {
            Some(Location { line, column }) => format!("error: {file}:{line}:{column}: {error}\n"),
            None => format!("error: {file}: {error}\n"),
        });
        lines.collect::<String>()
    };
    let document = operation::parse(text, &Limits::default())
        .map_err(explain)?
        .without_unused_fragments();
    operation::validate(&document, supergraph.api_schema(), arguments.operation_name.as_deref()).map_err(explain)
}

/// Which fragments a client would get later that reads answers in parts; or one line for each wrong variable.
fn defers(operation: &Operation, variables: Option<&str>) -> Result<ActiveDefers, String> {
    let variables = match variables {
        None => Map::new(),
        Some(text) => {
            let given = serde_json::from_str(text).map_err(|error| format!("error: --variables: {error}\n"))?;
            coerce_variables(operation, Some(given)).map_err(|errors| {
                let lines = errors.iter().map(|error| format!("error: --variables: {error}\n"));
                lines.collect::<String>()
            })?
        }
    };
    Ok(DeferConditions::of(operation).active(&variables))
}

fn labels(supergraph: &Supergraph, names: &[String]) -> Result<ActiveLabels> {
    let ids = names.iter().map(|name| {
        let id = supergraph.override_label(name);
        id.with_context(|| format!("no `@override` of the supergraph has the label `{name}`"))
    });
    ids.collect()
}

/// The plan, and the median of the times it took, in milliseconds.
fn plan_repeatedly(
    supergraph: &Arc<Supergraph>,
    operation: &Operation,
    (labels, defers): (&ActiveLabels, &ActiveDefers),
    times: u32,
) -> Result<(QueryPlan, f64)> {
    let mut durations = Vec::new();
    let mut last = None;
    for _ in 0..times {
        // A planner of its own each time, so that nothing it may have learnt helps the next.
        let planner = Planner::new(Arc::clone(supergraph));
        let begin = Instant::now();
        let plan = planner.plan_in_parts(operation, labels, defers)?;
        durations.push(begin.elapsed());
        last = Some(plan);
    }
    durations.sort_unstable();
    let (Some(plan), Some(median)) = (last, durations.get(durations.len() / 2)) else {
        bail!("--repeat must be at least 1");
    };
    Ok((plan, median.as_secs_f64() * 1_000.0))
}
