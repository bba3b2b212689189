"""A cluster of one machine for tests: starts rendered Deployments as pods, by namespaces of the kernel, without Kubernetes.

Each pod has an address, a process id 1, a file system that is read-only but for its volumes, the user, arguments and exactly
the environment of its Deployment. Names are in a hosts file: a headless Service has the addresses of all its pods, others one
address where connections are forwarded. ConfigMaps are mounted as the kubelet mounts them, and changed by moving its
symbolic link. What cannot be as in a cluster is `SUBSTITUTES`. Does not limit memory, nor apply network policies.

Needs root, `ip` (iproute2) and `unshare`: `reason_to_skip` says what is missing. `enter` moves this process into namespaces of
its own, so that nothing is left behind.
"""

import base64
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

# The one list of what differs from the manifests: database servers, by SQLite in a writable folder beside the volumes.
SUBSTITUTES = {"DATABASE_URL": "sqlite:/data/database.sqlite"}
# What an image of distroless sets.
IMAGE_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                     "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt"}
BINARY = "/usr/local/bin/service"
BRIDGE, NETWORK = "hansa0", "10.77"
# Its own: a bridge without one has the lowest of its cables', which changes when that pod ends. The others would go on sending
# to the old one, and reach no virtual address for a minute.
BRIDGE_MAC = "02:00:0a:4d:00:01"


def run(*command, **options):
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True, **options).stdout


def reason_to_skip():
    if os.geteuid() != 0:
        return "only root may make network namespaces"
    for program in ("ip", "unshare", "nsenter", "setpriv"):
        if shutil.which(program) is None:
            return f"there is no program `{program}`"
    trial = "ip link add trial type veth peer name trial1 && mount -t tmpfs tmpfs /mnt"
    done = subprocess.run(["unshare", "--mount", "--net", "--pid", "--fork", "sh", "-c", trial], capture_output=True, text=True)
    return f"namespaces are not allowed here: {done.stderr.strip()}" if done.returncode else None


def enter():
    """Goes on in a network and mount namespace of this process's own; once."""
    if os.environ.get("HANSA_PODS") != "entered":
        os.environ["HANSA_PODS"] = "entered"
        os.execvp("unshare", ["unshare", "--mount", "--net", "--propagation", "private", sys.executable, *sys.argv])
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", BRIDGE, "address", BRIDGE_MAC, "type", "bridge")
    run("ip", "link", "set", BRIDGE, "up")
    run("ip", "address", "add", f"{NETWORK}.0.1/16", "dev", BRIDGE)


