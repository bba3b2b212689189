//! Executes query plans against subgraphs: `execute(plan, variables) -> response`.
//!
//! The only router crate that calls subgraphs. It reads plans and no schema: everything it needs to know of types is in
//! the plan. Does not parse, validate or plan, and knows no client's HTTP.
//!
//! Once for each plan: [`ExecutablePlan`] works out what its executions have in common (`executable_plan`). Of one
//! operation: [`Executor::execute`] walks the plan (`execution`); each fetch reads representations from the stored
//! data, is sent, and merged (`fetch`, `representation`, `subgraph_response`, `store`); at the end the stored data becomes the
//! answer (`completion`), or one part of it after the other (`in_parts`).

mod client;
mod completion;
mod executable_plan;
mod execution;
mod fetch;
mod in_parts;
mod introspection;
mod representation;
mod response;
mod store;
mod subgraph_response;
mod variables;

pub use client::{HttpSubgraph, InProcessSubgraph, SubgraphClient, SubgraphPolicy};
pub use executable_plan::ExecutablePlan;
pub use execution::{DEADLINE_HEADER, ExecutionRequest, Executor, ExecutorOptions};
pub use fetch::EntityLimits;
pub use response::{
    Announcement, DeliveredFragment, DeliveredObject, ExecutionResponse, FetchRecord, GraphqlError, LaterPart,
    PendingFragment, ResponsePart, ResponsePathSegment, Transport,
};
pub use variables::coerce_variables;
