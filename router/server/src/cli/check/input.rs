//! What is compared: schemas in three forms, told apart by their content, and folders of operations.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use composition::compose;
use federation::api_schema::{ApiSchema, ApiSchemaError};
use federation::recorded_operations::OperationFile;

use super::super::compose::draw_errors;
use crate::introspect_subgraph::SdlClient;
use crate::supergraph_yaml::SupergraphYaml;
use crate::text_file;

const EXPECTED: &str = "expected the SDL of a supergraph, the SDL of an API schema, or a supergraph.yaml to compose";

/// The API schema of a supergraph, of itself, or of the subgraphs named in a `supergraph.yaml`.
pub(super) async fn read_schema(path: &Path, client: &SdlClient) -> Result<ApiSchema> {
    let file = path.display();
    let text = text_file::read(path)
        .await
        .with_context(|| format!("cannot read {file}"))?;
    if text.trim().is_empty() {
        bail!("{file} is empty: {EXPECTED}");
    }
    match ApiSchema::parse(&text) {
        Ok(schema) => Ok(schema),
        Err(ApiSchemaError::Syntax { .. }) if is_supergraph_yaml(&text) => compose_yaml(path, client).await,
        Err(ApiSchemaError::Syntax { line, column, reason }) => bail!("{file}:{line}:{column}: {reason}; {EXPECTED}"),
        Err(error) => bail!("{file}: {error}; {EXPECTED}"),
    }
}

/// Of a text that is no GraphQL: whether it has a key `subgraphs` at its top, in YAML or in JSON.
fn is_supergraph_yaml(text: &str) -> bool {
    let is_in_braces = text.trim_start().starts_with('{');
    text.lines().any(|line| {
        let key = if is_in_braces {
            line.trim_start_matches(['{', ' ', '\t', '"', '\''])
        } else {
            line
        };
        key.starts_with("subgraphs") && line.contains(':')
    })
}

async fn compose_yaml(path: &Path, client: &SdlClient) -> Result<ApiSchema> {
    let subgraphs = SupergraphYaml::read(path).await?.subgraphs(client).await?;
    match compose(&subgraphs) {
        Ok(composed) => ApiSchema::parse(&composed.supergraph_sdl).with_context(|| path.display().to_string()),
        Err(errors) => {
            anstream::stderr()
                .write_all(draw_errors(&errors, &subgraphs).as_bytes())
                .context("cannot write to standard error")?;
            let first = errors.first().map(|error| error.message.as_str()).unwrap_or_default();
            bail!("{}: the subgraphs do not compose: {first}", path.display())
        }
    }
}

/// Every `*.graphql` and `*.gql` below `folder`, sorted by path.
pub(super) fn read_operations(folder: &Path) -> Result<Vec<OperationFile>> {
    let mut paths = Vec::new();
    find_documents(folder, &mut paths).with_context(|| format!("cannot read the folder {}", folder.display()))?;
    if paths.is_empty() {
        // A check against nothing would pass whatever breaks.
        bail!("there is no *.graphql and no *.gql file in {}", folder.display());
    }
    paths.sort_unstable();
    let read = |path: &PathBuf| -> Result<OperationFile> {
        let path_text = path.display().to_string();
        let text = text_file::read_blocking(path).with_context(|| format!("cannot read {path_text}"))?;
        Ok(OperationFile { path: path_text, text })
    };
    paths.iter().map(read).collect()
}

fn find_documents(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        // Not through symbolic links to folders, which may lead in circles.
        if entry.file_type()?.is_dir() {
            find_documents(&path, found)?;
        } else if path
            .extension()
            .is_some_and(|extension| extension == "graphql" || extension == "gql")
        {
            found.push(path);
        }
    }
    Ok(())
}
