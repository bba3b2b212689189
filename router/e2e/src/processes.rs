//! The product's binaries as child processes on loopback.
//!
//! A [`Process`] is ended when it is dropped, so that a failing test leaves nothing behind. Its output is kept for the
//! failure message. Does not know what any binary does.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

/// Longest time a process may take to say that it is ready: a debug build migrates and seeds five databases in it.
pub const START_TIMEOUT: Duration = Duration::from_secs(120);

/// Path of one of the workspace's binaries (`hansa`, `router`, `users`, ...), built by the same profile as this test.
///
/// `cargo test` does not build the binaries of other packages, so the first call builds all of them; a second call finds
/// them up to date. `BUILT_BINARIES` names a folder that has them already; then nothing is built.
///
/// # Errors
/// When the build fails, or the workspace has no such binary.
pub fn binary(name: &str) -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("BUILT_BINARIES") {
        let path = Path::new(&folder).join(name);
        if !path.is_file() {
            bail!("there is no binary {}", path.display());
        }
        return Ok(path);
    }
    static BUILT: OnceLock<std::result::Result<(), String>> = OnceLock::new();
    BUILT
        .get_or_init(|| build_binaries().map_err(|error| format!("{error:#}")))
        .clone()
        .map_err(|error| anyhow!(error))?;
    let path = profile_directory()?.join(name);
    if !path.is_file() {
        bail!("there is no binary {}", path.display());
    }
    Ok(path)
}

