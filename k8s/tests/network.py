"""Works out from NetworkPolicies who reaches whom, and asserts that it is what should be: no less and no more.

Evaluates what the manifests use (pod and namespace selectors, `In` expressions, ip blocks, named and numbered ports), as
the Kubernetes documentation of NetworkPolicy defines it. Does not know how a network plugin behaves.
"""

LABEL = "app.kubernetes.io/"
SUBGRAPHS = ["users", "products", "orders", "payments", "reviews"]
# Who may reach whom, by the port's name. `edge` and `monitoring` are namespaces outside.
WANTED = {
    *(("router", name, "http") for name in SUBGRAPHS),
    *((name, "users", "http") for name in SUBGRAPHS if name != "users"),
    *(("orders", name, "internal") for name in SUBGRAPHS if name != "orders"),
    ("payments", "orders", "internal"),
    ("users", "orders", "internal"),
    ("users", "reviews", "internal"),
    ("edge", "router", "http"),
    ("edge", "products", "http"),
    ("edge", "payments", "webhook"),
    *(("monitoring", name, "admin") for name in [*SUBGRAPHS, "router"]),
}
# Services that write or read events, which go by NATS where the component is listed.
WITH_EVENTS = {"users", "orders", "payments", "reviews"}
OUTSIDERS = {"edge": {"hansa/edge": "true"}, "monitoring": {"hansa/monitoring": "true"}, "elsewhere": {}}


def selects(selector, labels):
    wanted = selector.get("matchLabels", {})
    expressions = selector.get("matchExpressions", [])
    return wanted.items() <= labels.items() and all(labels.get(e["key"]) in e["values"] for e in expressions)


def meets(peer, who):
    """`who`: ("pod", labels) of the same namespace, ("namespace", labels, is_edge) or ("internet",)."""
    if "ipBlock" in peer:
        everywhere = peer["ipBlock"]["cidr"] == "0.0.0.0/0"
        # Where the load balancer is outside the cluster, the edge is a network.
        return everywhere if who[0] == "internet" else who[0] == "namespace" and who[2]
    if "namespaceSelector" in peer:
        return who[0] == "namespace" and selects(peer["namespaceSelector"], who[1])
    return who[0] == "pod" and selects(peer["podSelector"], who[1])


def allows(policies, direction, labels, who, ports):
    """Whether pods with `labels` may talk with `who` on one of `ports` (a name and a number)."""
    key = {"Ingress": "from", "Egress": "to"}[direction]
    applicable = [p["spec"] for p in policies if direction in p["spec"]["policyTypes"]
                  and selects(p["spec"]["podSelector"], labels)]
    if not applicable:
        return True
    return any(
        any(meets(peer, who) for peer in rule.get(key, []))
        and any(port.get("port") in ports and port.get("protocol", "TCP") == "TCP" for port in rule.get("ports", []))
        for policy in applicable
        for rule in policy.get(direction.lower(), [])
    )


def reached(m, deployments, policies):
    """All (from, to, port's name) that policies of both ends allow."""
    pods = {name: d["spec"]["template"]["metadata"]["labels"] for name, d in deployments.items()}
    found = set()
    for target, deployment in deployments.items():
        app = deployment["spec"]["template"]["spec"]["containers"][0]
        for port in app["ports"]:
            ports = (port["name"], port["containerPort"])
            for source, labels in pods.items():
                if source != target and allows(policies, "Egress", labels, ("pod", pods[target]), ports) \
                        and allows(policies, "Ingress", pods[target], ("pod", labels), ports):
                    found.add((source, target, port["name"]))
            for outsider, labels in OUTSIDERS.items():
                if allows(policies, "Ingress", pods[target], ("namespace", labels, outsider == "edge"), ports):
                    found.add((outsider, target, port["name"]))
            # A pod of the namespace that is none of ours.
            if allows(policies, "Ingress", pods[target], ("pod", {}), ports):
                found.add(("stranger", target, port["name"]))
    return found


def check_network(m):
    policies = list(m.of("NetworkPolicy").values())
    deployments = {name: d for name, d in m.ours().items() if not name.endswith("-canary")}
    found = reached(m, deployments, policies)
    missing, extra = sorted(WANTED - found), sorted(found - WANTED)
    m.check(not missing, f"network {missing}", "whoever must reach a port may")
    m.check(not extra, f"network {extra}", "nobody else reaches a port")
    stranger = {}
    denied = not allows(policies, "Ingress", stranger, ("pod", stranger), ("http", 80)) \
        and not allows(policies, "Egress", stranger, ("pod", stranger), ("http", 80))
    m.check(denied, "network", "what is not listed is denied both ways")
    for name, deployment in deployments.items():
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        to_internet = allows(policies, "Egress", labels, ("internet",), ("https", 443))
        m.check(to_internet == (name == "payments"), name, "payments alone reaches the Internet over HTTPS")
        to_mail = [allows(policies, "Egress", labels, ("internet",), ("submission", port)) for port in (465, 587)]
        m.check(to_mail == [name == "users"] * 2, name, "users alone reaches mail servers")
        dns = any(port.get("port") == 53 for p in policies if selects(p["spec"]["podSelector"], labels)
                  for rule in p["spec"].get("egress", []) for port in rule.get("ports", []))
        m.check(dns, name, "names can be looked up")
        if "events-to-nats" in m.of("NetworkPolicy"):
            nats = ("namespace", {"hansa/nats": "true"}, False)
            to_nats = allows(policies, "Egress", labels, nats, ("nats", 4222))
            m.check(to_nats == (name in WITH_EVENTS), name, "services with events alone reach NATS")
        to_database = any(port.get("port") == 5432 for p in policies if selects(p["spec"]["podSelector"], labels)
                          for rule in p["spec"].get("egress", []) for port in rule.get("ports", []))
        m.check(to_database == (name != "router"), name, "subgraphs alone reach databases")
