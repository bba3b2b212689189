"""Shows that every rule of policy.py can fail: breaks manifests, one rule at a time, and asserts that the rule is reported.

    python3 k8s/tests/policy_breaks.py production < rendered.yaml

Reads the YAML that keeps all rules. Rules about a component are broken in each component in turn, so that none of them
goes unchecked. A rule of policy.py without a row here is a failure.
"""

import copy
import pickle
import sys

import yaml

from policy import COMPONENTS, SUBGRAPHS, check_all

PROFILE = sys.argv[1]


class Copy:
    """Manifests that may be broken."""

    def __init__(self, pickled):
        self.objects = pickle.loads(pickled)

    def get(self, kind, name):
        return next(o for o in self.objects if o["kind"] == kind and o["metadata"]["name"] == name)

    def remove(self, kind, name):
        self.objects = [o for o in self.objects if (o["kind"], o["metadata"]["name"]) != (kind, name)]

    def spec(self, name):
        return self.get("Deployment", name)["spec"]

    def pod(self, name):
        return self.spec(name)["template"]["spec"]

    def app(self, name):
        return self.pod(name)["containers"][0]

    def config(self, name):
        return next(o["data"] for o in self.objects if o["kind"] == "ConfigMap" and "LOG_LEVEL" in o["data"]
                    and o["metadata"]["name"].rpartition("-")[0] == name)


def put(**values):
    """A step that sets keys of a mapping."""
    return lambda mapping: mapping.update(values)


def drop(key):
    return lambda mapping: mapping.pop(key)


def in_pod(step):
    return lambda c, name: step(c.pod(name))


def in_spec(step):
    return lambda c, name: step(c.spec(name))


def in_app(step):
    return lambda c, name: step(c.app(name))


def in_security(step):
    return lambda c, name: step(c.app(name)["securityContext"])


def in_object(kind, step):
    return lambda c, name: step(c.get(kind, name))


def in_scaler(step):
    return lambda c, name: step(c.get("HorizontalPodAutoscaler", name)["spec"])


def in_headless(step):
    return lambda c, name: step(c.get("Service", f"{name}-headless")["spec"])


