"""Asserts over rendered manifests what schemas cannot say: the bar of k8s/README.md, row by row.

    kubectl kustomize k8s/overlays/production | python3 k8s/tests/policy.py production

Reads YAML from stdin, prints one line per breach, exits with 1 when there is one. Profiles: `base` (an overlay completes
it), `local` (needs nothing from outside), `production` (also `ack` and canaries: autoscaling, network policies,
monitoring, migrations). policy_breaks.py shows that each rule can fail. Needs PyYAML.
"""

import re
import sys
from urllib.parse import urlsplit

import yaml

from network import WITH_EVENTS, check_network

SUBGRAPHS = ["users", "products", "orders", "payments", "reviews"]
COMPONENTS = [*SUBGRAPHS, "router"]
# The Deployment's ports, as the services listen by default (subgraphs/service/src/config.rs, router.yaml).
PORTS = {
    **{name: {"http": 5000, "internal": 5001, "admin": 9000} for name in SUBGRAPHS},
    "payments": {"http": 5000, "internal": 5001, "webhook": 5002, "admin": 9000},
    "router": {"http": 4000, "admin": 9000},
}
# Who asks whom, by the variable that names the address.
PEERS = {"orders": ["USER_SERVICE_URL", "PRODUCT_SERVICE_URL", "PAYMENT_SERVICE_URL"], "payments": ["ORDER_SERVICE_URL"],
         "users": ["ORDER_SERVICE_URL", "REVIEW_SERVICE_URL"]}
# The Secrets that k8s/README.md says a namespace must hold.
SECRETS = {*(f"{name}-database" for name in SUBGRAPHS), "payments-gateway", "internal-key", "jwt-keys",
           "users-smtp", "traces", "nats"}
LABEL = "app.kubernetes.io/"


class Manifests:
    """Rendered objects by kind and name, the rules that were looked at, and the breaches found."""

    def __init__(self, objects):
        self.objects = objects
        self.rules = set()
        self.breaches = []

    def of(self, kind):
        return {o["metadata"]["name"]: o for o in self.objects if o["kind"] == kind}

    def check(self, holds, name, rule):
        """`rule` is a constant text, so that policy_breaks.py can name it."""
        self.rules.add(rule)
        if not holds:
            self.breaches.append((name, rule))

    def workloads(self):
        return [w for kind in ("Deployment", "StatefulSet", "Job") for w in self.of(kind).values()]

    def ours(self):
        """The Deployments of the product, canaries among them."""
        kinds = ("subgraph", "router")
        return {n: d for n, d in self.of("Deployment").items() if labels_of(d).get(LABEL + "component") in kinds}


def labels_of(workload):
    return workload["spec"]["template"]["metadata"].get("labels", {})


def pod_of(workload):
    return workload["spec"]["template"]["spec"]


def containers_of(workload):
    pod = pod_of(workload)
    return [*pod.get("initContainers", []), *pod["containers"]]


def component_of(name):
    return name.removesuffix("-canary")


def check_pod(m, workload):
    """What every pod is held to, ours or not."""
    name, pod = workload["metadata"]["name"], pod_of(workload)
    security = pod.get("securityContext", {})
    m.check(pod.get("automountServiceAccountToken") is False, name, "no service account token is mounted")
    m.check(pod.get("enableServiceLinks") is False, name, "no service links in the environment")
    m.check(security.get("runAsNonRoot") is True, name, "runs as non-root")
    m.check(security.get("runAsUser", 0) > 0 and security.get("runAsGroup", 0) > 0, name, "user and group are set")
    m.check(security.get("seccompProfile") == {"type": "RuntimeDefault"}, name, "seccomp profile is RuntimeDefault")
    if workload["kind"] != "Job":
        selector = workload["spec"]["selector"]["matchLabels"]
        m.check(selector.items() <= labels_of(workload).items(), name, "the selector matches the template")
    for volume in pod.get("volumes", []):
        if "emptyDir" in volume:
            m.check("sizeLimit" in volume["emptyDir"], name, "every emptyDir has a size limit")
    for container in containers_of(workload):
        check_container(m, name, container)