fn build_binaries() -> Result<()> {
    let profile = profile_directory()?;
    let target = profile
        .parent()
        .context("the profile's folder is below the target folder")?;
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args(["build", "--workspace", "--bins", "--target-dir"])
        .arg(target)
        .current_dir(workspace_root());
    match profile.file_name() {
        // Dependencies get the same features as under `cargo test --workspace`; without it, half of them would be
        // compiled a second time.
        Some(name) if name == "debug" => command.arg("--tests"),
        Some(name) => command.arg("--profile").arg(name),
        None => bail!("{} is no profile's folder", profile.display()),
    };
    let output = command.output().context("cargo could not be started")?;
    if !output.status.success() {
        bail!("cargo build failed:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// The folder that holds `Cargo.lock`, `schema/` and `router/`.
pub fn workspace_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("e2e is two folders below the workspace's root")
}

/// `target/debug` or `target/release`: two folders above this test's own binary.
fn profile_directory() -> Result<PathBuf> {
    let test = std::env::current_exe().context("the path of this test is unknown")?;
    let directory = test
        .ancestors()
        .nth(2)
        .context("a test's binary is in target/<profile>/deps")?;
    Ok(directory.to_path_buf())
}

/// A port of 127.0.0.1 that nobody listens on now.
///
/// Taken from below the range from which the system gives ports to outgoing connections, and never twice in one process,
/// so that it is still free when the process it is meant for starts. Prefer port 0 where the port can be asked for later.
///
/// # Errors
/// When no port can be had.
pub fn free_port() -> Result<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    const FIRST: u32 = 12_000;
    const COUNT: u32 = 18_000;
    // Another test binary at the same time begins elsewhere.
    let offset = std::process::id().wrapping_mul(97);
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(FIRST + offset.wrapping_add(step) % COUNT).context("ports are below 30,000")?;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("every port from {FIRST} on is taken")
}

/// A running binary.
pub struct Process {
    name: String,
    child: Child,
    output: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts `command` with its output kept, and returns at once.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(name: &str, command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("`{name}` could not be started"))?;
        let output = Arc::new(Mutex::new(String::new()));
        let mut readers = Vec::new();
        if let Some(stream) = child.stdout.take() {
            readers.push(collect(stream, Arc::clone(&output)));
        }
        if let Some(stream) = child.stderr.take() {
            readers.push(collect(stream, Arc::clone(&output)));
        }
        Ok(Self {
            name: name.to_owned(),
            child,
            output,
            readers,
        })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// All that the process has printed so far, standard output and standard error in the order read.
    pub fn output(&self) -> String {
        self.output.lock().map(|text| text.clone()).unwrap_or_default()
    }

    /// Waits until the process listens on `port` of 127.0.0.1.
    ///
    /// # Errors
    /// With the process's output, when it ends before that or takes longer than [`START_TIMEOUT`].
    pub fn wait_for_port(&mut self, port: u16) -> Result<()> {
        self.wait_until(&format!("listens on port {port}"), |_| {
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
        })
    }

    /// Waits until `/readyz` on `admin_port` of 127.0.0.1 answers 200.
    ///
    /// # Errors
    /// Like [`Process::wait_for_port`].
    pub fn wait_until_ready(&mut self, admin_port: u16) -> Result<()> {
        self.wait_until("is ready", |_| is_ready(admin_port).unwrap_or(false))
    }

    /// Waits until the process has printed `text`.
    ///
    /// # Errors
    /// Like [`Process::wait_for_port`].
    pub fn wait_for_output(&mut self, text: &str) -> Result<()> {
        self.wait_until(&format!("prints `{text}`"), |process| process.output().contains(text))
    }

    /// The exit status, once the process has ended and all that it printed is in [`Process::output`].
    fn ended(&mut self) -> Result<Option<ExitStatus>> {
        let status = self.child.try_wait()?;
        if status.is_some() {
            for reader in self.readers.drain(..) {
                // It panics never; were it to, the output would be incomplete and the test say so.
                let _ = reader.join();
            }
        }
        Ok(status)
    }

    fn wait_until(&mut self, what: &str, ready: impl Fn(&Self) -> bool) -> Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        while !ready(self) {
            if let Some(status) = self.ended()? {
                bail!(
                    "`{}` ended with {status} before it {what}:\n{}",
                    self.name,
                    self.output()
                );
            }
            if Instant::now() > deadline {
                bail!(
                    "after {START_TIMEOUT:?} `{}` has not come so far that it {what}:\n{}",
                    self.name,
                    self.output()
                );
            }
            sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Ends the process at once, as a crash would (SIGKILL).
    ///
    /// # Errors
    /// When it cannot be ended.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks the process to end (SIGTERM), as Kubernetes or a shell would, and waits for it.
    ///
    /// # Errors
    /// When it has not ended after `timeout`.
    pub fn terminate(&mut self, timeout: Duration) -> Result<ExitStatus> {
        self.signal("TERM")?;
        self.wait(timeout)
    }

    /// Waits until the process has stopped (SIGSTOP, by itself or another).
    ///
    /// # Errors
    /// Like [`Process::wait_for_port`].
    pub fn wait_until_frozen(&mut self) -> Result<()> {
        let stat = format!("/proc/{}/stat", self.id());
        self.wait_until("freezes", |_| {
            std::fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") T "))
        })
    }

    /// Lets a frozen process go on (SIGCONT).
    ///
    /// # Errors
    /// When it cannot be signalled.
    pub fn thaw(&self) -> Result<()> {
        self.signal("CONT")
    }

    fn signal(&self, name: &str) -> Result<()> {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status()?;
        if !status.success() {
            bail!("`{}` could not be signalled", self.name);
        }
        Ok(())
    }

    /// Waits for the process to end by itself.
    ///
    /// # Errors
    /// When it has not ended after `timeout`.
    pub fn wait(&mut self, timeout: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            if Instant::now() > deadline {
                bail!("`{}` did not end within {timeout:?}:\n{}", self.name, self.output());
            }
            sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already; there is nobody left to tell in either case.
        let _ = self.kill();
    }
}

/// A probe as the kubelet sends it, without a client that would need an async runtime.
fn is_ready(admin_port: u16) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, admin_port))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(64 * 1024).read_to_end(&mut answer)?;
    Ok(answer.starts_with(b"HTTP/1.1 200"))
}

fn collect(stream: impl Read + Send + 'static, output: Arc<Mutex<String>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut lines = BufReader::new(stream);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            if let Ok(mut text) = output.lock() {
                text.push_str(&String::from_utf8_lossy(&line));
            }
            line.clear();
        }
    })
}
