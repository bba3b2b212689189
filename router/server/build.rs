//! Makes the GraphiQL page of `router/playground` part of the binary.
//!
//! Writes `playground_bundle.rs` into `OUT_DIR`: the page, and its assets as compressed by the page's own build. The
//! build runs once per state of the sources, in a folder of `target/` that all profiles share. Without npm, or when it
//! fails, an empty bundle is written and `src/playground.rs` serves its plain page: a Rust toolchain is enough to build
//! the router.
//!
//! `ROUTER_PLAYGROUND`: `off` leaves the page out, `required` fails the build when the page cannot be made (CI and
//! images). `ROUTER_PLAYGROUND_DIST`: folder of a finished `npm run build`, used instead of running npm.

use std::collections::hash_map::DefaultHasher;
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, thread};

/// Install and bundling together; measured: 20 s with a fast registry.
const NPM_SECONDS_MAX: u64 = 180;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../playground")
        .canonicalize()?;
    let inputs = inputs_of(&sources)?;
    println!("cargo::rerun-if-env-changed=ROUTER_PLAYGROUND");
    println!("cargo::rerun-if-env-changed=ROUTER_PLAYGROUND_DIST");
    println!("cargo::rerun-if-changed=build.rs");
    for input in &inputs {
        println!("cargo::rerun-if-changed={}", sources.join(input).display());
    }
    // A new file in here is an input too; the folder's own time changes when one comes or goes.
    println!("cargo::rerun-if-changed={}", sources.join("src").display());

    let mode = env::var("ROUTER_PLAYGROUND").unwrap_or_default();
    let dist = match (mode.as_str(), env::var_os("ROUTER_PLAYGROUND_DIST")) {
        ("off", _) => None,
        (_, Some(dist)) => Some(PathBuf::from(dist)),
        ("required", None) => Some(build_page(&sources, &inputs)?),
        (_, None) => build_page(&sources, &inputs)
            .inspect_err(|error| {
                println!("cargo::warning=the router is built with a plain page instead of GraphiQL: {error}");
            })
            .ok(),
    };
    let out = PathBuf::from(env::var("OUT_DIR")?).join("playground_bundle.rs");
    fs::write(out, bundle_source(dist.as_deref())?)?;
    Ok(())
}

/// Files that the page is built from, relative to `sources`, sorted.
fn inputs_of(sources: &Path) -> Result<Vec<PathBuf>> {
    let mut inputs: Vec<PathBuf> = [
        ".npmrc",
        "index.html",
        "package-lock.json",
        "package.json",
        "vite.config.js",
    ]
    .map(PathBuf::from)
    .into();
    for entry in fs::read_dir(sources.join("src"))? {
        inputs.push(Path::new("src").join(entry?.file_name()));
    }
    inputs.sort();
    Ok(inputs)
}

/// Runs npm in a copy of `sources` and returns the folder with the finished page.
fn build_page(sources: &Path, inputs: &[PathBuf]) -> Result<PathBuf> {
    // Named by the lockfile, so that `node_modules` is installed again only when it changed.
    let lockfile = fs::read(sources.join("package-lock.json"))?;
    let workshop = target_folder()?
        .join("playground")
        .join(format!("{:016x}", hash_of(&[lockfile])));
    fs::create_dir_all(workshop.join("src"))?;
    // Two profiles may be built at once.
    let lock = File::create(workshop.join(".lock"))?;
    lock.lock()?;

    let contents = inputs
        .iter()
        .map(|input| fs::read(sources.join(input)))
        .collect::<std::io::Result<Vec<_>>>()?;
    let dist = workshop.join(format!("dist-{:016x}", hash_of(&contents)));
    if dist.join("index.html").exists() {
        return Ok(dist);
    }
    fs::remove_dir_all(workshop.join("src"))?;
    fs::create_dir_all(workshop.join("src"))?;
    for (input, content) in inputs.iter().zip(&contents) {
        fs::write(workshop.join(input), content)?;
    }
    let deadline = Instant::now() + Duration::from_secs(NPM_SECONDS_MAX);
    if !workshop.join("node_modules/.package-lock.json").exists() {
        let options = [
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--prefer-offline",
            "--fetch-retries=1",
        ];
        run_npm(&options, &workshop, deadline)?;
    }
    run_npm(&["run", "build"], &workshop, deadline)?;
    // Only a whole build gets the name that is looked for.
    fs::rename(workshop.join("dist"), &dist)?;
    Ok(dist)
}

/// Cargo's target folder: the nearest one above `OUT_DIR` that cargo has marked as a cache. It marks only folders that it
/// made itself; in others, the profile's folder is below the target folder, and `OUT_DIR` three levels below that.
fn target_folder() -> Result<PathBuf> {
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let marked = out.ancestors().find(|folder| folder.join("CACHEDIR.TAG").exists());
    let folder = marked
        .or_else(|| out.ancestors().nth(4))
        .ok_or("no target folder above OUT_DIR")?;
    Ok(folder.to_owned())
}

fn hash_of(contents: &[Vec<u8>]) -> u64 {
    let mut hasher = DefaultHasher::new();
    contents.hash(&mut hasher);
    hasher.finish()
}

fn run_npm(arguments: &[&str], folder: &Path, deadline: Instant) -> Result<()> {
    let log_path = folder.join("npm.log");
    let log = File::create(&log_path)?;
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let mut command = Command::new(npm);
    command
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    // A group of its own, so that the deadline ends what npm has started too.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command
        .spawn()
        .map_err(|error| format!("`{npm}` cannot be started ({error}); install Node.js 20.19 or later"))?;
    loop {
        if let Some(status) = child.try_wait()? {
            let what = arguments.join(" ");
            return if status.success() {
                Ok(())
            } else {
                Err(format!("`npm {what}` failed, see {}", log_path.display()).into())
            };
        }
        if Instant::now() > deadline {
            Command::new("kill")
                .args(["-KILL", "--", &format!("-{}", child.id())])
                .status()
                .ok();
            child.kill().ok();
            child.wait()?;
            return Err(format!("npm needed more than {NPM_SECONDS_MAX} s, see {}", log_path.display()).into());
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// Rust source of the constants `PAGE` and `ASSETS`.
fn bundle_source(dist: Option<&Path>) -> Result<String> {
    let Some(dist) = dist else {
        return Ok("const PAGE: Option<&str> = None;\nconst ASSETS: &[Asset] = &[];\n".to_owned());
    };
    let page = dist.join("index.html").canonicalize()?;
    let mut names: Vec<String> = Vec::new();
    for entry in fs::read_dir(dist.join("playground"))? {
        let name = entry?
            .file_name()
            .into_string()
            .map_err(|name| format!("{} is not UTF-8", name.display()))?;
        if !name.ends_with(".br") && !name.ends_with(".gz") {
            names.push(name);
        }
    }
    names.sort();
    let mut source = Vec::new();
    writeln!(source, "const PAGE: Option<&str> = Some(include_str!({page:?}));")?;
    writeln!(source, "const ASSETS: &[Asset] = &[")?;
    for name in names {
        let path = page.with_file_name("playground").join(&name);
        writeln!(
            source,
            "    Asset {{ name: {name:?}, brotli: include_bytes!({:?}), gzip: include_bytes!({:?}) }},",
            format!("{}.br", path.display()),
            format!("{}.gz", path.display()),
        )?;
    }
    writeln!(source, "];")?;
    Ok(String::from_utf8(source)?)
}
