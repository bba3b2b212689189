//! `supergraph.yaml` in Rover's form: which subgraphs there are, and where their SDL is read.
//!
//! ```yaml
//! subgraphs:
//!   products:
//!     routing_url: http://products/graphql
//!     schema:
//!       file: products.graphql
//!   users:
//!     schema:
//!       subgraph_url: http://users/graphql
//! ```
//!
//! Reads files and fetches SDL; does not compose.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use federation::subgraph::Subgraph;
use futures::future::join_all;
use http::{HeaderMap, HeaderName, HeaderValue};
use indexmap::IndexMap;
use serde::Deserialize;
use url::Url;

use crate::config::{ConfigError, read_yaml};
use crate::error_chain;
use crate::introspect_subgraph::{IntrospectError, SdlClient};
use crate::text_file;

/// Why the subgraphs of a `supergraph.yaml` are not at hand.
#[derive(Debug, thiserror::Error)]
pub enum SupergraphYamlError {
    /// The YAML itself.
    #[error(transparent)]
    Yaml(#[from] ConfigError),
    /// The SDL file of one subgraph.
    #[error("cannot read {} of subgraph `{subgraph}`", path.display())]
    SchemaFile {
        /// Its name.
        subgraph: String,
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: std::io::Error,
    },
    /// The SDL was to be fetched from the subgraph itself.
    #[error("cannot fetch the SDL of subgraph `{subgraph}` from {url}")]
    Introspect {
        /// Its name.
        subgraph: String,
        /// Where it was looked for.
        url: Box<Url>,
        /// What went wrong.
        #[source]
        source: IntrospectError,
    },
    /// One or more subgraphs could not be read; every one is listed.
    #[error("{}", one_per_line(.0))]
    Several(Vec<SupergraphYamlError>),
}

fn one_per_line(errors: &[SupergraphYamlError]) -> String {
    errors
        .iter()
        .map(|error| error_chain(error))
        .collect::<Vec<_>>()
        .join("\n")
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    /// Rover picks a version of its composer by it. There is one composer here, so that it is read and not used.
    #[serde(default, rename = "federation_version")]
    _federation_version: Option<serde_json::Value>,
    subgraphs: IndexMap<String, Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// Where queries are sent; the `subgraph_url` when absent.
    routing_url: Option<String>,
    schema: SchemaSource,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SchemaSource {
    /// Relative to the YAML file.
    file: Option<PathBuf>,
    /// Asked for `_service { sdl }`.
    subgraph_url: Option<Url>,
    /// Sent along with that question.
    #[serde(default)]
    introspection_headers: HashMap<String, String>,
    /// The SDL itself.
    sdl: Option<String>,
}

/// A parsed `supergraph.yaml`.
#[derive(Debug)]
pub(crate) struct SupergraphYaml {
    entries: Vec<SubgraphEntry>,
}

#[derive(Debug)]
struct SubgraphEntry {
    name: String,
    routing_url: String,
    schema: Schema,
}

#[derive(Debug)]
enum Schema {
    File(PathBuf),
    Url { url: Url, headers: HeaderMap },
    Sdl(String),
}

impl SupergraphYaml {
    /// Reads the file; paths in it are relative to its folder.
    ///
    /// # Errors
    /// [`ConfigError`], naming file, line and key.
    pub(crate) async fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = text_file::read(path).await.map_err(|source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text, path)
    }

    fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let file = path.display().to_string();
        let document: Document = read_yaml(text, &file)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let entries = document
            .subgraphs
            .into_iter()
            .map(|(name, entry)| {
                let invalid = |message: &str| ConfigError::Invalid {
                    file: file.clone(),
                    message: format!("subgraph `{name}`: {message}"),
                };
                let schema = Schema::new(entry.schema, folder).map_err(|message| invalid(&message))?;
                let routing_url = match (entry.routing_url, &schema) {
                    (Some(routing_url), _) => routing_url,
                    (None, Schema::Url { url, .. }) => url.to_string(),
                    (None, _) => return Err(invalid("`routing_url` is missing: where are queries sent?")),
                };
                Ok(SubgraphEntry {
                    name: name.clone(),
                    routing_url,
                    schema,
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { entries })
    }

    /// The subgraphs with their SDL, all read at once, in the order of the file.
    ///
    /// # Errors
    /// [`SupergraphYamlError`]; every subgraph that could not be read is in it.
    pub(crate) async fn subgraphs(self, client: &SdlClient) -> Result<Vec<Subgraph>, SupergraphYamlError> {
        let results = join_all(self.entries.into_iter().map(|entry| entry.read(client))).await;
        let (mut subgraphs, mut errors) = (Vec::new(), Vec::new());
        for result in results {
            match result {
                Ok(subgraph) => subgraphs.push(subgraph),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() {
            Ok(subgraphs)
        } else {
            Err(SupergraphYamlError::Several(errors))
        }
    }
}

impl Schema {
    fn new(source: SchemaSource, folder: &Path) -> Result<Self, String> {
        match (source.file, source.subgraph_url, source.sdl) {
            (Some(file), None, None) => Ok(Self::File(folder.join(file))),
            (None, Some(url), None) => Ok(Self::Url {
                url,
                headers: parse_headers(source.introspection_headers)?,
            }),
            (None, None, Some(sdl)) => Ok(Self::Sdl(sdl)),
            _ => Err("`schema` needs exactly one of `file`, `subgraph_url` and `sdl`".into()),
        }
    }
}

fn parse_headers(headers: HashMap<String, String>) -> Result<HeaderMap, String> {
    let parse = |(name, value): (String, String)| {
        let parsed = (name.parse::<HeaderName>().ok()).zip(HeaderValue::from_str(&value).ok());
        parsed.ok_or_else(|| format!("`{name}` in `introspection_headers` is not a valid header"))
    };
    headers.into_iter().map(parse).collect()
}

impl SubgraphEntry {
    async fn read(self, client: &SdlClient) -> Result<Subgraph, SupergraphYamlError> {
        let Self {
            name,
            routing_url,
            schema,
        } = self;
        let sdl = match schema {
            Schema::Sdl(sdl) => sdl,
            Schema::File(path) => match text_file::read(&path).await {
                Ok(sdl) => sdl,
                Err(source) => {
                    return Err(SupergraphYamlError::SchemaFile {
                        subgraph: name,
                        path,
                        source,
                    });
                }
            },
            Schema::Url { url, headers } => match client.fetch(&url, headers).await {
                Ok(sdl) => sdl,
                Err(source) => {
                    return Err(SupergraphYamlError::Introspect {
                        subgraph: name,
                        url: Box::new(url),
                        source,
                    });
                }
            },
        };
        Ok(Subgraph { name, routing_url, sdl })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> String {
        match SupergraphYaml::parse(text, Path::new("graph/supergraph.yaml")) {
            Ok(yaml) => format!("{:?}", yaml.entries),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn rovers_form_is_read_and_faults_are_named() {
        let mut found = String::new();
        for text in [
            "federation_version: =2.9.1\nsubgraphs:\n  a:\n    routing_url: http://a\n    schema:\n      file: a.graphql\n",
            "subgraphs: {a: {schema: {subgraph_url: 'http://a/graphql'}}}",
            "subgraphs: {a: {schema: {file: a.graphql}}}",
            "subgraphs: {a: {routing_url: x, schema: {}}}",
            "subgraphs:\n  a:\n    routing_ulr: x\n",
            "subgraphs:\n  a:\n    routing_url: x\n    schema:\n      graphref: me@current\n",
            "{}",
        ] {
            found.push_str(&parse(text));
            found.push('\n');
        }
        expect_test::expect![[r#"
            [SubgraphEntry { name: "a", routing_url: "http://a", schema: File("graph/a.graphql") }]
            [SubgraphEntry { name: "a", routing_url: "http://a/graphql", schema: Url { url: Url { scheme: "http", cannot_be_a_base: false, username: "", password: None, host: Some(Domain("a")), port: None, path: "/graphql", query: None, fragment: None }, headers: {} } }]
            graph/supergraph.yaml: subgraph `a`: `routing_url` is missing: where are queries sent?
            graph/supergraph.yaml: subgraph `a`: `schema` needs exactly one of `file`, `subgraph_url` and `sdl`
            graph/supergraph.yaml:3:5: unknown key `routing_ulr`; did you mean `routing_url`?
            graph/supergraph.yaml:5:7: unknown key `graphref`; known here: file, subgraph_url, introspection_headers, sdl
            graph/supergraph.yaml:1:1: the key `subgraphs` is missing
        "#]].assert_eq(&found);
    }
}
