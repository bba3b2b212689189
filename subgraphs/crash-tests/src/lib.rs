//! Holds nothing: the package is its tests, in `tests/it`, and its load test, in `examples/load`. The tests run the services as
//! real processes, let one of them die, freeze or lose an answer at the worst moment, and then count the money and the goods.
