//! `router plan`: what it prints of operations that defer fragments.

use std::fs;
use std::path::Path;

use crate::commands::{Ended, run};

/// `router plan` of a case of the fixture `defer`.
fn plan(case: &str, options: &[&str]) -> (Ended, String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/defer");
    let operation = format!("{case}/operation.graphql");
    let arguments = ["plan", "--supergraph", "supergraph.graphql", "--operation", &operation];
    let kept = fs::read_to_string(folder.join(case).join("plan.txt")).expect("the case has a plan");
    (run(&folder, &[&arguments, options].concat()), kept)
}

#[test]
fn deferred_fragments_are_planned_as_parts() {
    let (ended, kept) = plan("nested", &[]);
    assert!(kept.contains("Deferred(part: 1"), "{kept}");
    assert_eq!((ended.code, ended.stdout, ended.stderr), (Some(0), kept, String::new()));

    let (ended, _) = plan("nested", &["--format", "json"]);
    assert_eq!(ended.json()["plan"]["node"]["kind"], "Defer", "{}", ended.stdout);
}

#[test]
fn variables_say_what_is_deferred() {
    let (ended, kept) = plan(
        "conditions",
        &["--variables", r#"{"on": true, "off": false, "more": true}"#],
    );
    assert_eq!((ended.code, ended.stdout), (Some(0), kept), "{}", ended.stderr);

    let (ended, _) = plan("conditions", &[]);
    assert!(
        ended.stdout.contains("rating") && !ended.stdout.contains("Defer"),
        "{}",
        ended.stdout
    );

    for (variables, expected) in [
        (
            "[]",
            "error: --variables: invalid type: sequence, expected a map at line 1 column 0\n",
        ),
        (
            r#"{"on": 1, "off": false, "more": true}"#,
            "error: --variables: variable `$on`: expected a value of type `Boolean`\n",
        ),
    ] {
        let (ended, _) = plan("conditions", &["--variables", variables]);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), expected));
    }
}
