//! Asks a process on this machine whether it is well: for health checks by container engines, which can only start programs.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Limited};

use crate::{HttpClient, Repeat, SendError};

/// Container engines give up after some seconds, too.
const TIMEOUT: Duration = Duration::from_secs(2);
/// A reason is a line or two.
const REASON_BYTES_MAX: usize = 4096;

/// Why a process is not well.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Nobody listens, or the connection broke.
    #[error("{address} does not answer")]
    NoAnswer {
        /// Who was asked.
        address: SocketAddr,
        /// Why.
        #[source]
        source: SendError,
    },
    /// Nothing came in time.
    #[error("{address} does not answer within {} s", TIMEOUT.as_secs())]
    Timeout {
        /// Who was asked.
        address: SocketAddr,
    },
    /// It says no.
    #[error("{address} answers with status {status}: {reason}")]
    Unwell {
        /// Who was asked.
        address: SocketAddr,
        /// Not a success.
        status: StatusCode,
        /// What the answer says.
        reason: String,
    },
}

/// Asks for `path` (`/readyz`) at the address that a process was told to listen on; an unspecified one (`0.0.0.0`) is
/// asked over loopback.
///
/// # Errors
/// [`ProbeError`], unless the answer is a success.
pub async fn probe(listen: SocketAddr, path: &'static str) -> Result<(), ProbeError> {
    let mut address = listen;
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let asked = tokio::time::timeout(TIMEOUT, ask(address, path)).await;
    let (status, reason) = asked
        .map_err(|_| ProbeError::Timeout { address })?
        .map_err(|source| ProbeError::NoAnswer { address, source })?;
    match status.is_success() {
        true => Ok(()),
        false => Err(ProbeError::Unwell {
            address,
            status,
            reason,
        }),
    }
}

async fn ask(address: SocketAddr, path: &'static str) -> Result<(StatusCode, String), SendError> {
    let invalid = |error: crate::InvalidUrl| SendError::NotSent(error.into());
    let url = format!("http://{address}").parse::<Uri>();
    let url = url.map_err(|error| SendError::NotSent(error.into()))?;
    let origin = HttpClient::default().origin(&url).map_err(invalid)?;
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = Uri::from_static(path);
    let response = origin.send(&request, Repeat::Harmless).await?;
    let status = response.status();
    if status.is_success() {
        return Ok((status, String::new()));
    }
    // A reason that is too long, or breaks off, is none; the status says enough.
    let body = Limited::new(response.into_body(), REASON_BYTES_MAX).collect().await;
    let reason = body.map(|body| String::from_utf8_lossy(&body.to_bytes()).trim().to_owned());
    Ok((status, reason.unwrap_or_default()))
}
