"""Holds the binaries to what their manifests say, in pods without Kubernetes (pods.py).

    python3 k8s/tests/contract.py target/debug SCRATCH                 all of it
    python3 k8s/tests/contract.py target/images/roots SCRATCH router   one pod of these components, each for itself

The first folder holds binaries, or folders with the files of their images (`images`).

Every Deployment of overlays/local runs with its arguments, user, read-only file system and exactly its environment; the
subgraphs and the router three times. Probes, ports and health checks answer, logs are JSON on standard output; each replica
takes a third of the load within 15 %, also after one is added or gone; under load, a ConfigMap is swapped and taken up within
10 s, and a pod of each component ends on SIGTERM in its grace time without a query or a mutation lost; every order is paid
once. Needs root (it says so otherwise; fails instead with CONTRACT=required), PyYAML and kubectl. Takes about two minutes.
"""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import yaml

import pods
from clients import Load
from processes import OVERLAY, SUBGRAPHS, fetch

COMPONENTS = [*SUBGRAPHS, "router"]
REPLICAS = 3
RELOAD_SECONDS_MAX = 10
# Clients that ask without pause, and clients that buy without pause.
ASKING, BUYING = 8, 2
# Longest that the router waits for a subgraph.
QUERY_SECONDS_MAX = 6
# Requests of one measurement: enough that chance alone stays well below 15 %.
REQUESTS = 2_400


def await_ready(pod):
    """As the kubelet asks: start-up, liveness, then readiness, at the manifest's ports and paths."""
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = pod.app.get(probe, {}).get("httpGet")
        deadline = time.monotonic() + 60
        while asked and fetch(pod.url(asked["port"], asked["path"]))[0] != 200:
            assert time.monotonic() < deadline and pod.process.poll() is None, f"{pod.name}: {probe}:\n{pod.log()[-2000:]}"
            time.sleep(0.1)


def check_confined(pod):
    status = pod.status()
    assert status["Uid"] == ["65532"] * 4 and status["Gid"] == ["65532"] * 4, f"{pod.name}: {status['Uid']}"
    assert status["NSpid"][-1] == "1", f"{pod.name} is not process 1 of its pod"
    assert int(status["CapEff"][0], 16) == 0 and status["NoNewPrivs"] == ["1"], f"{pod.name} has capabilities"
    mounts = [line.split() for line in Path(f"/proc/{pod.pid}/mountinfo").read_text().splitlines()]
    root = [mount for mount in mounts if mount[4] == "/"][-1]
    assert "ro" in root[5].split(","), f"{pod.name}: its root is writable"
    writable = {mount[4] for mount in mounts if "rw" in mount[5].split(",") and not mount[4].startswith(("/dev/", "/proc"))}
    granted = {mount["mountPath"] for mount in pod.app.get("volumeMounts", []) if not mount.get("readOnly")} | {"/data"}
    assert writable == granted, f"{pod.name} may write to {writable}"


def check_ports(pod):
    for port in pod.app["ports"]:
        status, _ = fetch(pod.url(port["containerPort"], "/no-such-path"))
        assert status != 0, f"{pod.name}: nobody listens on {port['name']}, {port['containerPort']}"
    if pod.component in COMPONENTS:
        _, metrics = fetch(pod.url("admin", "/metrics"))
        assert "build_info{" in metrics, f"{pod.name} has no metrics at the port that is scraped"


def check_healthcheck(pod):
    done = pod.run_inside("healthcheck")
    assert done.returncode == 0, f"{pod.name} healthcheck: {done.stderr}"


def check_log(pod):
    assert pod.log(stream="err") == "", f"{pod.name} writes to standard error: {pod.log(stream='err')[:500]}"
    for line in pod.log(stream="out").splitlines():
        assert {"timestamp", "level", "message"} <= json.loads(line).keys(), f"{pod.name} logs {line}"


def requests_by_peer(routers, subgraph):
    counted = {}
    for router in routers:
        _, metrics = fetch(router.url("admin", "/metrics"))
        pattern = rf'http_client_requests_total\{{([^}}]*host="{subgraph}-headless:5000"[^}}]*)\}} (\d+)'
        for labels, count in re.findall(pattern, metrics):
            if 'outcome="ok"' in labels:
                peer = re.search(r'peer="([\d.]+):', labels)[1]
                counted[peer] = counted.get(peer, 0) + int(count)
    return counted


def check_shares(load, cluster, routers, subgraphs):
    """Each replica gets its share of the next requests, within 15 %."""
    before = {subgraph: requests_by_peer(routers, subgraph) for subgraph in subgraphs}
    load.run(REQUESTS)
    for subgraph in subgraphs:
        after = requests_by_peer(routers, subgraph)
        addresses = [pod.address for pod in cluster.endpoints[f"{subgraph}-headless"] if pod in cluster.pods]
        counts = {address: after.get(address, 0) - before[subgraph].get(address, 0) for address in addresses}
        share = sum(counts.values()) / len(counts)
        assert all(abs(count / share - 1) <= 0.15 for count in counts.values()), f"{subgraph}: {counts}"
        print(f"  {subgraph:9} {' '.join(f'{count / sum(counts.values()):6.1%}' for count in counts.values())}")


def served_hash(router):
    return json.loads(fetch(router.url("admin", "/readyz"))[1])["supergraph"]["hash"]


