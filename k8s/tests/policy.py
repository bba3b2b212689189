"""Asserts over rendered manifests what schemas cannot say: the bar of k8s/README.md, row by row.

    kubectl kustomize k8s/overlays/local | python3 k8s/tests/policy.py --complete

Reads YAML from stdin, prints one line per breach, exits with 1 when there is one. `--complete`: the manifests must need
nothing from outside (Secrets, image tags); bases are completed by overlays and are checked without it. Needs PyYAML.
"""

import sys

import yaml

SUBGRAPHS = ["users", "products", "orders", "payments", "reviews"]
COMPONENTS = [*SUBGRAPHS, "router"]
# The Deployment's ports, as the services listen by default (subgraphs/service/src/config.rs, router.yaml).
PORTS = {
    **{name: {"http": 5000, "internal": 5001, "admin": 9000} for name in SUBGRAPHS},
    "payments": {"http": 5000, "internal": 5001, "webhook": 5002, "admin": 9000},
    "router": {"http": 4000, "admin": 9000},
}


class Manifests:
    """Rendered objects by kind and name, and the breaches found in them."""

    def __init__(self, objects):
        self.objects = objects
        self.breaches = []

    def of(self, kind):
        return {o["metadata"]["name"]: o for o in self.objects if o["kind"] == kind}

    def check(self, holds, name, rule):
        if not holds:
            self.breaches.append(f"{name}: {rule}")


def pod_of(workload):
    return workload["spec"]["template"]["spec"]


def containers_of(workload):
    pod = pod_of(workload)
    return [*pod.get("initContainers", []), *pod["containers"]]


def check_pod(m, workload):
    """What every pod is held to, ours or not."""
    name, pod = workload["metadata"]["name"], pod_of(workload)
    security = pod.get("securityContext", {})
    m.check(pod.get("automountServiceAccountToken") is False, name, "no service account token is mounted")
    m.check(pod.get("enableServiceLinks") is False, name, "no service links in the environment")
    m.check(security.get("runAsNonRoot") is True, name, "runs as non-root")
    m.check(security.get("runAsUser", 0) > 0 and security.get("runAsGroup", 0) > 0, name, "user and group are set")
    m.check(security.get("seccompProfile") == {"type": "RuntimeDefault"}, name, "seccomp profile is RuntimeDefault")
    selector = workload["spec"]["selector"]["matchLabels"]
    labels = workload["spec"]["template"]["metadata"]["labels"]
    m.check(selector.items() <= labels.items(), name, "the selector matches the template")
    for volume in pod.get("volumes", []):
        if "emptyDir" in volume:
            m.check("sizeLimit" in volume["emptyDir"], name, f"volume {volume['name']} has a size limit")
    for container in containers_of(workload):
        check_container(m, f"{name}/{container['name']}", container)


def check_container(m, name, container):
    security = container.get("securityContext", {})
    m.check(security.get("allowPrivilegeEscalation") is False, name, "no privilege escalation")
    m.check(security.get("readOnlyRootFilesystem") is True, name, "root file system is read-only")
    m.check(security.get("capabilities", {}).get("drop") == ["ALL"], name, "all capabilities are dropped")
    resources = container.get("resources", {})
    m.check({"cpu", "memory"} <= resources.get("requests", {}).keys(), name, "requests CPU and memory")
    m.check("memory" in resources.get("limits", {}), name, "limits memory")
    m.check("cpu" not in resources.get("limits", {}), name, "has no CPU limit")
    for variable in container.get("env", []):
        is_secret = any(word in variable["name"] for word in ("DATABASE_URL", "API_KEY", "PASSWORD", "SECRET"))
        m.check(not (is_secret and "value" in variable and not variable["name"].endswith("_FILE")), name,
                f"{variable['name']} comes from a Secret")


def check_deployment(m, name):
    deployment = m.of("Deployment").get(name)
    m.check(deployment is not None, name, "has a Deployment")
    if deployment is None:
        return
    spec, pod = deployment["spec"], pod_of(deployment)
    rolling = spec.get("strategy", {}).get("rollingUpdate")
    m.check(rolling == {"maxSurge": 1, "maxUnavailable": 0}, name, "a rollout never takes capacity away")
    m.check(spec.get("minReadySeconds") == 5, name, "minReadySeconds is 5")
    m.check(spec.get("progressDeadlineSeconds") == 300, name, "progressDeadlineSeconds is 300")
    m.check(spec.get("revisionHistoryLimit") == 5, name, "revisionHistoryLimit is 5")
    m.check(pod.get("terminationGracePeriodSeconds") == 45, name, "grace period is 45 s")
    m.check(pod.get("serviceAccountName") == name, name, "has its own ServiceAccount")
    spread = pod.get("topologySpreadConstraints", [{}])[0]
    m.check(spread.get("topologyKey") == "topology.kubernetes.io/zone", name, "is spread over zones")
    m.check(spread.get("matchLabelKeys") == ["app.kubernetes.io/name", "pod-template-hash"], name, "spread by revision")

    app = next((c for c in pod["containers"] if c["name"] == "app"), None)
    m.check(app is not None, name, "its container is named `app`")
    if app is None:
        return
    m.check({p["name"]: p["containerPort"] for p in app["ports"]} == PORTS[name], name, f"ports are {PORTS[name]}")
    for probe, path in [("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")]:
        m.check(app.get(probe, {}).get("httpGet") == {"path": path, "port": "admin"}, name, f"{probe} asks {path}")
    stop = app.get("lifecycle", {}).get("preStop")
    m.check(stop == {"sleep": {"seconds": 5}}, name, "waits 5 s for endpoints before it stops")
    m.check(any(v["mountPath"] == "/tmp" for v in app["volumeMounts"]), name, "has a writable /tmp")
    for volume in app["volumeMounts"]:
        m.check("subPath" not in volume, name, "mounts directories: a subPath is never refreshed")


