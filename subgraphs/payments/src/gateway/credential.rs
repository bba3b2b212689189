//! A secret that may change while the process runs: a mounted file that is read again when it changes, or a value.
//!
//! Never shown: `Debug` tells where it comes from, errors name the file and not what is in it.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use anyhow::Context as _;
use secrecy::SecretString;
use tracing::{info, warn};

/// What tells that a file has changed: Kubernetes puts another file in its place.
type Stamp = (Option<SystemTime>, u64);

/// Turns the text of a secret into what is used.
pub(super) type Parse<T> = fn(&SecretString) -> anyhow::Result<T>;

/// A secret of type `T`, always in its newest readable form.
pub struct Credential<T> {
    file: Option<PathBuf>,
    parse: Parse<T>,
    state: Mutex<(Stamp, Arc<T>)>,
}

impl<T> Credential<T> {
    /// From `file` if there is one, else from `value`, else from an empty text.
    ///
    /// # Errors
    /// When the file cannot be read or the text is not of the right form.
    pub fn new(file: Option<PathBuf>, value: Option<SecretString>, parse: Parse<T>) -> anyhow::Result<Self> {
        let (stamp, text) = match &file {
            Some(file) => (stamp(file)?, read(file)?),
            None => ((None, 0), value.unwrap_or_default()),
        };
        let parsed = match &file {
            Some(file) => parse(&text).with_context(|| format!("in `{}`", file.display()))?,
            None => parse(&text)?,
        };
        Ok(Self {
            file,
            parse,
            state: Mutex::new((stamp, Arc::new(parsed))),
        })
    }

    /// The secret as it is now. A file that vanished or cannot be understood leaves the last good one in use.
    pub fn get(&self) -> Arc<T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(file) = &self.file else {
            return Arc::clone(&state.1);
        };
        match stamp(file) {
            Ok(stamp) if stamp == state.0 => {}
            Ok(stamp) => {
                let parsed = read(file).and_then(|text| (self.parse)(&text));
                state.0 = stamp;
                match parsed {
                    Ok(parsed) => {
                        info!("Read `{}` again", file.display());
                        state.1 = Arc::new(parsed);
                    }
                    Err(error) => warn!(%error, "`{}` has changed and cannot be used", file.display()),
                }
            }
            Err(error) => warn!(%error, "The last secret stays in use"),
        }
        Arc::clone(&state.1)
    }
}

impl<T> fmt::Debug for Credential<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(formatter, "Credential({})", file.display()),
            None => formatter.write_str("Credential([REDACTED])"),
        }
    }
}

fn stamp(file: &PathBuf) -> anyhow::Result<Stamp> {
    let metadata = std::fs::metadata(file).with_context(|| format!("`{}` could not be read", file.display()))?;
    Ok((metadata.modified().ok(), metadata.len()))
}

fn read(file: &PathBuf) -> anyhow::Result<SecretString> {
    let text = std::fs::read_to_string(file).with_context(|| format!("`{}` could not be read", file.display()))?;
    Ok(SecretString::from(text.trim()))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_file_is_read_again_when_it_changes_and_the_last_good_one_stays() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, "first\n").unwrap();
        let parse: Parse<SecretString> = |text| {
            anyhow::ensure!(!text.expose_secret().is_empty(), "it is empty");
            Ok(text.clone())
        };
        let credential = Credential::new(Some(file.clone()), None, parse).unwrap();
        let seen = || credential.get().expose_secret().to_owned();
        assert_eq!(seen(), "first");
        std::fs::write(&file, "the second\n").unwrap();
        assert_eq!(seen(), "the second");
        std::fs::write(&file, "").unwrap();
        assert_eq!(seen(), "the second");
        std::fs::remove_file(&file).unwrap();
        assert_eq!(seen(), "the second");
        assert!(!format!("{credential:?}").contains("second"));
        assert!(Credential::new(Some(file), None, parse).is_err());
    }
}
