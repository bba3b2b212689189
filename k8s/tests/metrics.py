"""Holds alerts and dashboards to the metrics that the processes really export.

    python3 k8s/tests/metrics.py parse                       every expression parses; dashboards are well formed
    python3 k8s/tests/metrics.py match users.txt router.txt  every selector matches a series of these scrapes (file: job)
    python3 k8s/tests/metrics.py serve target/debug SCRATCH  the same, scraped by a real Prometheus from the six processes

`serve` starts the binaries on loopback with SQLite, sends requests, ends one service so that requests fail, and asks
Prometheus for the series of every selector. It ends what it started. Needs PyYAML, promql-parser and `prometheus`.
"""

import json
import re
import sys
from pathlib import Path

import promql_parser
import yaml

MONITORING = Path(__file__).parent.parent / "components/monitoring"
# Label values that only a fault of ours gives rise to, which no test can ask for over HTTP.
RARE = {("http_requests_total", "status", "5.."), ("http_server_request_duration_seconds_count", "status", "5..")}
GRAFANA = {"$__rate_interval": "5m", "$namespace": ".*"}


def expressions():
    """(place, expression) of all alerts, recordings and panels."""
    rule = yaml.safe_load((MONITORING / "prometheusrule.yaml").read_text())
    for group in rule["spec"]["groups"]:
        for each in group["rules"]:
            yield each.get("alert") or each["record"], each["expr"]
    for path in sorted((MONITORING / "dashboards").glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel["targets"]:
                expression = target["expr"]
                for variable, value in GRAFANA.items():
                    expression = expression.replace(variable, value)
                yield f"{path.name}: {panel['title']}", expression


def recorded():
    rule = yaml.safe_load((MONITORING / "prometheusrule.yaml").read_text())
    return {r["record"] for group in rule["spec"]["groups"] for r in group["rules"] if "record" in r}


def selectors():
    """(place, name, matchers) of every selector; a matcher is (label, operator, value)."""
    found, known = [], recorded()
    for place, expression in expressions():
        def visit(node, place=place):
            if isinstance(node, promql_parser.VectorSelector) and node.name not in known:
                matchers = [(m.name, str(m.op).rpartition(".")[2], m.value) for m in node.matchers.matchers]
                found.append((place, node.name, [m for m in matchers if (node.name, m[0], m[2]) not in RARE]))
        promql_parser.walk(promql_parser.parse(expression), visit)
    return found


def holds(labels, matcher):
    label, operator, wanted = matcher
    value = labels.get(label, "")
    same = value == wanted if operator in ("Equal", "NotEqual") else re.fullmatch(wanted, value) is not None
    return same == (operator in ("Equal", "Re"))


def unmatched(series):
    """Selectors without a series; `series` are label sets with `__name__`."""
    return sorted({
        f"{place}: {name}{{{', '.join(f'{label} {operator} {value!r}' for label, operator, value in matchers)}}}"
        for place, name, matchers in selectors()
        if not any(s["__name__"] == name and all(holds(s, m) for m in matchers) for s in series)
    })


def parse_scrape(path):
    """Series of a text file in Prometheus' format, with the labels that scraping `<job>.txt` adds."""
    job = Path(path).stem
    target = {"job": job, "namespace": "hansa", "service": job, "pod": f"{job}-0"}
    yield {"__name__": "up", **target}
    for line in Path(path).read_text().splitlines():
        found = re.match(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? ", line)
        if found and not line.startswith("#"):
            own = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', found[2] or ""))
            yield {**target, **own, "__name__": found[1]}


def check_dashboards():
    faults, uids = [], set()
    for path in sorted((MONITORING / "dashboards").glob("*.json")):
        dashboard = json.loads(path.read_text())
        if dashboard["uid"] in uids or dashboard["uid"] != f"hansa-{path.stem}":
            faults.append(f"{path.name}: its uid is not its own")
        uids.add(dashboard["uid"])
        ids = [panel["id"] for panel in dashboard["panels"]]
        if len(set(ids)) != len(ids):
            faults.append(f"{path.name}: panels share an id")
        for panel in dashboard["panels"]:
            if panel["datasource"]["uid"] != "${datasource}" or not panel["description"]:
                faults.append(f"{path.name}: {panel['title']}: another data source, or no description")
    return faults


def report(faults, success):
    print("\n".join(faults) or success)
    sys.exit(1 if faults else 0)


def main():
    mode, *arguments = sys.argv[1:]
    if mode == "parse":
        report(check_dashboards(), f"{len(list(expressions()))} expressions parse, {len(selectors())} selectors")
    elif mode == "match":
        series = [each for path in arguments for each in parse_scrape(path)]
        report([f"matches no series: {s}" for s in unmatched(series)], f"{len(selectors())} selectors match a series")
    elif mode == "serve":
        from processes import Shop
        with Shop(Path(arguments[0]), Path(arguments[1])) as shop:
            shop.visit()
            faults = shop.await_none(unmatched)
        report([f"matches no series: {s}" for s in faults],
               f"{len(selectors())} selectors match a series that Prometheus scraped from the processes")
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