def swap_supergraph(cluster, routers):
    """Seconds from the swap of the mounted folder until every router serves what it holds."""
    data = cluster.data("supergraph")
    before = {served_hash(router) for router in routers}
    changed = {key: content + b"\n# Another content, the same graph.\n" for key, content in data.items()}
    for router in routers:
        router.update_config_map("supergraph", changed)
    begin = time.monotonic()
    while any(served_hash(router) in before for router in routers):
        assert time.monotonic() - begin < RELOAD_SECONDS_MAX, f"not within {RELOAD_SECONDS_MAX} s"
        time.sleep(0.1)
    return time.monotonic() - begin


def end(cluster, pod):
    """As Kubernetes ends a pod: its endpoints go while `preStop` sleeps, then SIGTERM."""
    pre_stop = pod.app["lifecycle"]["preStop"]["sleep"]["seconds"]
    cluster.withdraw(pod)
    time.sleep(pre_stop)
    code, seconds = pod.terminate()
    assert code == 0, f"{pod.name} ended with {code}:\n{pod.log()[-2000:]}"
    assert pre_stop + seconds < pod.spec["terminationGracePeriodSeconds"], f"{pod.name} took {seconds:.1f} s"
    return seconds


def requests_answered(pod):
    _, metrics = fetch(pod.url("admin", "/metrics"))
    counted = re.findall(r"^(?:http_requests_total|http_server_request_duration_seconds_count)\{.*\} (\d+)$", metrics, re.MULTILINE)
    return sum(map(int, counted))


def print_usage(pods_by_component):
    """What the manual's sizes rest on, when the binaries are those of a release."""
    for name, running in pods_by_component.items():
        memory, processor = zip(*(pod.usage() for pod in running))
        requests = sum(map(requests_answered, running))
        print(f"  {name:9} {max(memory):5.0f} MiB at most, {1000 * sum(processor) / requests:6.2f} ms of processor time per request")


def start_all(cluster):
    for component in ["sandbox-gateway", *COMPONENTS]:
        for pod in cluster.start(component, 1 if component == "sandbox-gateway" else REPLICAS):
            await_ready(pod)
            cluster.publish(pod)
    return {name: [pod for pod in cluster.pods if pod.component == name] for name in COMPONENTS}


def check(cluster):
    running = start_all(cluster)
    for pod in cluster.pods:
        check_confined(pod)
        check_ports(pod)
        check_healthcheck(pod)
    print(f"{len(cluster.pods)} pods run as their manifests say")
    routers = running["router"]
    with Load(cluster.virtual["router"]) as load:
        load.start(load.ask, ASKING)
        load.run(100)
        print("each of three replicas takes a third:")
        check_shares(load, cluster, routers, SUBGRAPHS)
        [added] = cluster.start("products", 1)
        await_ready(added)
        cluster.publish(added)
        time.sleep(3)
        print("after one is added:")
        check_shares(load, cluster, routers, ["products"])
        # Only now: buying waits, and a replica that waits is given less to do.
        load.start(load.buy, BUYING)
        print(f"a swapped supergraph is served after {swap_supergraph(cluster, routers):.1f} s")
        for name in COMPONENTS:
            seconds = end(cluster, running[name][0])
            print(f"a pod of {name} ended {seconds:.1f} s after SIGTERM")
        print(f"{load.answered} requests and {len(load.orders)} orders, {len(load.faults)} of them lost")
        assert not load.faults, "\n".join(load.faults[:5])
        gone = running["products"][1]
        print("after one is gone with its node, and still found under the name:")
        gone.kill()
        cluster.pods.remove(gone)
        time.sleep(QUERY_SECONDS_MAX)
        # What was under way on it.
        assert len(load.faults) <= ASKING + BUYING, load.faults
        load.faults.clear()
        check_shares(load, cluster, routers[1:], ["products"])
    assert not load.faults, "\n".join(load.faults[:5])
    load.check_books()
    for pod in cluster.pods:
        check_log(pod)
    alive = [pod for pod in cluster.pods if pod.component in COMPONENTS and pod.process.poll() is None]
    print("what each pod used:")
    print_usage({name: [pod for pod in alive if pod.component == name] for name in COMPONENTS})
    for pod in alive:
        code, _ = pod.terminate()
        assert code == 0, f"{pod.name} ended with {code}"


def check_alone(cluster, components):
    for component in components:
        [pod] = cluster.start(component, 1)
        await_ready(pod)
        check_confined(pod)
        check_ports(pod)
        check_healthcheck(pod)
        check_log(pod)
        code, seconds = pod.terminate()
        assert code == 0, f"{pod.name} ended with {code}"
        print(f"{component}: runs as its manifest says, ended {seconds:.1f} s after SIGTERM")


def main():
    if reason := pods.reason_to_skip():
        print(f"contract: skipped: {reason}")
        sys.exit(1 if os.environ.get("CONTRACT") == "required" else 0)
    pods.enter()
    rendered = subprocess.run(["kubectl", "kustomize", OVERLAY], check=True, capture_output=True, text=True).stdout
    with pods.Cluster(yaml.safe_load_all(rendered), Path(sys.argv[1]), Path(sys.argv[2])) as cluster:
        if components := sys.argv[3:]:
            check_alone(cluster, components)
        else:
            check(cluster)


if __name__ == "__main__":
    main()
