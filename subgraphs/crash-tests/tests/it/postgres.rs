//! A PostgreSQL of the test's own, which it may crash. Needs PostgreSQL's programs, not a server that runs.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use e2e::processes::free_port;
use tempfile::TempDir;

/// Where Debian keeps the programs, by version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// Whom the server runs as when the test is root, which PostgreSQL refuses to be.
const USER: &str = "postgres";

pub(crate) struct Postgres {
    programs: PathBuf,
    folder: TempDir,
    port: u16,
    is_root: bool,
}

impl Postgres {
    /// Starts one with an empty data folder; `None` where it is not installed.
    pub(crate) fn start() -> Result<Option<Postgres>> {
        let Some(programs) = programs() else {
            println!("skipped: no PostgreSQL below {DEBIAN}");
            return Ok(None);
        };
        let postgres = Postgres {
            programs,
            folder: tempfile::tempdir()?,
            port: free_port()?,
            is_root: Command::new("id").arg("-u").output()?.stdout == b"0\n",
        };
        if postgres.is_root {
            run(Command::new("chown").arg(USER).arg(postgres.folder.path()))?;
        }
        let mut initdb = postgres.program("initdb");
        run(initdb.args(["--no-sync", "--auth=trust", "--username", USER]))?;
        postgres.control("start")?;
        Ok(Some(postgres))
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/postgres", self.port)
    }

    /// Ends it without a shutdown, and starts it again, which recovers what was committed.
    pub(crate) fn crash_and_restart(&self) -> Result<()> {
        self.control("restart")
    }

    fn control(&self, action: &str) -> Result<()> {
        let folder = self.folder.path().display();
        let options = format!("-p {} -c listen_addresses=127.0.0.1 -k {folder}", self.port);
        let mut control = self.program("pg_ctl");
        control
            .args(["--wait", "--silent", "--log"])
            .arg(self.folder.path().join("log"));
        if action != "start" {
            control.args(["--mode", "immediate"]);
        }
        if action != "stop" {
            control.args(["--options", &options]);
        }
        run(control.arg(action))
    }

    /// A program of PostgreSQL's that is told the data folder.
    fn program(&self, name: &str) -> Command {
        let path = self.programs.join(name);
        let mut command = if self.is_root {
            let mut command = Command::new("runuser");
            command.args(["-u", USER, "--"]).arg(path);
            command
        } else {
            Command::new(path)
        };
        command.arg("--pgdata").arg(self.folder.path().join("data"));
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // The folder goes next, whether it could be stopped or not.
        let _ = self.control("stop");
    }
}

fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir(DEBIAN).ok()?;
    let folders = versions.flatten().map(|version| version.path().join("bin"));
    folders.filter(|folder| folder.join("initdb").is_file()).max()
}

fn run(command: &mut Command) -> Result<()> {
    // A server that it starts must not hold a pipe of ours.
    let output = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .with_context(|| format!("{command:?}"))?;
    if !output.success() {
        bail!("{command:?} ended with {output}");
    }
    Ok(())
}