def check_container(m, name, container):
    security = container.get("securityContext", {})
    m.check(security.get("allowPrivilegeEscalation") is False, name, "no privilege escalation")
    m.check(security.get("readOnlyRootFilesystem") is True, name, "root file system is read-only")
    m.check(security.get("capabilities", {}).get("drop") == ["ALL"], name, "all capabilities are dropped")
    m.check("add" not in security.get("capabilities", {}), name, "no capability is added")
    resources = container.get("resources", {})
    m.check({"cpu", "memory"} <= resources.get("requests", {}).keys(), name, "requests CPU and memory")
    m.check("memory" in resources.get("limits", {}), name, "limits memory")
    m.check("cpu" not in resources.get("limits", {}), name, "has no CPU limit")
    for variable in container.get("env", []):
        is_secret = any(word in variable["name"] for word in ("DATABASE_URL", "API_KEY", "PASSWORD", "SECRET"))
        m.check(not is_secret or "value" not in variable or variable["name"].endswith(("_FILE", "_WEBHOOK_URL")), name,
                "secrets in the environment come from Secrets")


def check_deployment(m, name, deployment):
    spec, pod, component = deployment["spec"], pod_of(deployment), component_of(name)
    rolling = spec.get("strategy", {}).get("rollingUpdate")
    m.check(rolling == {"maxSurge": 1, "maxUnavailable": 0}, name, "a rollout never takes capacity away")
    m.check(spec.get("minReadySeconds") == 5, name, "minReadySeconds is 5")
    m.check(spec.get("progressDeadlineSeconds") == 300, name, "progressDeadlineSeconds is 300")
    m.check(spec.get("revisionHistoryLimit") == 5, name, "revisionHistoryLimit is 5")
    m.check(pod.get("terminationGracePeriodSeconds") == 45, name, "grace period is 45 s")
    m.check(pod.get("serviceAccountName") == name, name, "has its own ServiceAccount")
    user = pod.get("securityContext", {})
    m.check(user.get("runAsUser") == user.get("runAsGroup") == 65532, name, "runs as user and group 65532")
    m.check(spec["selector"]["matchLabels"] == {LABEL + "name": name}, name, "selects by name alone")
    m.check(labels_of(deployment).get(LABEL + "part-of") == "hansa", name, "pods say what they are part of")
    spread = (pod.get("topologySpreadConstraints") or [{}])[0]
    m.check(spread.get("topologyKey") == "topology.kubernetes.io/zone", name, "is spread over zones")
    m.check(spread.get("matchLabelKeys") == [LABEL + "name", "pod-template-hash"], name, "is spread by revision")

    app = next((c for c in pod["containers"] if c["name"] == "app"), None)
    m.check(app is not None, name, "its container is named `app`")
    if app is not None:
        check_app(m, name, app, PORTS[component])


def check_app(m, name, app, ports):
    m.check({p["name"]: p["containerPort"] for p in app["ports"]} == ports, name, "ports are those of the binary")
    for probe, path in [("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")]:
        asked = app.get(probe, {}).get("httpGet")
        m.check(asked == {"path": path, "port": "admin"}, name, f"{probe} asks {path} of the admin port")
    startup = app.get("startupProbe", {})
    m.check((startup.get("periodSeconds"), startup.get("failureThreshold")) == (1, 60), name, "may start for 60 s")
    stop = app.get("lifecycle", {}).get("preStop")
    m.check(stop == {"sleep": {"seconds": 5}}, name, "waits 5 s for endpoints before it stops")
    environment = {v["name"]: v for v in app.get("env", [])}
    m.check("TOKIO_WORKER_THREADS" in environment, name, "its threads are sized by its request, not by the node")
    m.check(any(v["mountPath"] == "/tmp" for v in app["volumeMounts"]), name, "has a writable /tmp")
    m.check(all("subPath" not in v for v in app["volumeMounts"]), name, "mounts directories: a subPath is never refreshed")


