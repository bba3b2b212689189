"""Writes the Grafana dashboards beside this file: one for the router, one for each service.

    python3 k8s/components/monitoring/dashboards/generate.py

The services' dashboards differ in little, so they are generated; k8s/tests/check fails when a file is not what this
program writes. Knows nothing of which metrics exist; k8s/tests/metrics.py does.
"""

import json
from pathlib import Path

SERVICES = ["users", "products", "orders", "payments", "reviews"]
# Those that call other services.
CALLERS = ["users", "orders", "payments"]
# Those that write or read events.
WITH_EVENTS = ["users", "orders", "payments", "reviews"]
NAMESPACE = 'namespace=~"$namespace"'


def quantiles(metric, selector):
    """p50, p95 and p99 of a histogram as (expression, legend)."""
    return [
        (f"histogram_quantile({q}, sum by (le) (rate({metric}_bucket{{{selector}}}[$__rate_interval])))", f"p{q * 100:.0f}")
        for q in (0.5, 0.95, 0.99)
    ]


def panel(title, description, unit, *queries):
    """A time series; `queries` are (expression, legend)."""
    return {
        "type": "timeseries",
        "title": title,
        "description": description,
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [
            {"refId": chr(ord("A") + index), "expr": expression, "legendFormat": legend}
            for index, (expression, legend) in enumerate(queries)
        ],
    }