class Pod:
    def __init__(self, cluster, deployment, index):
        self.cluster, self.deployment = cluster, deployment
        self.component = deployment["metadata"]["name"]
        self.name = f"{self.component}-{index}"
        self.spec = deployment["spec"]["template"]["spec"]
        self.app = self.spec["containers"][0]
        self.address = cluster.next_address()
        self.folder = cluster.scratch / self.name
        self.folder.mkdir()
        self.volumes = {volume["name"]: self.make_volume(volume) for volume in self.spec.get("volumes", [])}
        self.process = self.pid = None

    # Volumes.

    def make_volume(self, volume):
        """The folder on this machine that is mounted as `volume`, or None where it is optional and not there."""
        folder = self.folder / "volumes" / volume["name"]
        folder.mkdir(parents=True)
        group = self.spec["securityContext"].get("fsGroup", 0)
        if "emptyDir" in volume:
            folder.chmod(0o777)
            return folder
        source = volume.get("configMap") or volume["secret"]
        name = source.get("name") or source["secretName"]
        data = self.cluster.data(name, optional=source.get("optional", False))
        if data is not None:
            self.write_as_kubelet(folder, data, source.get("defaultMode", 0o644), group)
        return folder

    def write_as_kubelet(self, folder, data, mode, group):
        """A folder per version, a symbolic link `..data` to it, and a link per key through that."""
        version = folder / f"..{time.time_ns()}"
        version.mkdir()
        for key, content in data.items():
            path = version / key
            path.write_bytes(content)
            path.chmod(mode)
            os.chown(path, 0, group)
        (folder / "..data_tmp").symlink_to(version.name)
        old = (folder / "..data").resolve()
        (folder / "..data_tmp").rename(folder / "..data")
        for key in data:
            if not (folder / key).is_symlink():
                (folder / key).symlink_to(f"..data/{key}")
        if old.parent == folder.resolve() and old.name != "..data":
            shutil.rmtree(old)

    def update_config_map(self, name, data):
        for volume in self.spec["volumes"]:
            if volume.get("configMap", {}).get("name") == name:
                self.write_as_kubelet(self.volumes[volume["name"]], data, 0o644, 0)

    # Settings.

    def environment(self, container):
        given = {}
        for source in container.get("envFrom", []):
            config = self.cluster.data(source["configMapRef"]["name"])
            given |= {key: value.decode() for key, value in config.items()}
        for variable in container.get("env", []):
            reference = variable.get("valueFrom", {}).get("secretKeyRef")
            value = self.cluster.data(reference["name"])[reference["key"]].decode() if reference else variable["value"]
            given[variable["name"]] = re.sub(r"\$\((\w+)\)", lambda found: given.get(found[1], found[0]), value)
        given = {name: SUBSTITUTES.get(name, value) for name, value in given.items()}
        return IMAGE_ENVIRONMENT | given

    def files(self):
        """Commands that fill the pod's root, the current folder: with the files of an image, or with a binary of this machine
        and what it is linked to."""
        image = self.cluster.binaries / self.component
        if image.is_dir():
            return [f"cp -a {image}/. ."]
        return [
            "mkdir -p usr/lib usr/lib64 usr/local/bin",
            "mount --bind -o ro /usr/lib usr/lib", "if [ -d /usr/lib64 ]; then mount --bind -o ro /usr/lib64 usr/lib64; fi",
            "ln -s usr/lib lib", "ln -s usr/lib64 lib64",
            # Certificates of authorities, which distroless has as well, may be links out of their folder.
            "mkdir -p etc/ssl/certs usr/share/ca-certificates", "mount --bind -o ro /etc/ssl/certs etc/ssl/certs",
            "if [ -d /usr/share/ca-certificates ]; then mount --bind -o ro /usr/share/ca-certificates usr/share/ca-certificates; fi",
            f"touch {BINARY[1:]}", f"mount --bind -o ro {image} {BINARY[1:]}",
        ]

    def script(self, container):
        """Builds the pod's root and becomes the container's process."""
        root = f"{self.folder}/root"
        lines = [
            "set -eu", "ip link set lo up", f"mkdir -p {root}", f"mount -t tmpfs -o mode=0755 tmpfs {root}", f"cd {root}",
            *self.files(), "mkdir -p etc dev proc data", "touch etc/hosts",
            f"mount --bind -o ro {self.cluster.hosts} etc/hosts", "echo 'hosts: files' > etc/nsswitch.conf", "echo 'multi on' > etc/host.conf",
            "for device in null zero urandom random; do touch dev/$device; mount --bind /dev/$device dev/$device; done",
            "mount -t proc proc proc", f"mount --bind {self.cluster.database_folder(self.component)} data",
        ]
        for mount in container.get("volumeMounts", []):
            path = mount["mountPath"].strip("/")
            read_only = "-o ro" if mount.get("readOnly") else ""
            lines += [f"mkdir -p {path}", f"mount --bind {read_only} {self.volumes[mount['name']]} {path}"]
        # Waits for its address, which is given from outside. `env -i`: nothing but the manifest's environment goes on.
        lines += ["mount -o remount,ro .", "until ip -4 address show eth0 2>/dev/null | grep -q inet; do sleep 0.02; done",
                  'exec env -i "$@"']
        return "\n".join(lines)

    # Processes.

    def launch(self, container):
        """Starts a container as process 1 of namespaces of its own."""
        user = self.spec["securityContext"]
        environment = [f"{name}={value}" for name, value in self.environment(container).items()]
        become = ["setpriv", "--no-new-privs", "chroot", f"--userspec={user['runAsUser']}:{user['runAsGroup']}",
                  f"--groups={user.get('fsGroup', user['runAsGroup'])}", "."]
        command = ["unshare", "--net", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "--propagation", "private",
                   "bash", "-c", self.script(container), "pod", *environment, *become, BINARY, *container["args"]]
        log = self.folder / container["name"]
        process = subprocess.Popen(command, stdout=open(f"{log}.out", "wb"), stderr=open(f"{log}.err", "wb"),
                                   stdin=subprocess.DEVNULL)
        pid = self.child_of(process)
        self.connect(pid)
        return process, pid

    @staticmethod
    def child_of(process):
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if process.poll() is not None:
                break
            if found := children.read_text().split():
                return int(found[0])
            time.sleep(0.01)
        raise RuntimeError(f"`{' '.join(process.args[-3:])}` did not start")

    def connect(self, pid):
        """A cable between the pod and the bridge."""
        outside = f"p{self.address.replace('.', '')[4:]}"
        subprocess.run(["ip", "link", "delete", outside], capture_output=True)
        run("ip", "link", "add", outside, "type", "veth", "peer", "name", "eth0", "netns", pid)
        run("ip", "link", "set", outside, "master", BRIDGE, "up")
        run("nsenter", "--target", pid, "--net", "ip", "address", "add", f"{self.address}/16", "dev", "eth0")
        run("nsenter", "--target", pid, "--net", "ip", "link", "set", "eth0", "up")

    def start(self):
        for container in self.spec.get("initContainers", []):
            process, _ = self.launch(container)
            if process.wait(timeout=120) != 0:
                raise RuntimeError(f"{self.name}: init container `{container['name']}`:\n{self.log(container['name'])}")
        self.process, self.pid = self.launch(self.app)

    def log(self, container="app", stream=None):
        streams = [stream] if stream else ["out", "err"]
        return "".join((self.folder / f"{container}.{each}").read_text() for each in streams)

    def port(self, name):
        return next(port["containerPort"] for port in self.app["ports"] if port["name"] == name)

    def url(self, port, path="/"):
        number = port if isinstance(port, int) else self.port(port)
        return f"http://{self.address}:{number}{path}"

    def status(self):
        """What the kernel says of the process: `Uid`, `CapEff`, `NoNewPrivs`, `NSpid` and so on."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return {name: value.split() for name, value in (line.split(":", 1) for line in lines)}

    def usage(self):
        """(most memory that it has held, in MiB; processor time that it has taken, in seconds)"""
        times = Path(f"/proc/{self.pid}/stat").read_text().rsplit(") ", 1)[1].split()
        return int(self.status()["VmHWM"][0]) / 1024, (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")

    def run_inside(self, *arguments):
        """Runs the container's binary once more, in the running pod and as its user."""
        user = self.spec["securityContext"]
        inside = ["nsenter", "--target", str(self.pid), "--all", f"--root=/proc/{self.pid}/root", f"--setuid={user['runAsUser']}",
                  f"--setgid={user['runAsGroup']}", BINARY, *arguments]
        return subprocess.run(inside, env=self.environment(self.app), capture_output=True, text=True, timeout=30)

    def terminate(self):
        """SIGTERM, as the kubelet sends it. (exit code, seconds it took)."""
        begin = time.monotonic()
        os.kill(self.pid, 15)
        code = self.process.wait(timeout=self.spec.get("terminationGracePeriodSeconds", 30))
        return code, time.monotonic() - begin

    def kill(self):
        """SIGKILL to process 1 of the pod: `unshare` does not pass it on to one that has changed its user."""
        if self.process and self.process.poll() is None:
            os.kill(self.pid, 9)
            self.process.wait()


