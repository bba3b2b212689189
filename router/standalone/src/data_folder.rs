//! The folder that holds everything which survives a restart.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::Args;

/// A folder that exists and can be written to. A temporary one is removed when this is dropped.
pub struct DataFolder {
    path: PathBuf,
    temporary: Option<TempDir>,
}

impl DataFolder {
    /// The folder that `args` ask for, made if need be.
    ///
    /// # Errors
    /// When it cannot be made or written to.
    pub fn open(args: &Args) -> Result<Self> {
        if args.ephemeral {
            let temporary = tempfile::tempdir().context("a temporary folder could not be made")?;
            return Ok(Self {
                path: temporary.path().to_path_buf(),
                temporary: Some(temporary),
            });
        }
        let path = args.data.clone();
        std::fs::create_dir_all(&path)
            .and_then(|()| tempfile::tempfile_in(&path).map(drop))
            .with_context(|| {
                format!(
                    "the data folder {} cannot be written to (choose one with --data)",
                    path.display()
                )
            })?;
        Ok(Self { path, temporary: None })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it goes when the process ends.
    pub fn is_temporary(&self) -> bool {
        self.temporary.is_some()
    }

    /// The database of one service.
    pub fn database_url(&self, service: &str) -> String {
        format!("sqlite:{}", self.path.join(format!("{service}.sqlite")).display())
    }

    /// The keys that sign access tokens; the users service makes the first one.
    pub fn token_keys(&self) -> PathBuf {
        self.path.join("keys")
    }

    /// What the sandbox remembers of payments.
    pub fn sandbox_journal(&self) -> PathBuf {
        self.path.join("sandbox-gateway.jsonl")
    }
}
