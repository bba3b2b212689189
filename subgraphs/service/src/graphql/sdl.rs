//! The federation SDL of a subgraph, from one function for both the `schema` command and `_service { sdl }`.

use async_graphql::{ObjectType, SDLExportOptions, Schema, SubscriptionType};

/// The SDL that is published and composed.
#[must_use]
pub fn sdl<Query, Mutation, Subscription>(schema: &Schema<Query, Mutation, Subscription>) -> String
where
    Query: ObjectType + 'static,
    Mutation: ObjectType + 'static,
    Subscription: SubscriptionType + 'static,
{
    let options = SDLExportOptions::new()
        .federation()
        .compose_directive()
        .include_specified_by()
        .prefer_single_line_descriptions()
        .use_space_ident();
    normalize(&schema.sdl_with_options(options))
}

/// What async-graphql itself would answer to `_service { sdl }`: it knows no options there.
pub(super) fn built_in<Query, Mutation, Subscription>(schema: &Schema<Query, Mutation, Subscription>) -> String
where
    Query: ObjectType + 'static,
    Mutation: ObjectType + 'static,
    Subscription: SubscriptionType + 'static,
{
    schema.sdl_with_options(SDLExportOptions::new().federation().compose_directive())
}

/// Drops what the printer adds and nobody wants to review: definitions of the specification's own directives, and
/// runs of blank lines. The result is a normal form: it never changes twice.
#[must_use]
pub fn normalize(sdl: &str) -> String {
    const SPECIFIED: [&str; 5] = ["skip", "include", "deprecated", "specifiedBy", "oneOf"];
    let mut text = String::with_capacity(sdl.len());
    let mut blank = true;
    let mut pending_description: Option<&str> = None;
    for line in sdl.lines().map(str::trim_end) {
        // A description at the start of a line belongs to the definition that follows, which may be dropped.
        if line.starts_with('"') && line.len() > 1 && line.ends_with('"') && !line.starts_with("\"\"\"\"") {
            pending_description = Some(line);
            continue;
        }
        let name = line
            .strip_prefix("directive @")
            .map(|rest| rest.split(['(', ' ']).next().unwrap_or_default());
        if name.is_some_and(|name| SPECIFIED.contains(&name)) {
            pending_description = None;
            continue;
        }
        for line in pending_description.take().into_iter().chain([line]) {
            if line.is_empty() && blank {
                continue;
            }
            blank = line.is_empty();
            text.push_str(line);
            text.push('\n');
        }
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}