def dashboard(name, panels):
    for index, each in enumerate(panels):
        each["id"] = index + 1
        each["gridPos"] = {"h": 8, "w": 12, "x": index % 2 * 12, "y": index // 2 * 8}
    data_source = {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}
    namespace = {
        "name": "namespace",
        "label": "Namespace",
        "type": "query",
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "query": "label_values(up, namespace)",
        "refresh": 2,
        "includeAll": False,
    }
    return {
        "uid": f"hansa-{name}",
        "title": f"Hansa: {name}",
        "tags": ["hansa"],
        "schemaVersion": 39,
        "timezone": "browser",
        "time": {"from": "now-3h", "to": "now"},
        "refresh": "30s",
        "templating": {"list": [data_source, namespace]},
        "panels": panels,
    }


def replicas(jobs):
    """What these processes see of those that they call."""
    own = f'{NAMESPACE},job=~"{jobs}"'
    return [
        panel("Requests by replica", "Which addresses of other services get how much.", "reqps",
              (f"sum by (host, peer) (rate(http_client_requests_total{{{own}}}[$__rate_interval]))", "{{host}} {{peer}}")),
        panel("Replicas", "Addresses of other services that can be connected to (alive) and that cannot (dead).", "short",
              (f"max by (host, state) (http_client_peers{{{own}}})", "{{host}} {{state}}")),
    ]


def events(own):
    """What an outbox and an inbox hold. Every pod measures the same tables, so values are not added."""
    return [
        panel("Age of events", "For how long the oldest event has waited to be taken.", "s",
              (f"max(outbox_oldest_seconds{{{own}}})", "oldest")),
        panel("Events", "That wait to be sent, and that are parked because they were refused too often.", "short",
              (f"max(events_waiting{{{own}}})", "waiting"), (f"max(events_parked{{{own}}})", "parked")),
    ]


def sagas():
    return [
        panel("Orders under way", "By the step of the saga that each is at.", "short",
              (f"max by (step) (saga_open{{{NAMESPACE}}})", "{{step}}")),
        panel("Overdue orders", "For how long the step that waits longest has been due.", "s",
              (f"max(saga_overdue_seconds{{{NAMESPACE}}})", "overdue")),
        panel("Orders held up", "Whose step failed or was refused so often that the next try is more than 30 s away.", "short",
              (f"max(saga_held_up{{{NAMESPACE}}})", "held up")),
    ]


def money():
    return [
        panel("Money in doubt", "For how long the outcome of the oldest payment in UNKNOWN has been unknown; 0: of none.", "s",
              (f"max(payments_oldest_unknown_seconds{{{NAMESPACE}}})", "oldest")),
        panel("Circuits of gateways", "0: calls go through, 1: one is tried, 2: the gateway is left alone.", "short",
              (f"max by (gateway) (payments_gateway_circuit_state{{{NAMESPACE}}})", "{{gateway}}")),
    ]


def router():
    requests = "http_server_request_duration_seconds"
    fetches = "router_fetch_duration_seconds"
    rate = "[$__rate_interval]"
    return dashboard("router", [
        panel("Requests", "Requests of clients by kind of operation.", "reqps",
              (f"sum by (kind) (rate({requests}_count{{{NAMESPACE}}}{rate}))", "{{kind}}")),
        panel("Errors", "Share of requests by error code; PARTIAL has data beside errors.", "percentunit",
              (f'sum by (error) (rate({requests}_count{{{NAMESPACE},error!=""}}{rate})) / ignoring(error) group_left'
               f" sum(rate({requests}_count{{{NAMESPACE}}}{rate}))", "{{error}}")),
        panel("Duration of queries", "From the request's headers to the answer.", "s",
              *quantiles(requests, f'{NAMESPACE},kind="query"')),
        panel("Duration of mutations", "From the request's headers to the answer.", "s",
              *quantiles(requests, f'{NAMESPACE},kind="mutation"')),
        panel("Requests to subgraphs", "By subgraph.", "reqps",
              (f"sum by (subgraph) (rate({fetches}_count{{{NAMESPACE}}}{rate}))", "{{subgraph}}")),
        panel("Failed requests to subgraphs", "By subgraph and error code.", "reqps",
              (f'sum by (subgraph, outcome) (rate({fetches}_count{{{NAMESPACE},outcome!="ok"}}{rate}))',
               "{{subgraph}} {{outcome}}")),
        panel("Duration of requests to subgraphs (p95)", "By subgraph.", "s",
              (f"histogram_quantile(0.95, sum by (subgraph, le) (rate({fetches}_bucket{{{NAMESPACE}}}{rate})))",
               "{{subgraph}}")),
        panel("Plan cache", "Share of operations whose plan was there already.", "percentunit",
              (f'sum(rate(router_operations_total{{{NAMESPACE},cache="hit"}}{rate}))'
               f" / sum(rate(router_operations_total{{{NAMESPACE}}}{rate}))", "hits")),
        panel("Remembered plans", "Operations whose plans are held, in all pods.", "short",
              (f"sum(router_operations_held{{{NAMESPACE}}})", "operations")),
        panel("Duration of planning", "Parsing, validating and planning of operations that are new.", "s",
              *quantiles("router_plan_duration_seconds", NAMESPACE)),
        panel("Supergraph", "Reloads since the start, and whether the newest one is refused (1).", "short",
              (f"sum by (outcome) (router_supergraph_reloads_total{{{NAMESPACE}}})", "reloads: {{outcome}}"),
              (f"max(router_supergraph_stale{{{NAMESPACE}}})", "stale")),
        panel("Under way", "Requests of clients, and those to subgraphs for them.", "short",
              (f"sum(http_server_requests_in_flight{{{NAMESPACE}}})", "clients"),
              (f'sum by (host) (http_client_requests_in_flight{{{NAMESPACE},job=~"router(-canary)?"}})', "{{host}}")),
        panel("Connections to subgraphs", "Open ones.", "short",
              (f'sum by (host) (http_client_connections{{{NAMESPACE},job=~"router(-canary)?"}})', "{{host}}")),
        *replicas("router(-canary)?"),
        panel("Versions", "Pods of each version.", "short",
              (f"sum by (version) (router_build_info{{{NAMESPACE}}})", "{{version}}")),
        panel("Pods", "That answer Prometheus.", "short",
              (f'sum by (job) (up{{{NAMESPACE},job=~"router(-canary)?"}})', "{{job}}")),
    ])


def service(name):
    own = f'{NAMESPACE},service="{name}"'
    subgraph = f'{NAMESPACE},subgraph="{name}"'
    rate = "[$__rate_interval]"
    return dashboard(name, [
        panel("Requests", "Of the router, of other services and of webhooks, by status.", "reqps",
              (f"sum by (status) (rate(http_requests_total{{{own}}}{rate}))", "{{status}}")),
        panel("Errors", "Share of requests that are answered with 5xx.", "percentunit",
              (f'sum(rate(http_requests_total{{{own},status=~"5.."}}{rate})) / sum(rate(http_requests_total{{{own}}}{rate}))',
               "5xx")),
        panel("Duration", "As the service measures it.", "s", *quantiles("http_request_duration_seconds", own)),
        panel("Duration for the router", "As the router measures it: the network and waiting included.", "s",
              *quantiles("router_fetch_duration_seconds", subgraph)),
        panel("Failures for the router", "Requests that failed as a whole, by code.", "reqps",
              (f'sum by (outcome) (rate(router_fetch_duration_seconds_count{{{subgraph},outcome!="ok"}}{rate}))',
               "{{outcome}}")),
        panel("Under way", "Requests that are being answered.", "short",
              (f"sum(http_requests_in_flight{{{own}}})", "requests")),
        panel("Connections to the database", "Of all pods; `max` is what they may open together.", "short",
              (f"sum by (state) (database_connections{{{own}}})", "{{state}}"),
              (f"sum(database_connections_max{{{own}}})", "max")),
        *(sagas() if name == "orders" else []),
        *(money() if name == "payments" else []),
        *(events(own) if name in WITH_EVENTS else []),
        *(replicas(f"{name}(-canary)?") if name in CALLERS else []),
        panel("Versions", "Pods of each version.", "short",
              (f"sum by (version) (service_build_info{{{own}}})", "{{version}}")),
        panel("Pods", "That answer Prometheus.", "short",
              (f'sum by (job) (up{{{NAMESPACE},job=~"{name}(-canary)?"}})', "{{job}}")),
    ])


def main():
    folder = Path(__file__).parent
    for name, content in [("router", router()), *((name, service(name)) for name in SERVICES)]:
        (folder / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