def check_neighbours(m, name):
    """The objects around a Deployment."""
    service = m.of("Service").get(name)
    m.check(service is not None, name, "has a Service")
    if service is not None:
        ports = {p["name"]: (p["port"], p["targetPort"]) for p in service["spec"]["ports"]}
        wanted = {port: (number, port) for port, number in PORTS[name].items()} | {"http": (80, "http")}
        m.check(ports == wanted, name, f"Service ports are {wanted}")
        m.check(service["spec"]["selector"] == {"app.kubernetes.io/name": name}, name, "Service selects by name alone")
    account = m.of("ServiceAccount").get(name, {})
    m.check(account.get("automountServiceAccountToken") is False, name, "its ServiceAccount mounts no token")
    budget = m.of("PodDisruptionBudget").get(name, {}).get("spec", {})
    m.check(budget.get("maxUnavailable") == 1 and "minAvailable" not in budget, name, "drains are never blocked")
    m.check(budget.get("unhealthyPodEvictionPolicy") == "AlwaysAllow", name, "broken pods do not block drains")
    settings = [c for n, c in m.of("ConfigMap").items() if n.rpartition("-")[0] == name]
    m.check(len(settings) == 1, name, "has one ConfigMap, named by its hash")
    for config in settings:
        m.check("LOG_LEVEL" in config["data"], name, "LOG_LEVEL is in its ConfigMap")
        m.check(not {"DATABASE_URL", "API_KEY"} & config["data"].keys(), name, "no secret in its ConfigMap")
    if name == "orders":
        urls = {"USER_SERVICE_URL": "http://users", "PRODUCT_SERVICE_URL": "http://products"}
        m.check(all(urls.items() <= c["data"].items() for c in settings), name, f"knows {urls}")


def check_monitor(m, name):
    endpoints = m.of("ServiceMonitor").get(name, {}).get("spec", {}).get("endpoints", [{}])
    wanted = {"port": "admin", "path": "/metrics", "interval": "30s"}
    m.check(wanted.items() <= endpoints[0].items(), name, f"is scraped with {wanted}")


def check_complete(m):
    """Nothing is needed from outside, and no image can change under us."""
    secrets = m.of("Secret")
    for kind in ("Deployment", "StatefulSet"):
        for name, workload in m.of(kind).items():
            for container in containers_of(workload):
                tag = container["image"].partition(":")[2]
                m.check(tag not in ("", "latest"), f"{name}/{container['name']}", "its image has a tag that stays")
                for variable in container.get("env", []):
                    secret = variable.get("valueFrom", {}).get("secretKeyRef", {}).get("name")
                    m.check(secret is None or secret in secrets, name, f"Secret {secret} exists")
            for volume in pod_of(workload).get("volumes", []):
                secret = volume.get("secret", {}).get("secretName")
                m.check(secret is None or secret in secrets, name, f"Secret {secret} exists")
    namespaces = {o["metadata"].get("namespace") for o in m.objects if o["kind"] != "Namespace"}
    m.check(len(namespaces) == 1 and None not in namespaces, "all objects", f"are in one namespace, not {namespaces}")
    for name, namespace in m.of("Namespace").items():
        labels = namespace["metadata"].get("labels", {})
        for mode in ("enforce", "warn", "audit"):
            m.check(labels.get(f"pod-security.kubernetes.io/{mode}") == "restricted", name, f"{mode}s `restricted`")


def main():
    is_complete = "--complete" in sys.argv[1:]
    m = Manifests([o for o in yaml.safe_load_all(sys.stdin) if o])
    for kind in ("Deployment", "StatefulSet"):
        for workload in m.of(kind).values():
            check_pod(m, workload)
    for name in COMPONENTS:
        check_deployment(m, name)
        check_neighbours(m, name)
        if not is_complete:
            check_monitor(m, name)
    supergraph = m.of("ConfigMap").get("supergraph", {}).get("data", {})
    m.check("supergraph.graphql" in supergraph, "supergraph", "its ConfigMap has no hash, so that it reloads")
    m.check(sum(map(len, supergraph.values())) < 1_000_000, "supergraph", "fits into a ConfigMap (1 MiB)")
    if is_complete:
        check_complete(m)
    print("\n".join(m.breaches) or f"{len(m.objects)} objects keep every rule")
    sys.exit(1 if m.breaches else 0)


if __name__ == "__main__":
    main()
