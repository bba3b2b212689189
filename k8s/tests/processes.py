"""Starts the product as its manifests do, on loopback: each binary with the arguments and exactly the environment of its
rendered Deployment, and a real Prometheus that scrapes all of them.

What cannot be as in a cluster is replaced by one list, `Shop.substitutes`: addresses, ports, the database (SQLite) and the
folders of mounted files. Does not change the user or the file system.
"""

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import yaml

SUBGRAPHS = ["users", "products", "orders", "payments", "reviews"]
OVERLAY = Path(__file__).parent.parent / "overlays/local"
SECONDS_MAX = 60
# A field at the root of each.
ROOTS = {
    "users": "{ me { id } }",
    "products": "{ categories { id } }",
    "orders": '{ order(id: "ord_0") { id } }',
    "payments": "{ paymentGateways { __typename } }",
    "reviews": '{ review(id: "rev_0") { id } }',
}
GRACE_SECONDS = 45


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def fetch(url, body=None, timeout=10):
    """(status, text) of a GET, or of a POST of JSON."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def await_until(what, condition):
    deadline = time.monotonic() + SECONDS_MAX
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {SECONDS_MAX} s: {what}")
        time.sleep(0.1)


def scraped(series):
    """Services whose requests Prometheus knows."""
    return {s["service"] for s in series if s["__name__"] == "http_requests_total"}


class Shop:
    def __init__(self, binaries, scratch):
        self.binaries = binaries.resolve()
        self.scratch = scratch.resolve()
        self.running = {}
        self.ports = {name: {port: free_port() for port in ("http", "internal", "webhook", "admin")}
                      for name in [*SUBGRAPHS, "router"]}
        self.gateway, self.prometheus = free_port(), free_port()
        rendered = subprocess.run(["kubectl", "kustomize", OVERLAY], check=True, capture_output=True, text=True).stdout
        objects = [o for o in yaml.safe_load_all(rendered) if o]
        self.config_maps = {o["metadata"]["name"]: o["data"] for o in objects if o["kind"] == "ConfigMap"}
        self.deployments = {o["metadata"]["name"]: o for o in objects if o["kind"] == "Deployment"}

    def __enter__(self):
        self.scratch.mkdir(parents=True, exist_ok=True)
        for old in self.scratch.glob("*.sqlite*"):
            old.unlink()
        (self.scratch / "internal.key").write_text("0123456789abcdef" * 4)
        (self.scratch / "API_KEY").write_text("sk_test_hansa")
        (self.scratch / "WEBHOOK_SECRETS").write_text("whsec_aGFuc2Etc2FuZGJveC13ZWJob29rLXNlY3JldA==")
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind, error, trace):
        codes = self.stop()
        if error is None and any(codes.values()):
            raise RuntimeError(f"did not end well on SIGTERM: {codes}")

    def address(self, name, port):
        return f"127.0.0.1:{self.ports[name][port]}"

    def substitutes(self, name):
        """The one list of what differs from the manifest."""
        internal = {key: f"http://{self.address(peer, 'internal')}" for key, peer in [
            ("USER_SERVICE_URL", "users"), ("PRODUCT_SERVICE_URL", "products"), ("ORDER_SERVICE_URL", "orders"),
            ("PAYMENT_SERVICE_URL", "payments"), ("REVIEW_SERVICE_URL", "reviews")]}
        graphs = {f"{peer.upper()}_URL": f"http://{self.address(peer, 'http')}/graphql" for peer in SUBGRAPHS}
        return {
            "DATABASE_URL": f"sqlite:{self.scratch}/{name}.sqlite",
            "JWKS_URL": f"http://{self.address('users', 'http')}/.well-known/jwks.json",
            "INTERNAL_KEY_FILE": f"{self.scratch}/internal.key",
            "JWT_KEYS_DIR": f"{self.scratch}/jwt",
            "GATEWAY_URL": f"http://127.0.0.1:{self.gateway}",
            "GATEWAY_API_KEY_FILE": f"{self.scratch}/API_KEY",
            "GATEWAY_WEBHOOK_SECRETS_FILE": f"{self.scratch}/WEBHOOK_SECRETS",
            **internal,
            **graphs,
        }

    def environment(self, name, container):
        """What the Deployment gives, with substitutes for values only: no variable is added but listen addresses."""
        given = {}
        for source in container.get("envFrom", []):
            given |= self.config_maps[source["configMapRef"]["name"]]
        given |= {variable["name"]: variable.get("value", "") for variable in container.get("env", [])}
        substitutes = self.substitutes(name)
        given = {key: substitutes.get(key, value) for key, value in given.items()}
        given |= {key: value.replace("$(LOG_LEVEL)", given.get("LOG_LEVEL", "")) for key, value in given.items()}
        # Not in the manifest: a service that orders knows by its default name.
        if name == "orders":
            given["REVIEW_SERVICE_URL"] = substitutes["REVIEW_SERVICE_URL"]
        listen = {"LISTEN": "http", "INTERNAL_LISTEN": "internal", "WEBHOOK_LISTEN": "webhook", "ADMIN_LISTEN": "admin"}
        if name != "router":
            given |= {variable: self.address(name, port) for variable, port in listen.items()}
        return given

    def arguments(self, name, container):
        arguments = list(container["args"])
        if name == "router":
            config = next(c["router.yaml"] for n, c in self.config_maps.items() if n.startswith("router-config"))
            mounted = self.scratch / "supergraph"
            mounted.mkdir(exist_ok=True)
            (mounted / "supergraph.graphql").write_text(self.config_maps["supergraph"]["supergraph.graphql"])
            (self.scratch / "router.yaml").write_text(config.replace("/etc/supergraph", str(mounted)))
            arguments[arguments.index("/etc/router/router.yaml")] = str(self.scratch / "router.yaml")
            arguments += ["--listen", self.address(name, "http"), "--admin-listen", self.address(name, "admin")]
        return arguments

    def launch(self, name, command, environment):
        with open(self.scratch / f"{name}.log", "w") as log:
            self.running[name] = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=self.scratch)

    def start(self):
        gateway = [self.binaries / "sandbox-gateway", "serve", "--listen", f"127.0.0.1:{self.gateway}", "--seed"]
        self.launch("sandbox-gateway", gateway, {})
        for name, deployment in self.deployments.items():
            if name in self.ports:
                pod = deployment["spec"]["template"]["spec"]
                for container in pod.get("initContainers", []):
                    subprocess.run([self.binaries / name, *container["args"]], check=True, timeout=SECONDS_MAX,
                                   env=self.environment(name, container) | {"LOG_LEVEL": "warn"}, cwd=self.scratch)
                app = pod["containers"][0]
                self.launch(name, [self.binaries / name, *self.arguments(name, app)], self.environment(name, app))
        for name, deployment in self.deployments.items():
            if name in self.ports:
                self.await_probes(name, deployment["spec"]["template"]["spec"]["containers"][0])
        self.start_prometheus()

    def await_probes(self, name, container):
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            asked = container[probe]["httpGet"]
            url = f"http://{self.address(name, asked['port'])}{asked['path']}"
            await_until(f"{name} {url}", lambda: fetch(url)[0] == 200)

    def start_prometheus(self):
        jobs = [{"targets": [self.address(name, "admin")],
                 "labels": {"job": name, "namespace": "hansa", "service": name, "pod": f"{name}-0"}} for name in self.ports]
        config = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
            # As the ServiceMonitor says.
            "scrape_configs": [{"job_name": "hansa", "honor_labels": True, "static_configs": jobs}],
        }
        (self.scratch / "prometheus.yml").write_text(yaml.safe_dump(config))
        command = ["prometheus", f"--config.file={self.scratch}/prometheus.yml", f"--storage.tsdb.path={self.scratch}/tsdb",
                   f"--web.listen-address=127.0.0.1:{self.prometheus}"]
        self.launch("prometheus", command, dict(os.environ))
        await_until("Prometheus", lambda: fetch(f"http://127.0.0.1:{self.prometheus}/-/ready")[0] == 200)

    def graphql(self, query):
        return json.loads(fetch(f"http://{self.address('router', 'http')}/graphql", {"query": query})[1])

    def visit(self):
        """Requests of every kind that alerts and panels tell apart; then the services go away, and requests fail."""
        question = '{ products(query: "lamp", first: 1) { nodes { title rating { average } } } }'
        answer = [self.graphql(question) for _ in range(2)][1]
        assert "errors" not in answer and answer["data"]["products"]["nodes"], answer
        login = 'mutation { userLogin(input: { email: "ada@hansa.example", password: "demo-password-1" }) ' \
            "{ tokens { accessToken } } }"
        token = self.graphql(login)["data"]["userLogin"]["tokens"]["accessToken"]
        assert token, "the demo login"
        order = "{ me { orders(first: 1) { nodes { number payments { status } } } } }"
        url = f"http://{self.address('router', 'http')}/graphql"
        request = urllib.request.Request(url, json.dumps({"query": order}).encode(),
                                         {"content-type": "application/json", "authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=10) as response:
            answer = json.load(response)
        assert "errors" not in answer, answer
        await_until("a scrape after the requests", lambda: scraped(self.series()) >= set(SUBGRAPHS))
        for name in SUBGRAPHS:
            codes = self.end(name)
            assert codes == 0, f"{name} did not end well on SIGTERM: {codes}"
        for name, query in ROOTS.items():
            answer = self.graphql(query)
            assert answer["errors"][0]["extensions"]["service"] == name, answer

    def series(self):
        matches = urllib.parse.urlencode({"match[]": '{namespace="hansa"}'})
        status, text = fetch(f"http://127.0.0.1:{self.prometheus}/api/v1/series?{matches}")
        return json.loads(text)["data"] if status == 200 else []

    def await_none(self, faults_of):
        """The faults that stay; Prometheus needs a moment to scrape."""
        deadline = time.monotonic() + 15
        while (faults := faults_of(self.series())) and time.monotonic() < deadline:
            time.sleep(0.2)
        return faults

    def end(self, name):
        process = self.running.pop(name)
        process.terminate()
        try:
            return process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            return "not within the grace period"

    def stop(self):
        return {name: self.end(name) for name in list(self.running)}
