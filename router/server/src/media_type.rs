//! Content negotiation (GraphQL over HTTP, "Media Types"; RFC 9110, section 12.5.1).

use http::{HeaderMap, HeaderValue, header};

use crate::incremental::IncrementalFormat;

/// A media type in which responses are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MediaType {
    /// `application/json`: what every client understands. Request errors come with status 200, because proxies make
    /// up JSON errors of their own, and a client cannot tell those from ours by status.
    Json,
    /// `application/graphql-response+json`: the status tells whether the operation ran.
    GraphqlResponse,
}

/// What a client reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Accepted {
    /// Answers in one piece; `None`: none of ours.
    pub(crate) whole: Option<MediaType>,
    /// Answers in parts.
    pub(crate) in_parts: Option<IncrementalFormat>,
}

impl Accepted {
    /// What `Accept` allows, or `None` if that is nothing of ours.
    pub(crate) fn negotiate(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(header::ACCEPT).iter().peekable();
        if values.peek().is_none() {
            return Some(Self {
                whole: Some(MediaType::Json),
                in_parts: None,
            });
        }
        let ranges: Vec<Range<'_>> = values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|v| v.split(','))
            .filter_map(Range::parse)
            .collect();
        let whole = MediaType::best(&ranges);
        let in_parts = ranges.iter().filter(|range| range.quality_thousandths > 0);
        // Of equal ones, the first.
        let in_parts = in_parts.rev().filter(|range| range.format.is_some());
        let in_parts = in_parts.max_by_key(|range| range.quality_thousandths);
        let in_parts = in_parts.and_then(|range| range.format);
        (whole.is_some() || in_parts.is_some()).then_some(Self { whole, in_parts })
    }
}

impl MediaType {
    /// The best that `ranges` allow, or `None`. `*/*` means JSON.
    fn best(ranges: &[Range<'_>]) -> Option<Self> {
        let json = Preference::of("json", ranges);
        let graphql_response = Preference::of("graphql-response+json", ranges);
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
    /// Of `multipart/mixed`.
    format: Option<IncrementalFormat>,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let parameters: Vec<(&str, &str)> = parts.filter_map(|part| part.split_once('=')).collect();
        let quality = parameters.iter().find(|(name, _)| name.eq_ignore_ascii_case("q"));
        let quality = quality.map_or(Some(1.0), |(_, value)| value.parse::<f32>().ok())?;
        let is_multipart = kind.eq_ignore_ascii_case("multipart") && subtype.eq_ignore_ascii_case("mixed");
        let mut formats = parameters.iter().filter(|_| is_multipart);
        // Three digits is all that RFC 9110 allows.
        Some(Self {
            kind,
            subtype,
            format: formats.find_map(|(name, value)| IncrementalFormat::of_parameter(name, value)),
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
            let accepted = Accepted::negotiate(&headers);
            assert_eq!(accepted.and_then(|accepted| accepted.whole), expected, "{accept}");
        }
        let accepted = Accepted::negotiate(&HeaderMap::new());
        assert_eq!(accepted.and_then(|accepted| accepted.whole), Some(Json));
    }

    #[test]
    fn parts_are_sent_to_those_who_name_their_form() {
        use IncrementalFormat::{DeferSpec20220824, IncrementalSpecV02};
        for (accept, expected) in [
            ("application/json", None),
            ("*/*", None),
            ("multipart/mixed, application/json", None),
            (
                "multipart/mixed;deferSpec=20220824,application/json",
                Some(DeferSpec20220824),
            ),
            (
                "application/json, Multipart/Mixed; DeferSpec=\"20220824\"",
                Some(DeferSpec20220824),
            ),
            (
                "multipart/mixed;incrementalSpec=v0.2,application/json;q=0.9",
                Some(IncrementalSpecV02),
            ),
            ("multipart/mixed;incrementalSpec=v0.2", Some(IncrementalSpecV02)),
            (
                "multipart/mixed;incrementalSpec=v0.2;q=0.1, multipart/mixed;deferSpec=20220824",
                Some(DeferSpec20220824),
            ),
            (
                "multipart/mixed;deferSpec=20220824, multipart/mixed;incrementalSpec=v0.2",
                Some(DeferSpec20220824),
            ),
            ("multipart/mixed;deferSpec=20220824;q=0, application/json", None),
            ("multipart/mixed;deferSpec=1999, application/json", None),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
            let accepted = Accepted::negotiate(&headers);
            assert_eq!(accepted.and_then(|accepted| accepted.in_parts), expected, "{accept}");
        }
    }
}
