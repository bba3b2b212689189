//! Tests of planning: fixtures, conformance suites, and operations that make planners explode.

mod conformance;
