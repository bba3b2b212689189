//! `router compose`, as it meets what people do.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use expect_test::expect;
use tempfile::TempDir;

use super::commands::{router, run};

const GOOD: &str = "subgraphs: { a: { routing_url: 'http://a', schema: { file: a.graphql } } }";

fn write(folder: &Path, name: &str, content: impl AsRef<[u8]>) {
    std::fs::write(folder.join(name), content).expect("a file");
}

/// A folder with schemas, good and bad.
fn schemas() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let utf_16 = "\u{feff}type Query { a: Int }".encode_utf16();
    write(folder.path(), "a.graphql", "type Query { a: Int }");
    write(folder.path(), "empty.graphql", "");
    write(folder.path(), "comment.graphql", "# nothing yet\n");
    let utf_16: Vec<u8> = utf_16.flat_map(u16::to_le_bytes).collect();
    write(folder.path(), "utf16.graphql", utf_16);
    folder
}

/// A `supergraph.yaml`, and arguments.
type Mishap = (String, &'static [&'static str]);

fn mishaps() -> [Mishap; 12] {
    let subgraph = |sdl: &str| format!("subgraphs: {{ a: {{ routing_url: x, schema: {sdl} }} }}");
    [
        (subgraph("{ file: missing.graphql }"), &[]),
        ("subgraphs:\n\ta:\n".into(), &[]),
        ("subgraphs:\n  a:\n    routing_ulr: x\n".into(), &[]),
        (
            "subgraphs:\n  a: { routing_url: x, schema: { file: a.graphql } }\n  a: { routing_url: y, schema: { file: a.graphql } }\n"
                .into(),
            &[],
        ),
        ("subgraphs: {}".into(), &[]),
        (String::new(), &[]),
        // Port 9 of loopback: nobody listens there.
        ("subgraphs: { a: { schema: { subgraph_url: 'http://127.0.0.1:9/' } } }".into(), &[]),
        (subgraph("{ file: empty.graphql }"), &[]),
        (subgraph("{ file: comment.graphql }"), &[]),
        (subgraph("{ file: utf16.graphql }"), &[]),
        (
            "subgraphs: { a: { routing_url: x, schema: { file: b.graphql } }, b: { routing_url: x, schema: { file: c.graphql } } }".into(),
            &[],
        ),
        (GOOD.into(), &["--output", "nowhere/supergraph.graphql"]),
    ]
}

