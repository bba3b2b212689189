//! A connection between two processes that loses an answer on its way, as a switch without power would.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use anyhow::Result;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// How much of an answer arrives before its connection is cut.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    /// Nothing.
    AtTheStart,
    /// The first bytes.
    InTheHead,
    /// All but the last byte.
    AtTheEnd,
}

impl Cut {
    pub(crate) const ALL: [Cut; 3] = [Cut::AtTheStart, Cut::InTheHead, Cut::AtTheEnd];

    fn arriving(self, length: usize) -> usize {
        match self {
            Cut::AtTheStart => 0,
            Cut::InTheHead => length.min(12),
            Cut::AtTheEnd => length - 1,
        }
    }
}

/// A proxy for TCP; it ends with the runtime of its test.
#[derive(Clone)]
pub(crate) struct Link {
    port: u16,
    /// What becomes of the next answers; those after them pass.
    plan: Arc<Mutex<VecDeque<Option<Cut>>>>,
}

impl Link {
    /// Passes everything on to `target`, a host and a port.
    pub(crate) async fn to(target: String) -> Result<Link> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let link = Link {
            port: listener.local_addr()?.port(),
            plan: Arc::default(),
        };
        let accepting = link.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (link, target) = (accepting.clone(), target.clone());
                // Whoever waits for an answer sees the end of the connection, which is the point.
                tokio::spawn(async move { link.carry(client, &target).await });
            }
        });
        Ok(link)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Lets `passing` answers pass and cuts the next.
    pub(crate) fn cut_after(&self, passing: usize, cut: Cut) {
        let mut plan = self.plan.lock().unwrap();
        plan.clear();
        plan.extend(std::iter::repeat_n(None, passing));
        plan.push_back(Some(cut));
    }

    /// Cuts no answer from now on.
    pub(crate) fn let_pass(&self) {
        self.plan.lock().unwrap().clear();
    }

    /// Whether the answer that was to be cut has come.
    pub(crate) fn has_cut(&self) -> bool {
        self.plan.lock().unwrap().is_empty()
    }

    async fn carry(&self, client: TcpStream, target: &str) -> Result<()> {
        let server = TcpStream::connect(target).await?;
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        // What is read at once counts as one answer: they are small, and a connection carries one at a time.
        loop {
            tokio::select! {
                request = read(&mut from_client) => match request? {
                    Some(request) => to_server.write_all(&request).await?,
                    None => return Ok(()),
                },
                answer = read(&mut from_server) => match answer? {
                    Some(answer) => {
                        let cut = self.plan.lock().unwrap().pop_front().flatten();
                        let arriving = cut.map_or(answer.len(), |cut| cut.arriving(answer.len()));
                        to_client.write_all(&answer[..arriving]).await?;
                        if cut.is_some() {
                            return Ok(());
                        }
                    }
                    None => return Ok(()),
                },
            }
        }
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<Vec<u8>>> {
    let mut bytes = vec![0; 64 * 1024];
    let length = stream.read(&mut bytes).await?;
    bytes.truncate(length);
    Ok((length > 0).then_some(bytes))
}