def check_neighbours(m, name):
    """The objects around a Deployment."""
    component = component_of(name)
    service = m.of("Service").get(name, {"spec": {"ports": [], "selector": {}}})["spec"]
    ports = {p.get("name"): (p["port"], p.get("targetPort")) for p in service["ports"]}
    wanted = {port: (number, port) for port, number in PORTS[component].items()} | {"http": (80, "http")}
    m.check(ports == wanted, name, "its Service has the ports of the binary, http as 80")
    m.check(service["selector"] == {LABEL + "name": name}, name, "its Service selects by name alone")
    if component != "router":
        check_headless(m, name, component)
    account = m.of("ServiceAccount").get(name, {})
    m.check(account.get("automountServiceAccountToken") is False, name, "its ServiceAccount mounts no token")
    budget = m.of("PodDisruptionBudget").get(name, {}).get("spec", {})
    m.check(budget.get("maxUnavailable") == 1 and "minAvailable" not in budget, name, "drains are never blocked")
    m.check(budget.get("unhealthyPodEvictionPolicy") == "AlwaysAllow", name, "broken pods do not block drains")
    m.check(budget.get("selector", {}).get("matchLabels") == {LABEL + "name": name}, name, "its budget is about its pods")
    settings = [c for n, c in m.of("ConfigMap").items() if n.rpartition("-")[0] == name and n != f"{name}-canary"]
    settings = [c for c in settings if "LOG_LEVEL" in c["data"]]
    m.check(len(settings) == 1, name, "has one ConfigMap with LOG_LEVEL, named by its hash")
    for config in settings:
        check_balanced(m, name, config["data"])
        m.check(not {"DATABASE_URL", "API_KEY"} & config["data"].keys(), name, "no secret in its ConfigMap")
        if component == "orders":
            urls = {"USER_SERVICE_URL": "http://users", "PRODUCT_SERVICE_URL": "http://products"}
            m.check(urls.items() <= config["data"].items(), name, "orders finds users and products")


def headless_of(name):
    return f"{component_of(name)}-headless" + name.removeprefix(component_of(name))


def check_headless(m, name, component):
    """The Service that names all pods, for clients that balance."""
    service = m.of("Service").get(headless_of(name), {}).get("spec", {})
    m.check(service.get("clusterIP") == "None", name, "its pods are found by address, through a headless Service")
    m.check(not service.get("publishNotReadyAddresses"), name, "only pods that are ready are found")
    m.check(service.get("selector") == {LABEL + "name": name}, name, "its headless Service selects by name alone")
    ports = {p.get("name"): (p["port"], p.get("targetPort")) for p in service.get("ports", [])}
    wanted = {port: (number, port) for port, number in PORTS[component].items() if port != "admin"}
    m.check(ports == wanted, name, "its headless Service translates no port, and is not scraped a second time")


def check_balanced(m, name, config):
    """Whoever calls a service looks up its pods: a connection to a virtual address would stay with one."""
    headless = {n: s["spec"]["ports"] for n, s in m.of("Service").items() if s["spec"].get("clusterIP") == "None"}
    if component_of(name) == "router":
        for subgraph in SUBGRAPHS:
            url = urlsplit(config.get(f"{subgraph.upper()}_URL", ""))
            ports = [p["port"] for p in headless.get(url.hostname, []) if p["name"] == "http"]
            m.check(ports == [url.port], name, "the router asks pods, not virtual addresses")
    for variable in PEERS.get(component_of(name), []):
        host = urlsplit(config.get(variable, "")).hostname or ""
        m.check(host + config.get("SERVICE_HOST_SUFFIX", "") in headless, name, "services ask pods, not virtual addresses")


