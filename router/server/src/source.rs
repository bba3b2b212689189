//! Where the supergraph comes from: text, files, subgraphs to compose.
//!
//! Reading and composing are two steps, so that a watcher composes only when what it read has changed. Does not swap the
//! graph that is served; that is `reload`.

use std::fmt;
use std::path::PathBuf;

use composition::{CompositionError, Hint, compose};
use federation::subgraph::Subgraph;
use sha2::{Digest, Sha256};

use crate::config::ConfigError;
use crate::introspect_subgraph::SdlClient;
use crate::supergraph_yaml::{SupergraphYaml, SupergraphYamlError};
use crate::text_file;

/// Where a router takes its supergraph from.
#[derive(Debug, Clone)]
pub enum SupergraphSource {
    /// A composed supergraph in hand.
    Sdl(String),
    /// A file with a composed supergraph.
    File(PathBuf),
    /// Subgraphs in hand, to be composed.
    Subgraphs(Vec<Subgraph>),
    /// A `supergraph.yaml` in Rover's form, to be read and composed.
    SubgraphsFile(PathBuf),
}

/// Why there is no supergraph.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The supergraph file.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: std::io::Error,
    },
    /// The `supergraph.yaml`, or the SDL of a subgraph named in it.
    #[error(transparent)]
    Subgraphs(#[from] SupergraphYamlError),
    /// The subgraphs are at hand, and do not fit together.
    #[error("the subgraphs do not compose: {}", first_of(errors))]
    Composition {
        /// What was composed, for quoting its lines.
        subgraphs: Vec<Subgraph>,
        /// Every reason.
        errors: Vec<CompositionError>,
    },
}

impl From<ConfigError> for SourceError {
    fn from(error: ConfigError) -> Self {
        Self::Subgraphs(error.into())
    }
}

fn first_of(errors: &[CompositionError]) -> String {
    match errors {
        [] => "no reason given".into(),
        [only] => only.message.clone(),
        [first, rest @ ..] => format!("{} (and {} more)", first.message, rest.len()),
    }
}

/// What a source holds at one moment.
#[derive(Debug)]
pub enum SourceContent {
    /// A supergraph.
    Supergraph(String),
    /// Subgraphs that are still to be composed.
    Subgraphs(Vec<Subgraph>),
}

/// A supergraph, however it was come by.
#[derive(Debug)]
pub struct SupergraphText {
    /// Its SDL.
    pub sdl: String,
    /// What composition remarks; empty for a supergraph that came composed.
    pub hints: Vec<Hint>,
}

impl SupergraphSource {
    /// Reads everything the supergraph is made of, from files and from subgraphs that are asked for their SDL.
    ///
    /// # Errors
    /// [`SourceError`], but never [`SourceError::Composition`].
    pub async fn read(&self, client: &SdlClient) -> Result<SourceContent, SourceError> {
        match self {
            Self::Sdl(sdl) => Ok(SourceContent::Supergraph(sdl.clone())),
            Self::File(path) => match text_file::read(path).await {
                Ok(sdl) => Ok(SourceContent::Supergraph(sdl)),
                Err(source) => Err(SourceError::Unreadable {
                    path: path.clone(),
                    source,
                }),
            },
            Self::Subgraphs(subgraphs) => Ok(SourceContent::Subgraphs(subgraphs.clone())),
            Self::SubgraphsFile(path) => Ok(SourceContent::Subgraphs(
                SupergraphYaml::read(path).await?.subgraphs(client).await?,
            )),
        }
    }
}

impl SourceContent {
    /// Equal for equal content.
    pub fn hash(&self) -> ContentHash {
        match self {
            Self::Supergraph(sdl) => ContentHash::of([sdl.as_str()]),
            Self::Subgraphs(subgraphs) => {
                ContentHash::of(subgraphs.iter().flat_map(|s| [s.name.as_str(), &s.routing_url, &s.sdl]))
            }
        }
    }

    /// The supergraph; composes when that is needed, which takes a core for milliseconds up to seconds.
    ///
    /// # Errors
    /// [`SourceError::Composition`] with every reason.
    pub fn into_supergraph(self) -> Result<SupergraphText, SourceError> {
        match self {
            Self::Supergraph(sdl) => Ok(SupergraphText { sdl, hints: Vec::new() }),
            Self::Subgraphs(subgraphs) => match compose(&subgraphs) {
                Ok(composed) => Ok(SupergraphText {
                    sdl: composed.supergraph_sdl,
                    hints: composed.hints,
                }),
                Err(errors) => Err(SourceError::Composition { subgraphs, errors }),
            },
        }
    }
}

/// The first 64 bits of a SHA-256: of a supergraph's text it equals the head of what `sha256sum` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentHash(u64);

impl ContentHash {
    /// Of several texts: neither their order nor where one ends may change unnoticed.
    pub fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut hasher = Sha256::new();
        for (index, text) in texts.into_iter().enumerate() {
            if index > 0 {
                hasher.update([0]);
            }
            hasher.update(text.as_bytes());
        }
        let digest = hasher.finalize();
        let head: [u8; 8] = digest[..8].try_into().expect("a SHA-256 has 32 bytes");
        Self(u64::from_be_bytes(head))
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}
