"""Checks compose.yaml: what it refers to exists, all that serves has a health check, nothing is open beyond loopback.

    python3 k8s/tests/compose.py compose.yaml [target/debug]

With a folder of binaries, also that they know every setting. Needs PyYAML. Does not run Docker.
"""

import sys
from pathlib import Path

import yaml

from environment import names_known_to

# Servers of others: their images decide who they run as.
SERVERS = {"nats", "postgres"}
# Used by router.yaml, not by the binary itself.
ROUTER_FILE = {"PLAYGROUND", "TRUSTED_PROXIES", "USERS_URL", "PRODUCTS_URL", "ORDERS_URL", "PAYMENTS_URL", "REVIEWS_URL",
               "OTEL_EXPORTER_OTLP_ENDPOINT"}


def check_service(name, service, compose, folder):
    services, configs = compose["services"], compose["configs"]
    for other in service.get("depends_on", {}):
        if other not in services:
            yield f"depends on {other}, which is not there"
    for config in service.get("configs", []):
        if config not in configs:
            yield f"has the config {config}, which is not there"
    for volume in service.get("volumes", []):
        source = volume.split(":")[0]
        if source.startswith(".") and not (folder / source).exists():
            yield f"mounts {source}, which is not there"
    for port in service.get("ports", []):
        if not port.startswith("127.0.0.1:"):
            yield f"opens {port} beyond loopback"
    is_once = service.get("command") == ["seed"]
    if not is_once and "healthcheck" not in service:
        yield "has no health check"
    if name not in SERVERS:
        if service.get("read_only") is not True or service.get("cap_drop") != ["ALL"] or service.get("user") != "65532:65532":
            yield "has more rights than in a cluster"
    if "build" not in service and "image" not in service:
        yield "has no image"


def main():
    path = Path(sys.argv[1]).resolve()
    compose = yaml.safe_load(path.read_text())
    faults = [f"{name}: {fault}" for name, service in compose["services"].items()
              for fault in check_service(name, service, compose, path.parent)]
    for name, service in compose["services"].items():
        if len(sys.argv) > 2 and name not in SERVERS:
            binary = Path(sys.argv[2]).resolve() / name.removesuffix("-seed")
            unknown = service["environment"].keys() - names_known_to(binary, service["command"][0]) - ROUTER_FILE
            faults += [f"{name}: the binary does not know {setting}" for setting in sorted(unknown)]
    print("\n".join(faults) or f"compose.yaml: {len(compose['services'])} services, each with what it needs")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
