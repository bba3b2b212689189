//! Pictures and films, and where they are.

use crate::domain::product::{self, MediaKind};
use async_graphql::{Context, Enum, ID, Object, Result};
use url::Url;

/// Turns the stored address of a picture into one that a browser can load.
#[derive(Debug, Clone)]
pub(crate) struct MediaUrls {
    /// Without a slash at the end.
    base: String,
}

impl MediaUrls {
    pub(crate) fn new(base: &Url) -> MediaUrls {
        MediaUrls {
            base: base.as_str().trim_end_matches('/').to_owned(),
        }
    }

    /// The address itself; or, for a path of this service, below the base.
    pub(crate) fn absolute(&self, stored: &str) -> String {
        if stored.starts_with('/') {
            format!("{}{stored}", self.base)
        } else {
            stored.to_owned()
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "MediaKind")]
pub enum MediaType {
    Image,
    Video,
}

#[derive(Clone)]
pub struct Media(pub(super) product::Media);

#[Object]
impl Media {
    async fn id(&self) -> ID {
        ID(self.0.id.clone())
    }

    async fn r#type(&self) -> MediaType {
        self.0.kind.into()
    }

    async fn url(&self, context: &Context<'_>, max_width: Option<i32>) -> Result<String> {
        let url = context.data::<MediaUrls>()?.absolute(&self.0.url);
        // Pictures from elsewhere come in one size.
        let is_own = self.0.url.starts_with('/');
        Ok(match max_width {
            Some(width) if is_own && width > 0 => format!("{url}?width={width}"),
            _ => url,
        })
    }

    async fn alt_text(&self) -> Option<&str> {
        self.0.alt_text.as_deref()
    }

    async fn width(&self) -> Option<i32> {
        self.0.width
    }

    async fn height(&self) -> Option<i32> {
        self.0.height
    }
}
