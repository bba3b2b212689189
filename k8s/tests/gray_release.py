"""Rehearses the gray release on loopback: two real routers behind a real HAProxy, which splits as the manifests say.

    python3 k8s/tests/gray_release.py target/debug SCRATCH

Reads the HTTPRoute `router` of overlays/production and overlays/production-canary, and the two canary Ingresses of
overlays/ack-canary; makes a HAProxy configuration of each; sends requests, and asks the routers' own metrics how many came.
HAProxy stands for the gateway: what is shown is that rules, header and weights mean what we think, not how a given gateway
behaves. Needs PyYAML, kubectl and haproxy. Ends what it starts.
"""

import http.client
import re
import subprocess
import sys
from pathlib import Path

import yaml

from processes import await_until, fetch, free_port

K8S = Path(__file__).parent.parent
REQUESTS = 1000
QUERY = "/graphql?query=%7B__typename%7D"


def rendered(overlay):
    text = subprocess.run(["kubectl", "kustomize", K8S / "overlays" / overlay], check=True, capture_output=True, text=True)
    return [o for o in yaml.safe_load_all(text.stdout) if o]


def rules_of_gateway(overlay, weight=None):
    """[(header and value or None, {backend: weight})] of the HTTPRoute, in its order; `weight`: another for the canary."""
    route = next(o for o in rendered(overlay) if o["kind"] == "HTTPRoute" and o["metadata"]["name"] == "router")
    rules = []
    for rule in route["spec"]["rules"]:
        headers = rule["matches"][0].get("headers", [])
        weights = {backend["name"]: backend.get("weight", 1) for backend in rule["backendRefs"]}
        if weight is not None and len(weights) > 1:
            weights = {"router": 100 - weight, "router-canary": weight}
        rules.append(((headers[0]["name"], headers[0]["value"]) if headers else None, weights))
    return rules


def rules_of_alb(overlay):
    """The same of ALB's canary Ingresses: a lower order is asked first, the rest goes to the stable Service."""
    prefix = "alb.ingress.kubernetes.io/"
    ingresses = [o for o in rendered(overlay) if o["kind"] == "Ingress"]
    canaries = [o["metadata"]["annotations"] for o in ingresses if prefix + "canary" in o["metadata"]["annotations"]]
    rules = []
    for notes in sorted(canaries, key=lambda notes: int(notes[prefix + "order"])):
        if prefix + "canary-by-header" in notes:
            header = (notes[prefix + "canary-by-header"], notes[prefix + "canary-by-header-value"])
            rules.append((header, {"router-canary": 1}))
        else:
            weight = int(notes[prefix + "canary-weight"])
            rules.append((None, {"router": 100 - weight, "router-canary": weight}))
    return rules


def haproxy_config(port, rules, servers):
    front = [f"frontend edge\n  bind 127.0.0.1:{port}"]
    back = []
    for index, (header, weights) in enumerate(rules):
        condition = f" if {{ req.hdr({header[0]}) -m str {header[1]} }}" if header else ""
        front.append(f"  use_backend rule{index}{condition}")
        back.append(f"backend rule{index}\n  balance random")
        back += [f"  server {name} 127.0.0.1:{servers[name]} weight {weight}" for name, weight in weights.items()]
    defaults = "defaults\n  mode http\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s"
    return "\n".join([defaults, *front, *back]) + "\n"


class Rehearsal:
    def __init__(self, binaries, scratch):
        self.binaries, self.scratch = binaries.resolve(), scratch.resolve()
        self.scratch.mkdir(parents=True, exist_ok=True)
        self.servers = {"router": free_port(), "router-canary": free_port()}
        self.admins = {"router": free_port(), "router-canary": free_port()}
        self.running = []

    def launch(self, name, command):
        log = open(self.scratch / f"{name}.log", "w")
        process = subprocess.Popen(command, stdout=log, stderr=log)
        self.running.append(process)
        return process

    def start_routers(self):
        supergraph = K8S.parent / "schema/supergraph.graphql"
        for name, port in self.servers.items():
            self.launch(name, [self.binaries / "router", "serve", "--supergraph", supergraph, "--authorization-by-subgraphs",
                               "--listen", f"127.0.0.1:{port}", "--admin-listen", f"127.0.0.1:{self.admins[name]}"])
        for name, port in self.admins.items():
            await_until(name, lambda port=port: fetch(f"http://127.0.0.1:{port}/readyz")[0] == 200)

    def received(self, name):
        """Requests that a router has counted."""
        text = fetch(f"http://127.0.0.1:{self.admins[name]}/metrics")[1]
        return sum(int(n) for n in re.findall(r"http_server_request_duration_seconds_count\{[^}]*\} (\d+)", text))

    def share(self, rules, headers):
        """The canary's share of REQUESTS requests through a proxy with `rules`."""
        port = free_port()
        config = self.scratch / "haproxy.cfg"
        config.write_text(haproxy_config(port, rules, self.servers))
        proxy = self.launch("haproxy", ["haproxy", "-db", "-f", config])
        await_until("haproxy", lambda: fetch(f"http://127.0.0.1:{port}{QUERY}")[0] == 200)
        before = {name: self.received(name) for name in self.servers}
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        for _ in range(REQUESTS):
            connection.request("GET", QUERY, headers=headers)
            response = connection.getresponse()
            response.read()
            if response.status != 200:
                raise RuntimeError(f"refused with {response.status}")
        connection.close()
        proxy.terminate()
        proxy.wait(10)
        came = {name: self.received(name) - before[name] for name in self.servers}
        if sum(came.values()) != REQUESTS:
            raise RuntimeError(f"{came} is not {REQUESTS}")
        return came["router-canary"] / REQUESTS

    def end(self):
        for process in self.running:
            if process.poll() is None:
                process.terminate()
                process.wait(30)


def main():
    canary, alb = rules_of_gateway("production-canary"), rules_of_alb("ack-canary")
    header = {"x-canary": "always"}
    cases = [
        ("no canary", rules_of_gateway("production"), {}, 0.0),
        ("canary, as in the overlay (5 %)", canary, {}, 0.05),
        ("canary, with x-canary: always", canary, header, 1.0),
        ("canary, with x-canary: never", canary, {"x-canary": "never"}, 0.05),
        ("weight 50", rules_of_gateway("production-canary", 50), {}, 0.5),
        ("weight 100", rules_of_gateway("production-canary", 100), {}, 1.0),
        ("back to no canary, with x-canary: always", rules_of_gateway("production"), header, 0.0),
        ("ALB annotations (5 %)", alb, {}, 0.05),
        ("ALB annotations, with x-canary: always", alb, header, 1.0),
    ]
    rehearsal = Rehearsal(Path(sys.argv[1]), Path(sys.argv[2]))
    faults = 0
    try:
        rehearsal.start_routers()
        print(f"{'':45}wanted   canary got of {REQUESTS} requests")
        for name, rules, headers, wanted in cases:
            share = rehearsal.share(rules, headers)
            # Five standard deviations of a fair draw: wrong once in two million runs. All or nothing must be exact.
            is_right = abs(share - wanted) <= 5 * (wanted * (1 - wanted) / REQUESTS) ** 0.5
            faults += not is_right
            print(f"{name:45}{wanted:6.1%}   {share:6.1%}{'' if is_right else '   WRONG'}")
    finally:
        rehearsal.end()
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