# Rules that each component is held to: (rule, how to break it in one component).
COMPONENT_BREAKS = [
    ("no service account token is mounted", in_pod(put(automountServiceAccountToken=True))),
    ("no service links in the environment", in_pod(drop("enableServiceLinks"))),
    ("runs as non-root", in_pod(lambda pod: pod["securityContext"].pop("runAsNonRoot"))),
    ("user and group are set", in_pod(lambda pod: pod["securityContext"].update(runAsUser=0))),
    ("runs as user and group 65532", in_pod(lambda pod: pod["securityContext"].update(runAsGroup=1))),
    ("seccomp profile is RuntimeDefault", in_pod(lambda pod: pod["securityContext"].pop("seccompProfile"))),
    ("the selector matches the template", in_spec(lambda spec: spec["selector"]["matchLabels"].update(extra="label"))),
    ("selects by name alone", in_spec(lambda spec: spec["selector"]["matchLabels"].update(extra="label"))),
    ("pods say what they are part of",
     in_spec(lambda spec: spec["template"]["metadata"]["labels"].pop("app.kubernetes.io/part-of"))),
    ("every emptyDir has a size limit", in_pod(lambda pod: pod["volumes"].append({"name": "x", "emptyDir": {}}))),
    ("no privilege escalation", in_security(put(allowPrivilegeEscalation=True))),
    ("root file system is read-only", in_security(drop("readOnlyRootFilesystem"))),
    ("all capabilities are dropped", in_security(put(capabilities={"drop": ["NET_RAW"]}))),
    ("no capability is added", in_security(put(capabilities={"drop": ["ALL"], "add": ["NET_ADMIN"]}))),
    ("requests CPU and memory", in_app(lambda app: app["resources"]["requests"].pop("cpu"))),
    ("limits memory", in_app(lambda app: app["resources"].pop("limits"))),
    ("has no CPU limit", in_app(lambda app: app["resources"]["limits"].update(cpu="1"))),
    ("secrets in the environment come from Secrets", in_app(lambda app: app["env"].append({"name": "API_KEY", "value": "x"}))),
    ("a rollout never takes capacity away",
     in_spec(lambda spec: spec["strategy"]["rollingUpdate"].update(maxUnavailable=1))),
    ("minReadySeconds is 5", in_spec(drop("minReadySeconds"))),
    ("progressDeadlineSeconds is 300", in_spec(put(progressDeadlineSeconds=600))),
    ("revisionHistoryLimit is 5", in_spec(drop("revisionHistoryLimit"))),
    ("grace period is 45 s", in_pod(put(terminationGracePeriodSeconds=30))),
    ("has its own ServiceAccount", in_pod(put(serviceAccountName="default"))),
    ("is spread over zones", in_pod(drop("topologySpreadConstraints"))),
    ("is spread by revision", in_pod(lambda pod: pod["topologySpreadConstraints"][0].pop("matchLabelKeys"))),
    ("its container is named `app`", in_app(put(name="main"))),
    ("ports are those of the binary", in_app(lambda app: app["ports"].pop())),
    ("startupProbe asks /livez of the admin port", in_app(drop("startupProbe"))),
    ("may start for 60 s", in_app(lambda app: app["startupProbe"].update(failureThreshold=3))),
    ("livenessProbe asks /livez of the admin port",
     in_app(lambda app: app["livenessProbe"]["httpGet"].update(path="/readyz"))),
    ("readinessProbe asks /readyz of the admin port",
     in_app(lambda app: app["readinessProbe"]["httpGet"].update(path="/livez"))),
    ("waits 5 s for endpoints before it stops", in_app(drop("lifecycle"))),
    ("its threads are sized by its request, not by the node",
     in_app(lambda app: app.update(env=[v for v in app["env"] if v["name"] != "TOKIO_WORKER_THREADS"]))),
    ("has a writable /tmp",
     in_app(lambda app: app.update(volumeMounts=[v for v in app["volumeMounts"] if v["mountPath"] != "/tmp"]))),
    ("mounts directories: a subPath is never refreshed", in_app(lambda app: app["volumeMounts"][0].update(subPath="x"))),
    ("its Service has the ports of the binary, http as 80",
     in_object("Service", lambda service: service["spec"]["ports"][0].pop("name"))),
    ("its Service selects by name alone",
     in_object("Service", lambda service: service["spec"].update(selector={"app.kubernetes.io/part-of": "hansa"}))),
    ("its ServiceAccount mounts no token", in_object("ServiceAccount", drop("automountServiceAccountToken"))),
    ("drains are never blocked", in_object("PodDisruptionBudget", lambda o: o["spec"].update(minAvailable=3))),
    ("broken pods do not block drains",
     in_object("PodDisruptionBudget", lambda o: o["spec"].pop("unhealthyPodEvictionPolicy"))),
    ("its budget is about its pods",
     in_object("PodDisruptionBudget", lambda o: o["spec"]["selector"]["matchLabels"].update(extra="label"))),
    ("has one ConfigMap with LOG_LEVEL, named by its hash", lambda c, name: c.config(name).pop("LOG_LEVEL")),
    ("no secret in its ConfigMap", lambda c, name: c.config(name).update(DATABASE_URL="postgres://u:p@h/d")),
    ("has a Deployment", lambda c, name: c.remove("Deployment", name)),
    ("its images have tags that stay", in_app(put(image="registry.example/x:latest"))),
    ("the Secrets that it names are documented",
     in_pod(lambda pod: pod["volumes"].append({"name": "x", "secret": {"secretName": "unknown"}}))),
]
PRODUCTION_BREAKS = [
    ("the autoscaler owns the number of replicas", in_spec(put(replicas=3))),
    ("never two in a zone while another has none",
     in_pod(lambda pod: pod["topologySpreadConstraints"][0].update(whenUnsatisfiable="ScheduleAnyway"))),
    ("migrates by a Job, not in each pod", in_pod(lambda pod: pod.update(initContainers=copy.deepcopy(pod["containers"])))),
    ("is scaled", lambda c, name: c.remove("HorizontalPodAutoscaler", name)),
    ("has three pods at least", in_scaler(put(minReplicas=1))),
    ("is scaled by CPU at 70 %", in_scaler(lambda spec: spec["metrics"].pop(0))),
    ("is scaled by requests per second", in_scaler(lambda spec: spec["metrics"].pop(1))),
    ("is scaled up at once", in_scaler(lambda spec: spec["behavior"].pop("scaleUp"))),
    ("is scaled down by a pod a minute, after 300 s", in_scaler(lambda spec: spec["behavior"].pop("scaleDown"))),
    ("its admin port is scraped every 30 s",
     in_object("Service", lambda service: service["metadata"]["labels"].pop("app.kubernetes.io/part-of"))),
    ("has a dashboard", lambda c, name: c.remove("ConfigMap", f"dashboard-{name}")),
]
SUBGRAPH_BREAKS = [
    ("its pods are found by address, through a headless Service", in_headless(lambda spec: spec.pop("clusterIP"))),
    ("only pods that are ready are found", in_headless(put(publishNotReadyAddresses=True))),
    ("its headless Service selects by name alone",
     in_headless(lambda spec: spec.update(selector={"app.kubernetes.io/part-of": "hansa"}))),
    ("its headless Service translates no port, and is not scraped a second time",
     in_headless(lambda spec: spec["ports"].append({"name": "admin", "port": 9000, "targetPort": "admin"}))),
]
PRODUCTION_SUBGRAPH_BREAKS = [
    ("has a migration with an end", lambda c, name: c.get("Job", f"{name}-migrate")["spec"].pop("activeDeadlineSeconds")),
]