def check_scaled(m, name, deployment):
    """What production adds to a component; canaries are not scaled."""
    app = deployment["spec"]
    m.check("replicas" not in app, name, "the autoscaler owns the number of replicas")
    spread = (pod_of(deployment).get("topologySpreadConstraints") or [{}])[0]
    m.check(spread.get("whenUnsatisfiable") == "DoNotSchedule", name, "never two in a zone while another has none")
    m.check("initContainers" not in pod_of(deployment), name, "migrates by a Job, not in each pod")
    scaler = m.of("HorizontalPodAutoscaler").get(name, {}).get("spec", {})
    target = scaler.get("scaleTargetRef", {})
    m.check((target.get("kind"), target.get("name")) == ("Deployment", name), name, "is scaled")
    m.check(scaler.get("minReplicas", 0) >= 3, name, "has three pods at least")
    metrics = scaler.get("metrics", [])
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}
    m.check(any(metric.get("resource") == cpu for metric in metrics), name, "is scaled by CPU at 70 %")
    m.check(any(metric["type"] == "Pods" for metric in metrics), name, "is scaled by requests per second")
    behavior = scaler.get("behavior", {})
    m.check(behavior.get("scaleUp", {}).get("stabilizationWindowSeconds") == 0, name, "is scaled up at once")
    down = behavior.get("scaleDown", {})
    slowly = {"stabilizationWindowSeconds": 300, "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]}
    m.check(down == slowly, name, "is scaled down by a pod a minute, after 300 s")


def check_monitored(m, name):
    labels = m.of("Service").get(name, {}).get("metadata", {}).get("labels", {})
    endpoints = [
        endpoint
        for monitor in m.of("ServiceMonitor").values()
        if monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()
        for endpoint in monitor["spec"]["endpoints"]
    ]
    wanted = {"port": "admin", "path": "/metrics", "interval": "30s"}
    m.check(any(wanted.items() <= e.items() for e in endpoints), name, "its admin port is scraped every 30 s")


def check_events(m):
    """Where events go by NATS, all services that have events go there, and none by itself."""
    for name in sorted(WITH_EVENTS):
        settings = [c["data"] for n, c in m.of("ConfigMap").items() if n.rpartition("-")[0] == name]
        config = next((data for data in settings if "LOG_LEVEL" in data), {})
        m.check(config.get("NATS_URL", "").startswith("tls://"), name, "services with events use NATS, by TLS")
        deployment = m.of("Deployment").get(name)
        containers = pod_of(deployment)["containers"] if deployment else []
        files = [v.get("value", "") for c in containers for v in c.get("env", []) if v["name"] == "NATS_CREDENTIALS_FILE"]
        mounts = {v["mountPath"] for c in containers for v in c.get("volumeMounts", [])}
        is_file = len(files) == 1 and files[0].rpartition("/")[0] in mounts
        m.check(is_file, name, "services with events log in to NATS by a file")


def check_production(m):
    for name, deployment in m.ours().items():
        check_monitored(m, name)
        if name in COMPONENTS:
            check_scaled(m, name, deployment)
            m.check(f"dashboard-{name}" in m.of("ConfigMap"), name, "has a dashboard")
    for name in SUBGRAPHS:
        job = m.of("Job").get(f"{name}-migrate", {}).get("spec", {})
        bounds = (job.get("backoffLimit"), "activeDeadlineSeconds" in job, "ttlSecondsAfterFinished" in job)
        m.check(bounds == (3, True, True), name, "has a migration with an end")
    m.check(m.of("PrometheusRule"), "monitoring", "has alerts")
    check_network(m)
    if "events-to-nats" in m.of("NetworkPolicy"):
        check_events(m)


def check_images_and_secrets(m, profile):
    made = m.of("Secret").keys() | m.of("ExternalSecret").keys()
    for workload in m.workloads():
        name = workload["metadata"]["name"]
        for container in containers_of(workload):
            tag = container["image"].rpartition("/")[2].partition(":")[2]
            m.check(tag not in ("", "latest"), name, "its images have tags that stay")
        secrets = [v["secret"] for v in pod_of(workload).get("volumes", []) if "secret" in v]
        volumes = [secret["secretName"] for secret in secrets]
        optional = {secret["secretName"] for secret in secrets if secret.get("optional")}
        variables = [v["valueFrom"]["secretKeyRef"]["name"] for c in containers_of(workload) for v in c.get("env", [])
                     if "secretKeyRef" in v.get("valueFrom", {})]
        unhashed = {secret.rpartition("-")[0] for secret in made} | made
        for secret in [*volumes, *variables]:
            if secret not in optional and (profile == "local" or m.of("ExternalSecret")):
                m.check(secret in made, name, "the Secrets that it names are made")
            m.check(secret in SECRETS | unhashed, name, "the Secrets that it names are documented")


def check_place(m):
    placed = [o for o in m.objects if o["kind"] not in ("Namespace", "IngressClass")]
    m.check({o["metadata"].get("namespace") for o in placed} == {"hansa"}, "all objects", "are in one namespace")
    for name, namespace in m.of("Namespace").items():
        labels = namespace["metadata"].get("labels", {})
        modes = [labels.get(f"pod-security.kubernetes.io/{mode}") for mode in ("enforce", "warn", "audit")]
        m.check(modes == ["restricted"] * 3, name, "the namespace enforces `restricted`")


def trusted_proxies_of(m, router):
    """`headers.trusted_proxies` as the router reads it: the environment is put in, and an entry may hold several."""
    pod, config_maps = pod_of(router), {name: o["data"] for name, o in m.of("ConfigMap").items()}
    environment = {}
    for source in pod["containers"][0].get("envFrom", []):
        environment |= config_maps.get(source["configMapRef"]["name"], {})
    name = next(v["configMap"]["name"] for v in pod["volumes"] if v["name"] == "config")
    text = re.sub(r"\$\{env\.(\w+)\}", lambda found: environment.get(found[1], ""), config_maps[name]["router.yaml"])
    entries = yaml.safe_load(text).get("headers", {}).get("trusted_proxies", [])
    return {network.strip() for entry in entries for network in entry.split(",") if network.strip()}


def check_trusted_proxies(m):
    """Behind an edge the router must know it, or users counts everybody's wrong passwords as one client's."""
    admitted = {peer["ipBlock"]["cidr"] for rule in m.of("NetworkPolicy").get("router", {}).get("spec", {}).get("ingress", [])
                for peer in rule.get("from", []) if "ipBlock" in peer}
    for name, deployment in m.ours().items():
        if component_of(name) == "router":
            trusted = trusted_proxies_of(m, deployment)
            m.check(trusted, name, "the router trusts the edge in front of it")
            # Where the edge is a namespace, nothing says its addresses.
            if admitted:
                m.check(admitted <= trusted, name, "the router trusts the addresses that its policy admits")


def check_edge(m):
    """Whatever leads in from outside reaches no port that is ours alone."""
    routed = [(o["metadata"]["name"], str(backend.get("port"))) for o in m.of("HTTPRoute").values()
              for rule in o["spec"]["rules"] for backend in rule.get("backendRefs", [])]
    routed += [(o["metadata"]["name"], path["backend"]["service"]["port"].get("name")) for o in m.of("Ingress").values()
               for rule in o["spec"]["rules"] for path in rule["http"]["paths"]]
    for name, port in routed:
        m.check(port in ("80", "5002", "http", "webhook"), name, "the edge reaches `http` and `webhook` alone")
    if routed:
        check_trusted_proxies(m)
    for name, service in m.of("Service").items():
        m.check(service["spec"].get("type", "ClusterIP") == "ClusterIP", name, "no Service is open to the outside")


def check_all(objects, profile):
    m = Manifests([o for o in objects if o])
    for workload in m.workloads():
        check_pod(m, workload)
    ours = m.ours()
    for name in COMPONENTS:
        m.check(name in ours, name, "has a Deployment")
    for name, deployment in ours.items():
        check_deployment(m, name, deployment)
        check_neighbours(m, name)
    supergraph = m.of("ConfigMap").get("supergraph", {}).get("data", {})
    m.check("supergraph.graphql" in supergraph, "supergraph", "its ConfigMap has no hash, so that it reloads")
    m.check(sum(map(len, supergraph.values())) < 1_000_000, "supergraph", "fits into a ConfigMap (1 MiB)")
    if profile != "base":
        check_images_and_secrets(m, profile)
        check_place(m)
        check_edge(m)
    if profile == "production":
        check_production(m)
    return m


def main():
    m = check_all(yaml.safe_load_all(sys.stdin), sys.argv[1])
    for name, rule in m.breaches:
        print(f"{name}: broken: {rule}")
    if not m.breaches:
        print(f"{len(m.objects)} objects keep {len(m.rules)} rules")
    sys.exit(1 if m.breaches else 0)


if __name__ == "__main__":
    main()
