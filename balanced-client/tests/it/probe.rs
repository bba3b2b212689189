//! The question of a health check.

use balanced_client::{ProbeError, probe};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// What `probe` says of a process that answers with `answer`.
async fn probe_of(answer: &'static str) -> Result<(), ProbeError> {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        let length = stream.read(&mut request).await.unwrap();
        assert!(request[..length].starts_with(b"GET /readyz HTTP/1.1\r\n"));
        stream.write_all(answer.as_bytes()).await.unwrap();
    };
    tokio::join!(probe(address, "/readyz"), served).0
}

#[tokio::test]
async fn only_a_success_is_well() {
    probe_of("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nready\n")
        .await
        .unwrap();
    let refused = probe_of("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 9\r\n\r\nstopping\n").await;
    let refused = refused.unwrap_err().to_string();
    assert!(
        refused.ends_with("answers with status 503 Service Unavailable: stopping"),
        "{refused}"
    );
    let broken = probe_of("").await.unwrap_err();
    assert!(matches!(broken, ProbeError::NoAnswer { .. }), "{broken}");
}

#[tokio::test]
async fn nobody_there_is_not_well() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let refused = probe(address, "/readyz").await.unwrap_err();
    assert_eq!(refused.to_string(), format!("{address} does not answer"));
}