def network(name, step):
    return lambda c: step(c.get("NetworkPolicy", name)["spec"])


# Rules about one thing: (rule, how to break it).
SINGLE_BREAKS = [
    *(("the router asks pods, not virtual addresses",
       lambda c, name=name: c.config("router").update({f"{name.upper()}_URL": f"http://{name}/graphql"})) for name in SUBGRAPHS),
    *(("services ask pods, not virtual addresses", lambda c, name=name: c.config(name).pop("SERVICE_HOST_SUFFIX"))
      for name in ("orders", "payments", "users")),
    ("orders finds users and products", lambda c: c.config("orders").pop("USER_SERVICE_URL")),
    ("its ConfigMap has no hash, so that it reloads",
     lambda c: c.get("ConfigMap", "supergraph")["metadata"].update(name="supergraph-abc")),
    ("fits into a ConfigMap (1 MiB)", lambda c: c.get("ConfigMap", "supergraph")["data"].update(more="x" * 1_000_000)),
    ("are in one namespace", lambda c: c.get("Service", "router")["metadata"].update(namespace="default")),
    ("the namespace enforces `restricted`",
     lambda c: c.get("Namespace", "hansa")["metadata"]["labels"].pop("pod-security.kubernetes.io/warn")),
    ("no Service is open to the outside", lambda c: c.get("Service", "router")["spec"].update(type="LoadBalancer")),
]
PRODUCTION_SINGLE_BREAKS = [
    ("has alerts", lambda c: c.remove("PrometheusRule", "hansa")),
    ("whoever must reach a port may", lambda c: c.remove("NetworkPolicy", "payments-to-orders")),
    ("whoever must reach a port may", network("keys-from-users", lambda spec: spec["egress"][0]["ports"][0].update(port=80))),
    ("nobody else reaches a port", network("router", lambda spec: spec["ingress"][0].update(**{"from": [{"namespaceSelector": {}}]}))),
    ("nobody else reaches a port", network("orders", lambda spec: spec["ingress"][0].update(**{"from": [{"podSelector": {}}]}))),
    ("nobody else reaches a port", network("monitoring", lambda spec: spec["ingress"][0]["ports"].append({"port": "internal"}))),
    ("what is not listed is denied both ways", lambda c: c.remove("NetworkPolicy", "default-deny")),
    ("payments alone reaches the Internet over HTTPS", network("payment-gateway", lambda spec: spec.update(podSelector={}))),
    ("users alone reaches mail servers", network("mail-server", lambda spec: spec.update(podSelector={}))),
    ("names can be looked up", lambda c: c.remove("NetworkPolicy", "dns")),
    ("subgraphs alone reach databases", network("database", lambda spec: spec.update(podSelector={}))),
]
GATEWAY_BREAKS = [
    ("the edge reaches `http` and `webhook` alone",
     lambda c: c.get("HTTPRoute", "router")["spec"]["rules"][0]["backendRefs"][0].update(port=9000)),
    ("the router trusts the edge in front of it", lambda c: c.config("router").update(TRUSTED_PROXIES="")),
]
NATS_BREAKS = [
    ("services with events alone reach NATS", network("events-to-nats", lambda spec: spec.update(podSelector={}))),
    ("services with events alone reach NATS", network("events-to-nats", lambda spec: spec["egress"][0]["ports"][0].update(port=80))),
    *(("services with events use NATS, by TLS", lambda c, name=name: c.config(name).pop("NATS_URL"))
      for name in ("users", "orders", "payments", "reviews")),
    ("services with events log in to NATS by a file",
     lambda c: c.app("orders").update(env=[v for v in c.app("orders")["env"] if not v["name"].startswith("NATS")])),
]
ALB_BREAKS = [
    ("the edge reaches `http` and `webhook` alone",
     lambda c: c.get("Ingress", "router")["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["port"].update(name="admin")),
    ("the router trusts the edge in front of it", lambda c: c.config("router").update(TRUSTED_PROXIES="")),
    ("the router trusts the addresses that its policy admits",
     lambda c: c.config("router").update(TRUSTED_PROXIES="REPLACE_VSWITCH_CIDR_1")),
]
LOCAL_BREAKS = [
    ("the Secrets that it names are made",
     lambda c: c.pod("users")["volumes"].append({"name": "x", "secret": {"secretName": "internal-key"}})),
]
ACK_BREAKS = [
    ("the Secrets that it names are made", lambda c: c.remove("ExternalSecret", "internal-key")),
]


def cases(kinds, policies):
    """(rule, component or None, step)."""
    for rule, step in COMPONENT_BREAKS + (PRODUCTION_BREAKS if PROFILE == "production" else []):
        for name in COMPONENTS:
            yield rule, name, lambda c, step=step, name=name: step(c, name)
    single = list(SINGLE_BREAKS)
    for rule, step in SUBGRAPH_BREAKS + (PRODUCTION_SUBGRAPH_BREAKS if PROFILE == "production" else []):
        for name in SUBGRAPHS:
            yield rule, name, lambda c, step=step, name=name: step(c, name)
    if PROFILE == "production":
        single += PRODUCTION_SINGLE_BREAKS
    else:
        single += LOCAL_BREAKS
    single += GATEWAY_BREAKS if "HTTPRoute" in kinds else []
    single += NATS_BREAKS if "events-to-nats" in policies else []
    single += ALB_BREAKS if "Ingress" in kinds else []
    single += ACK_BREAKS if "ExternalSecret" in kinds else []
    for rule, step in single:
        yield rule, None, step


def main():
    objects = [o for o in yaml.safe_load_all(sys.stdin) if o]
    whole = check_all(objects, PROFILE)
    faults = [f"{name}: broken before anything was broken: {rule}" for name, rule in whole.breaches]
    broken, count = set(), 0
    # Several times as quick as a deep copy for each case.
    pickled = pickle.dumps(objects)
    policies = {o["metadata"]["name"] for o in objects if o["kind"] == "NetworkPolicy"}
    for rule, component, step in cases({o["kind"] for o in objects}, policies):
        manifests = Copy(pickled)
        step(manifests)
        count += 1
        breaches = check_all(manifests.objects, PROFILE).breaches
        if any(rule == r and component in (None, name) for name, r in breaches):
            broken.add(rule)
        else:
            faults.append(f"{component or 'all'}: not noticed: {rule}")
    faults += [f"no manifest here breaks: {rule}" for rule in sorted(whole.rules - broken)]
    print("\n".join(faults) or f"{len(broken)} rules are broken by {count} manifests, and noticed")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
