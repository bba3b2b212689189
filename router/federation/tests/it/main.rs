//! Tests of the nouns, from text to text.

mod api_schema;
mod introspection;
mod operation;
mod supergraphs_of_others;
