//! Composition does not depend on the order in which subgraphs are given: not what comes out, and not what is refused.

use composition::compose;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::generate;

/// How many sets of subgraphs are tried; some 40 ms each without optimisation.
const CASES: u32 = 120;

#[test]
fn order_of_subgraphs_does_not_matter() {
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let composed = std::cell::Cell::new(0);
    let outcome = runner.run(&generate::subgraphs(), |mut subgraphs| {
        let expected = compose(&subgraphs);
        composed.set(composed.get() + u32::from(expected.is_ok()));
        for _ in 1..subgraphs.len() {
            subgraphs.rotate_left(1);
            proptest::prop_assert_eq!(&compose(&subgraphs), &expected);
        }
        subgraphs.reverse();
        proptest::prop_assert_eq!(&compose(&subgraphs), &expected);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    let composed = composed.get();
    eprintln!("{composed} of {CASES} sets of subgraphs compose");
    assert!(
        composed > CASES / 10 && composed < CASES * 9 / 10,
        "{composed} of {CASES} compose: both outcomes must be tried"
    );
}
