//! Content negotiation (GraphQL over HTTP, "Media Types"; RFC 9110, section 12.5.1).

use http::{HeaderMap, HeaderValue, header};

/// A media type in which responses are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MediaType {
    /// `application/json`: what every client understands. Request errors come with status 200, because proxies make
    /// up JSON errors of their own, and a client cannot tell those from ours by status.
    Json,
    /// `application/graphql-response+json`: the status tells whether the operation ran.
    GraphqlResponse,
}

impl MediaType {
    /// The best that `Accept` allows, or `None`. No `Accept` at all, and `*/*`, mean JSON.
    pub(crate) fn negotiate(headers: &HeaderMap) -> Option<Self> {
        let mut ranges = headers.get_all(header::ACCEPT).iter().peekable();
        if ranges.peek().is_none() {
            return Some(Self::Json);
        }
        let ranges: Vec<Range<'_>> = ranges
            .filter_map(|value| value.to_str().ok())
            .flat_map(|v| v.split(','))
            .filter_map(Range::parse)
            .collect();
        let json = Preference::of("json", &ranges);
        let graphql_response = Preference::of("graphql-response+json", &ranges);
        match (json, graphql_response) {
            (None, None) => None,
            (Some(_), None) => Some(Self::Json),
            (None, Some(_)) => Some(Self::GraphqlResponse),
            // The one that says more wins when it is liked better, or as much and called by its name.
            (Some(json), Some(better)) if better > json || (better == json && better.named) => {
                Some(Self::GraphqlResponse)
            }
            (Some(_), Some(_)) => Some(Self::Json),
        }
    }

    /// Value of `Content-Type`.
    pub(crate) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Json => "application/json; charset=utf-8",
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
        })
    }
}

/// One entry of `Accept`.
struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    quality_thousandths: u16,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let quality = parts
            .filter_map(|part| part.split_once('='))
            .find(|(name, _)| name.eq_ignore_ascii_case("q"));
        let quality = quality.map_or(Some(1.0), |(_, value)| value.parse::<f32>().ok())?;
        // Three digits is all that RFC 9110 allows.
        Some(Self {
            kind,
            subtype,
            quality_thousandths: (quality.clamp(0.0, 1.0) * 1000.0).round() as u16,
        })
    }

    /// How closely this range names `application/subtype`: 0 not at all, 3 exactly.
    fn closeness(&self, subtype: &str) -> u8 {
        match (self.kind, self.subtype) {
            ("*", "*") => 1,
            (kind, "*") if kind.eq_ignore_ascii_case("application") => 2,
            (kind, own) if kind.eq_ignore_ascii_case("application") && own.eq_ignore_ascii_case(subtype) => 3,
            _ => 0,
        }
    }
}

/// Ordered by quality first; of two as good, a type called by its name stands above one met by a wildcard.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Preference {
    quality_thousandths: u16,
    named: bool,
}

impl Preference {
    /// The closest range decides, as RFC 9110 says; quality 0 forbids.
    fn of(subtype: &str, ranges: &[Range<'_>]) -> Option<Self> {
        let closest = ranges
            .iter()
            .filter(|range| range.closeness(subtype) > 0)
            .max_by_key(|r| r.closeness(subtype))?;
        let preference = Self {
            quality_thousandths: closest.quality_thousandths,
            named: closest.closeness(subtype) == 3,
        };
        (preference.quality_thousandths > 0).then_some(preference)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_decides() {
        use MediaType::{GraphqlResponse, Json};
        for (accept, expected) in [
            ("application/json", Some(Json)),
            ("application/graphql-response+json", Some(GraphqlResponse)),
            (
                "application/graphql-response+json; charset=utf-8",
                Some(GraphqlResponse),
            ),
            ("*/*", Some(Json)),
            ("application/*", Some(Json)),
            (
                "application/json, application/graphql-response+json",
                Some(GraphqlResponse),
            ),
            (
                "application/graphql-response+json, application/json;q=0.9",
                Some(GraphqlResponse),
            ),
            ("application/json, application/graphql-response+json;q=0.5", Some(Json)),
            (
                "application/graphql-response+json;q=0.8, */*;q=0.1",
                Some(GraphqlResponse),
            ),
            ("application/json;q=0, */*", Some(GraphqlResponse)),
            ("text/html, */*;q=0.5", Some(Json)),
            ("Application/JSON;Q=0.3", Some(Json)),
            ("text/html", None),
            ("application/json;q=0", None),
            ("nonsense", None),
            ("application/json;q=much", None),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(MediaType::negotiate(&headers), expected, "{accept}");
        }
        assert_eq!(MediaType::negotiate(&HeaderMap::new()), Some(Json));
    }
}