/// JSON says the same as the text, with the same exit code.
#[test]
fn whatever_is_wrong_is_said_in_a_line_that_helps() {
    let folder = schemas();
    let mut said = String::new();
    for (yaml, more) in mishaps() {
        write(folder.path(), "supergraph.yaml", &yaml);
        let arguments = [&["compose", "--config", "supergraph.yaml"], more].concat();
        let text = run(folder.path(), &arguments);
        let json = run(folder.path(), &[&arguments[..], &["--format", "json"]].concat());
        assert_eq!((text.code, text.stdout.as_str()), (json.code, ""), "{yaml}");
        let errors = json.json()["errors"].clone();
        for error in errors.as_array().expect("a list of errors") {
            let message = error["message"].as_str().expect("a text");
            assert!(text.stderr.contains(message), "{message} is not in {}", text.stderr);
            assert!(error["code"].is_string() && error["locations"].is_array(), "{error}");
        }
        assert_ne!(errors.as_array().map(Vec::len), Some(0));
        said.push_str(&format!(
            "{}exit code {}\n",
            text.stderr,
            text.code.expect("it ends by itself")
        ));
    }
    expect![[r#"
        error: cannot read missing.graphql of subgraph `a`: No such file or directory (os error 2)
        exit code 2
        error: supergraph.yaml:2:2: a tab indents this line; YAML takes spaces only
        exit code 2
        error: supergraph.yaml:3:5: unknown key `routing_ulr`; did you mean `routing_url`?
        exit code 2
        error: supergraph.yaml:3:3: the key `a` is here a second time; rename it, or take one of the two away
        exit code 2
        error[NO_QUERIES]: there is no subgraph to compose; give at least one
        the subgraphs do not compose: 1 error
        exit code 1
        error: supergraph.yaml:1:1: the key `subgraphs` is missing
        exit code 2
        error: cannot fetch the SDL of subgraph `a` from http://127.0.0.1:9/: it could not be reached (is it running?): no connection could be made: client error (Connect): Connection refused (os error 111)
        exit code 2
        error[INVALID_GRAPHQL]: [a] the schema is empty: it must define a type at least
        the subgraphs do not compose: 1 error
        exit code 1
        error[INVALID_GRAPHQL]: [a] the schema is empty: it must define a type at least
        the subgraphs do not compose: 1 error
        exit code 1
        error: cannot read utf16.graphql of subgraph `a`: it is UTF-16 or no text at all; save it as UTF-8
        exit code 2
        error: cannot read b.graphql of subgraph `a`: No such file or directory (os error 2)
        error: cannot read c.graphql of subgraph `b`: No such file or directory (os error 2)
        exit code 2
        error: cannot write nowhere/supergraph.graphql: there is no folder nowhere; make it first
        exit code 2
    "#]].assert_eq(&said);
}

#[test]
fn json_is_written_where_nothing_can_be_read() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let arguments = ["compose", "--config", "missing.yaml", "--format", "json"];
    let missing = run(folder.path(), &arguments);
    assert_eq!(missing.code, Some(2));
    expect![[r#"
        {
          "supergraph": null,
          "api_schema": null,
          "hints": [],
          "errors": [
            {
              "code": "BAD_USAGE",
              "message": "cannot read missing.yaml: No such file or directory (os error 2)",
              "locations": []
            }
          ]
        }
    "#]]
    .assert_eq(&missing.stdout);
}

#[test]
fn a_byte_order_mark_is_no_fault() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(folder.path(), "supergraph.yaml", format!("\u{feff}{GOOD}"));
    write(folder.path(), "a.graphql", "\u{feff}type Query { a: Int }");
    let composed = run(folder.path(), &["compose", "--config", "supergraph.yaml"]);
    assert_eq!((composed.code, composed.stderr.as_str()), (Some(0), ""));
}

#[test]
fn colours_are_for_those_who_see_them() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(folder.path(), "supergraph.yaml", GOOD);
    write(folder.path(), "a.graphql", "type Query { a: Itn }");
    let arguments = ["compose", "--config", "supergraph.yaml"];
    let plain = run(folder.path(), &arguments).stderr;
    expect![[r#"
        error[INVALID_GRAPHQL]: [a] cannot find type `Itn` in this document
         --> a:1:17
          |
        1 | type Query { a: Itn }
          |                 ^^^

        the subgraphs do not compose: 1 error
    "#]]
    .assert_eq(&plain);
    let forced = router(folder.path(), &arguments)
        .env("CLICOLOR_FORCE", "1")
        .output()
        .expect("it runs");
    let forced = String::from_utf8(forced.stderr).expect("it writes UTF-8");
    assert_eq!(anstream::adapter::strip_str(&forced).to_string(), plain);
    assert_ne!(forced, plain);
}

/// `router compose --watch`, and the lines it writes to standard error.
struct Watching {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStderr>>,
}

impl Watching {
    fn new(folder: &Path) -> Self {
        let arguments = [
            "compose",
            "--config",
            "supergraph.yaml",
            "--output",
            "out.graphql",
            "--watch",
        ];
        let mut command = router(folder, &arguments);
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let stderr = child.stderr.take().expect("it is piped");
        Self {
            child,
            lines: BufReader::new(stderr).lines(),
        }
    }

    /// Waits for the next line.
    fn line(&mut self) -> String {
        self.lines.next().expect("it goes on").expect("it writes UTF-8")
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        // It is gone already when it failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn watching_outlives_files_that_go_and_come_back() {
    const COMPOSED: &str = "composed; waiting for changes";
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    write(folder, "supergraph.yaml", GOOD);
    write(folder, "a.graphql", "type Query { a: Int }");
    let output = || std::fs::read_to_string(folder.join("out.graphql")).expect("it is written");

    let mut watching = Watching::new(folder);
    assert_eq!(watching.line(), COMPOSED);

    // As editors save: another file takes the name.
    write(folder, "a.graphql.new", "type Query { a: Int replaced: Int }");
    std::fs::rename(folder.join("a.graphql.new"), folder.join("a.graphql")).expect("it is there");
    assert_eq!(watching.line(), COMPOSED);
    assert!(output().contains("replaced"));

    std::fs::remove_file(folder.join("a.graphql")).expect("it is there");
    let line = watching.line();
    assert!(
        line.starts_with("error: cannot read a.graphql of subgraph `a`"),
        "{line}"
    );
    assert!(output().contains("replaced"), "the last good one stays");

    write(folder, "a.graphql.new", "type Query { back: Int }");
    std::fs::rename(folder.join("a.graphql.new"), folder.join("a.graphql")).expect("it is there");
    assert_eq!(watching.line(), COMPOSED);
    assert!(output().contains("back"));
}
