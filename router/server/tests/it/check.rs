//! `router check`: fixtures are folders of two schemas and operations, with the report that is due.

use std::path::{Path, PathBuf};

use expect_test::{expect, expect_file};
use federation::schema_changes::ChangeCode;

use super::commands::{Ended, ended, router, run};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/check")
}

fn cases() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(fixtures()).expect("the fixtures are there");
    let mut cases: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir())
        .collect();
    cases.sort();
    cases
}

fn check(case: &Path, more: &[&str]) -> Ended {
    let mut arguments = vec!["check", "old.graphql", "new.graphql"];
    if case.join("operations").is_dir() {
        arguments.extend(["--operations", "operations"]);
    }
    arguments.extend(more);
    run(case, &arguments)
}

#[test]
fn fixtures_are_reported_as_expected() {
    let mut reports = String::new();
    for case in cases() {
        let Ended { code, stdout, stderr } = check(&case, &[]);
        let report = format!("{stdout}{stderr}exit code {}\n", code.expect("it ends by itself"));
        expect_file![case.join("report.txt")].assert_eq(&report);
        reports.push_str(&report);
    }
    let never = ChangeCode::ALL.iter().map(|code| code.as_str());
    let never: Vec<&str> = never.filter(|code| !reports.contains(&format!("[{code}]"))).collect();
    assert!(never.is_empty(), "no fixture shows {never:?}");
}

#[test]
fn json_says_the_same() {
    for case in cases() {
        let (text, json) = (check(&case, &[]), check(&case, &["--format", "json"]));
        assert_eq!(text.code, json.code, "{}", case.display());
        let report = json.json();
        let expected = if json.code == Some(0) { "ok" } else { "breaking" };
        assert_eq!(report["result"], expected, "{}", case.display());
        for change in report["changes"].as_array().expect("a list") {
            let message = change["message"].as_str().expect("a text");
            assert!(text.stdout.contains(message), "{}: {message}", case.display());
        }
    }
    let report = check(&fixtures().join("shared-fragments"), &["--format", "json"]);
    expect![[r#"
        {
          "result": "breaking",
          "changes": [
            {
              "code": "FIELD_REMOVED",
              "severity": "breaking",
              "coordinate": "Product.price",
              "message": "`Product.price` is gone: operations that select it are refused",
              "used_by": [
                "Page"
              ]
            }
          ],
          "operations": [
            {
              "file": "operations/page.graphql",
              "name": "Page",
              "line": 1,
              "column": 1,
              "errors": [
                {
                  "message": "type `Product` does not have a field `price`",
                  "file": "operations/fragments/price.graphql",
                  "line": 1,
                  "column": 29,
                  "changes": [
                    {
                      "code": "FIELD_REMOVED",
                      "coordinate": "Product.price"
                    }
                  ]
                }
              ]
            }
          ],
          "invalid_before": []
        }
    "#]]
    .assert_eq(&report.stdout);
}

#[test]
fn the_readme_shows_what_is_printed() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(readme).expect("a readable file");
    let case = fixtures().join("as-the-readme-shows");
    for format in ["text", "json"] {
        let printed = check(&case, &["--format", format]).stdout;
        assert!(
            readme.contains(&printed),
            "the README shows something else than\n{printed}"
        );
    }
}

#[test]
fn bad_usage_is_said_in_one_line() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, content) in [
        ("good.graphql", "type Query { a: Int }"),
        ("empty.graphql", " \n"),
        ("prose.txt", "This is no schema."),
        ("invalid.graphql", "type Query { a: Nothing }\n"),
        ("field.graphql", "type Query {\n  subgraphs: [Int\n}"),
        ("mutation.graphql", "type Mutation { a: Int }"),
        ("tab.yaml", "subgraphs:\n\ta:\n"),
        (
            "clash.yaml",
            "subgraphs: { a: { routing_url: x, schema: { sdl: 'type Query { a: Nothing }' } } }",
        ),
    ] {
        std::fs::write(folder.path().join(name), content).expect("a file");
    }
    std::fs::create_dir(folder.path().join("nothing")).expect("a folder");
    let mut said = String::new();
    for arguments in [
        &["check", "good.graphql", "missing.graphql"][..],
        &["check", "empty.graphql", "good.graphql"],
        &["check", "good.graphql", "prose.txt"],
        &["check", "good.graphql", "mutation.graphql"],
        &["check", "invalid.graphql", "good.graphql"],
        &["check", "field.graphql", "good.graphql"],
        &["check", "good.graphql", "tab.yaml"],
        &["check", "good.graphql", "clash.yaml"],
        &["check", "good.graphql", "good.graphql", "--operations", "elsewhere"],
        &["check", "good.graphql", "good.graphql", "--operations", "nothing"],
    ] {
        let text = run(folder.path(), arguments);
        let json = run(folder.path(), &[arguments, &["--format", "json"]].concat());
        assert_eq!(
            (text.code, text.stdout.as_str(), json.code),
            (Some(2), "", Some(2)),
            "{arguments:?}"
        );
        let report = json.json();
        assert_eq!(report["result"], "error");
        let message = report["errors"][0]["message"].as_str().expect("a text");
        assert!(text.stderr.contains(message), "{message}");
        said.push_str(&text.stderr);
    }
    expect![[r#"
        error: cannot read missing.graphql: No such file or directory (os error 2)
        error: empty.graphql is empty: expected the SDL of a supergraph, the SDL of an API schema, or a supergraph.yaml to compose
        error: prose.txt:1:1: syntax error: expected definition; expected the SDL of a supergraph, the SDL of an API schema, or a supergraph.yaml to compose
        error: mutation.graphql: the supergraph has no query root type that clients may see; expected the SDL of a supergraph, the SDL of an API schema, or a supergraph.yaml to compose
        error: invalid.graphql: the schema, without its @inaccessible elements, is not valid: cannot find type `Nothing` in this document (line 1, column 17); expected the SDL of a supergraph, the SDL of an API schema, or a supergraph.yaml to compose
        error: field.graphql:3:1: syntax error: expected R_BRACK, got }; expected the SDL of a supergraph, the SDL of an API schema, or a supergraph.yaml to compose
        error: tab.yaml:2:2: a tab indents this line; YAML takes spaces only
        error[INVALID_GRAPHQL]: [a] cannot find type `Nothing` in this document
         --> a:1:17
          |
        1 | type Query { a: Nothing }
          |                 ^^^^^^^

        the subgraphs do not compose: 1 error
        error: clash.yaml: the subgraphs do not compose: [a] cannot find type `Nothing` in this document
        error: cannot read the folder elsewhere: No such file or directory (os error 2)
        error: there is no *.graphql and no *.gql file in nothing
    "#]].assert_eq(&said);
}

#[test]
fn colours_are_for_those_who_see_them() {
    let case = fixtures().join("removals");
    let arguments = ["check", "old.graphql", "new.graphql"];
    for (variables, is_coloured) in [
        (&[][..], false),
        (&[("CLICOLOR_FORCE", "1")], true),
        (&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
        (&[("TERM", "dumb")], false),
    ] {
        let mut command = router(&case, &arguments);
        command.envs(variables.iter().copied());
        let output = ended(command.output().expect("the binary runs"));
        assert_eq!(
            output.stdout.contains("\u{1b}[1m\u{1b}[31mbreaking"),
            is_coloured,
            "{variables:?}"
        );
        assert_eq!(output.stdout.contains('\u{1b}'), is_coloured, "{variables:?}");
    }
}
