//! What operators write, and what they are told.

use super::*;

fn parse(text: &str) -> Result<RouterConfig, String> {
    let environment = |name: &str| match name {
        "PORT" => Some("4100".to_owned()),
        "PROXIES" => Some("10.0.0.0/8, fd00::/8".to_owned()),
        "EMPTY" => Some(String::new()),
        "TWO_LINES" => Some("a\nb".to_owned()),
        _ => None,
    };
    RouterConfig::parse(text, "router.yaml", environment).map_err(|error| error.to_string())
}

#[test]
fn an_empty_file_gives_the_defaults() {
    for text in ["", "# nothing yet\n", "{}"] {
        assert_eq!(parse(text), Ok(RouterConfig::default()), "{text:?}");
    }
}

#[test]
fn every_key_of_the_reference_is_read() {
    let config = parse(include_str!("router.example.yaml")).expect("the example is sound");
    let own = config.traffic.policy("products");
    let expected = SubgraphPolicy {
        query_timeout: Duration::from_millis(1_000),
        response_bytes_max: 1 << 20,
        requests_in_flight_max: 100,
        ..SubgraphPolicy::default()
    };
    assert_eq!(
        (own, config.traffic.policy("users")),
        (expected, SubgraphPolicy::default())
    );
    assert_eq!(config.limits.entities(), EntityLimits::default());
    assert_eq!(config.cors.origins, [Origin::Exact("https://shop.example".into())]);
    let passed: Vec<_> = config.headers.request_names();
    assert_eq!(passed, ["authorization", "accept-language", "user-agent", "x-tenant"]);
}

#[test]
fn values_come_from_the_environment() {
    let config = parse("# ${env.IGNORED}\nlisten: 127.0.0.1:${env.PORT}\n").expect("sound");
    assert_eq!(config.listen.port(), 4100);
}

#[test]
fn one_variable_holds_several_proxies_or_none() {
    for (list, expected) in [
        ("[\"${env.PROXIES}\"]", &["10.0.0.0/8", "fd00::/8"][..]),
        (
            "[192.0.2.1, \"${env.PROXIES}\"]",
            &["192.0.2.1", "10.0.0.0/8", "fd00::/8"],
        ),
        ("[\"${env.EMPTY}\"]", &[]),
        ("[]", &[]),
    ] {
        let config = parse(&format!("headers:\n  trusted_proxies: {list}\n")).expect("sound");
        let network = |text: &&str| IpNetwork::try_from((*text).to_owned()).expect("a network");
        let expected: Vec<_> = expected.iter().map(network).collect();
        assert_eq!(config.headers.trusted_proxies.0, expected, "{list}");
    }
}

#[test]
fn faults_say_where_and_what_to_write_instead() {
    let mut found = String::new();
    for text in [
        "cors:\n  origin: [\"*\"]\n",
        "frobnicate: 1\n",
        "listen: here\n",
        "limits:\n  depth_max: many\n",
        "supergraph:\n  watch: perhaps\n",
        "cors:\n  origins: [\"https://shop.example/path\"]\n",
        "cors:\n  origins: [\"*\"]\n  credentials: true\n",
        "headers:\n  request:\n    add: [Content-Length]\n",
        "headers:\n  trusted_proxies: [10.0.0.0/40]\n",
        "supergraph:\n  file: a\n  subgraphs: b\n",
        "traffic:\n  subgraphs:\n    products:\n      query_timeout_ms: 0\n",
        "override_labels:\n  beta: 101\n",
        "override_labels:\n  beta: often\n",
        "listen: 127.0.0.1:${env.NOT_THERE}\n",
        "playground:\n  title: ${env.TWO_LINES}\n",
        "cors: [\n",
    ] {
        let message = parse(text).map_or_else(|message| message, |_| "accepted".into());
        found.push_str(&message);
        found.push('\n');
    }
    expect_test::expect![[r#"
        router.yaml:2:3: unknown key `origin`; did you mean `origins`?
        router.yaml:1:1: unknown key `frobnicate`; known here: listen, admin, supergraph, cors, authorization, headers, traffic, limits, override_labels, introspection, playground, explain, tracing
        router.yaml:1:9: invalid socket address syntax
        router.yaml:2:14: this value is not a whole number from 0 up
        router.yaml:2:10: this value is neither true nor false
        router.yaml:2:13: `https://shop.example/path` is not an origin: write scheme, host and port only, like `https://shop.example`, or "*"
        router.yaml: `cors.credentials` with the origin "*" would let any page act as the signed-in user: name the origins
        router.yaml:3:10: `content-length` belongs to one connection, or is written by the router itself
        router.yaml:2:20: `10.0.0.0/40` is not a network: write an address or a range like `10.0.0.0/8`
        router.yaml: `supergraph.file` and `supergraph.subgraphs` exclude each other: keep one
        router.yaml: `traffic.subgraphs.products.query_timeout_ms` is 0: no request could ever succeed; leave it out for the default
        router.yaml:2:9: a share of requests is `true`, `false`, or a percentage from 0 to 100
        router.yaml:2:3: invalid type: string "often", expected `true`, `false`, or the percentage of requests, from 0 to 100
        router.yaml:1:19: the environment variable `NOT_THERE` is not set
        router.yaml:2:10: the environment variable `TWO_LINES` holds a line break
        router.yaml:1:7: expected mapping start
    "#]].assert_eq(&found);
}

#[test]
fn networks_contain_their_addresses_only() {
    for (network, address, expected) in [
        ("10.0.0.0/8", "10.200.0.1", true),
        ("10.0.0.0/8", "11.0.0.1", false),
        ("10.0.0.0/8", "::ffff:10.0.0.1", true),
        ("0.0.0.0/0", "203.0.113.9", true),
        ("::1", "::1", true),
        ("::1", "::2", false),
        ("fd00::/8", "fd12::1", true),
        ("10.0.0.1", "10.0.0.2", false),
    ] {
        let parsed = IpNetwork::try_from(network.to_owned()).expect("a network");
        assert_eq!(
            parsed.contains(address.parse().expect("an address")),
            expected,
            "{address} in {network}"
        );
    }
}
