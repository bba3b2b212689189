"""Asserts that the settings in rendered manifests are settings that the binaries have.

    kubectl kustomize k8s/overlays/local | python3 k8s/tests/environment.py target/debug

Reads YAML from stdin, asks each `<folder>/<service> serve --help` for its `[env: NAME=...]`, prints one line for each name
in a ConfigMap or an `env` that the binary does not know. Needs PyYAML.
"""

import re
import subprocess
import sys
from pathlib import Path

import yaml

# Read by libraries, not by clap: tokio's runtime, tracing's filter.
RUNTIME = {"TOKIO_WORKER_THREADS", "RUST_LOG"}


def names_known_to(binary, command):
    text = subprocess.run([binary, command, "--help"], check=True, capture_output=True, text=True, timeout=20).stdout
    return set(re.findall(r"\[env: (\w+)", text)) | RUNTIME


def names_given_to(container, config_maps):
    names = {variable["name"] for variable in container.get("env", [])}
    for source in container.get("envFrom", []):
        names |= config_maps[source["configMapRef"]["name"]]["data"].keys()
    return names


def names_used_by_others(container, config_maps):
    """`$(NAME)` in the value of another variable, and `${env.NAME}` in a router.yaml, are uses of NAME."""
    values = [variable.get("value", "") for variable in container.get("env", [])]
    texts = [text for config in config_maps.values() for text in config["data"].values()]
    in_values = {name for value in values for name in re.findall(r"\$\((\w+)\)", value)}
    return in_values | {name for text in texts for name in re.findall(r"\$\{env\.(\w+)\}", text)}


def main():
    folder = Path(sys.argv[1])
    objects = [o for o in yaml.safe_load_all(sys.stdin) if o]
    config_maps = {o["metadata"]["name"]: o for o in objects if o["kind"] == "ConfigMap"}
    faults = []
    for deployment in (o for o in objects if o["kind"] == "Deployment"):
        name = deployment["metadata"]["name"]
        pod = deployment["spec"]["template"]["spec"]
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            known = names_known_to(folder / name, container["args"][0])
            known |= names_used_by_others(container, config_maps)
            for unknown in sorted(names_given_to(container, config_maps) - known):
                faults.append(f"{name}/{container['name']}: the binary does not know {unknown}")
    print("\n".join(faults) or "every setting is known to its binary")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