class Cluster:
    """Rendered objects, and the pods made of them.

    `binaries` holds, by the name of each component, its binary or the folder with the files of its image.
    """

    def __init__(self, objects, binaries, scratch):
        self.objects = [o for o in objects if o]
        self.binaries, self.scratch = binaries.resolve(), scratch.resolve()
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir(parents=True)
        self.hosts = self.scratch / "hosts"
        self.addresses = iter(f"{NETWORK}.{high}.{low}" for high in (1, 2, 3) for low in range(1, 250))
        self.pods, self.endpoints, self.virtual = [], {}, {}
        for service in self.of("Service"):
            name = service["metadata"]["name"]
            self.endpoints[name] = []
            if service["spec"].get("clusterIP") != "None":
                self.virtual[name] = self.serve_virtual(service)
        self.write_hosts()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for pod in self.pods:
            pod.kill()

    def of(self, kind):
        return [o for o in self.objects if o["kind"] == kind]

    def next_address(self):
        return next(self.addresses)

    def data(self, name, optional=False):
        """The keys of a ConfigMap or Secret, as bytes."""
        for each in self.objects:
            if each["metadata"]["name"] == name and each["kind"] == "ConfigMap":
                return {key: value.encode() for key, value in each["data"].items()}
            if each["metadata"]["name"] == name and each["kind"] == "Secret":
                return {key: base64.b64decode(value) for key, value in each["data"].items()}
        if optional:
            return None
        raise KeyError(f"there is no ConfigMap or Secret `{name}`")

    def database_folder(self, component):
        folder = self.scratch / "databases" / component
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o777)
        return folder

    def start(self, component, replicas):
        """Starts pods of a Deployment; they are found once they are ready (`publish`)."""
        deployment = next(d for d in self.of("Deployment") if d["metadata"]["name"] == component)
        started = []
        for _ in range(replicas):
            pod = Pod(self, deployment, sum(p.component == component for p in self.pods))
            self.pods.append(pod)
            pod.start()
            started.append(pod)
        return started

    # Names.

    def services_of(self, pod):
        labels = pod.deployment["spec"]["template"]["metadata"]["labels"]
        return [s["metadata"]["name"] for s in self.of("Service") if s["spec"]["selector"].items() <= labels.items()]

    def publish(self, pod):
        for name in self.services_of(pod):
            self.endpoints[name].append(pod)
        self.write_hosts()

    def withdraw(self, pod):
        for name in self.services_of(pod):
            self.endpoints[name].remove(pod)
        self.write_hosts()

    def write_hosts(self):
        lines = ["127.0.0.1 localhost"]
        lines += [f"{address} {name}" for name, address in self.virtual.items()]
        lines += [f"{pod.address} {name}" for name, pods in self.endpoints.items() if name not in self.virtual for pod in pods]
        # In place: the pods have this very file mounted.
        with open(self.hosts, "w") as file:
            file.write("\n".join(lines) + "\n")

    def serve_virtual(self, service):
        """An address of its own, at which each connection goes to some pod."""
        address = self.next_address()
        run("ip", "address", "add", f"{address}/16", "dev", BRIDGE)
        for port in service["spec"]["ports"]:
            listener = socket.create_server((address, port["port"]), backlog=256)
            target = (service["metadata"]["name"], port["targetPort"])
            threading.Thread(target=self.forward, args=(listener, *target), daemon=True).start()
        return address

    def forward(self, listener, name, port):
        while True:
            near, _ = listener.accept()
            pods = list(self.endpoints[name])
            if not pods:
                near.close()
                continue
            pod = random.choice(pods)
            try:
                far = socket.create_connection((pod.address, pod.port(port)), timeout=5)
                far.settimeout(None)
            except OSError:
                near.close()
                continue
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=copy, args=(source, sink), daemon=True).start()


def copy(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        for each in (source, sink):
            each.close()
