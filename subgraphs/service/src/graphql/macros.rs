//! Macros for types that async-graphql must see once in each subgraph: an interface lists its own implementors, and
//! a connection is a type per node.

/// The interface `Node` of a subgraph, with its implementors. Register it (`register_output_type::<Node>()`), since
/// no field returns it.
///
/// Each implementor's `id` field must be of the Rust type `&ID` (a `SimpleObject` field `id: ID` is).
#[macro_export]
macro_rules! node_interface {
    ($($implementor:ident),+ $(,)?) => {
        /// Anything with a global id. Ids are opaque, unique across types and stable: `prod_…`, `ord_…`.
        #[derive(::async_graphql::Interface)]
        #[graphql(field(name = "id", ty = "&::async_graphql::ID"))]
        #[allow(missing_docs, clippy::large_enum_variant)]
        pub enum Node {
            $($implementor($implementor)),+
        }
    };
}

/// The interface `UserError` of a subgraph, with its implementors, to be registered as [`node_interface!`].
#[macro_export]
macro_rules! user_error_interface {
    ($($implementor:ident),+ $(,)?) => {
        /// A mistake the caller can act on. Anything else (auth, rate limit, outage) is in the top-level `errors`.
        #[derive(::async_graphql::Interface)]
        #[graphql(
            field(name = "message", ty = "&String", desc = "For people, in English."),
            field(
                name = "field",
                ty = "&Option<Vec<String>>",
                desc = "Path in the arguments, e.g. [\"input\", \"lines\", \"0\", \"quantity\"]. Null when the error is about the whole call."
            )
        )]
        #[allow(missing_docs)]
        pub enum UserError {
            $($implementor($implementor)),+
        }
    };
}

/// An object type `$name` that implements `UserError` with a `code: $code!`, and its constructor:
/// `OrderError::new(OrderErrorCode::Empty, "The cart is empty.").at(["input", "lines"])`.
#[macro_export]
macro_rules! user_error {
    ($(#[$attribute:meta])* $name:ident, $code:ty) => {
        #[allow(missing_docs)]
        #[derive(Clone, Debug, ::async_graphql::SimpleObject)]
        $(#[$attribute])*
        pub struct $name {
            pub message: String,
            pub field: Option<Vec<String>>,
            pub code: $code,
        }

        #[allow(dead_code)]
        impl $name {
            /// An error about the whole call.
            pub fn new(code: $code, message: impl Into<String>) -> Self {
                Self { message: message.into(), field: None, code }
            }

            /// The same error about one argument, named by its path.
            #[must_use]
            pub fn at<S: Into<String>>(self, path: impl IntoIterator<Item = S>) -> Self {
                Self { field: Some(path.into_iter().map(Into::into).collect()), ..self }
            }
        }
    };
}

/// The Relay types of a list: `connection!(User, UserConnection, UserEdge)`. A [`Page`](crate::paging::Page) of nodes
/// converts into the connection.
#[macro_export]
macro_rules! connection {
    ($(#[$attribute:meta])* $node:ident, $connection:ident, $edge:ident) => {
        #[allow(missing_docs)]
        #[derive(::async_graphql::SimpleObject)]
        pub struct $edge {
            pub cursor: String,
            pub node: $node,
        }

        $(#[$attribute])*
        #[allow(missing_docs)]
        pub struct $connection {
            edges: Vec<$edge>,
            page_info: $crate::scalars::PageInfo,
            total_count: Option<i32>,
        }

        #[::async_graphql::Object]
        $(#[$attribute])*
        impl $connection {
            async fn edges(&self) -> &[$edge] {
                &self.edges
            }

            async fn nodes(&self) -> Vec<&$node> {
                self.edges.iter().map(|edge| &edge.node).collect()
            }

            async fn page_info(&self) -> &$crate::scalars::PageInfo {
                &self.page_info
            }

            async fn total_count(&self) -> Option<i32> {
                self.total_count
            }
        }

        impl From<$crate::paging::Page<$node>> for $connection {
            fn from(page: $crate::paging::Page<$node>) -> Self {
                let page_info = $crate::scalars::PageInfo {
                    has_next_page: page.has_next,
                    has_previous_page: page.has_previous,
                    start_cursor: page.rows.first().map(|(cursor, _)| cursor.encode()),
                    end_cursor: page.rows.last().map(|(cursor, _)| cursor.encode()),
                };
                let total_count = page.total.map(|total| i32::try_from(total).unwrap_or(i32::MAX));
                let edges = page.rows.into_iter().map(|(cursor, node)| $edge { cursor: cursor.encode(), node });
                $connection { edges: edges.collect(), page_info, total_count }
            }
        }
    };
}
