"""What runs on the node: command lines and configuration of every component of a real one-node Kubernetes.

One address for everything, a bridge for the pods, nftables for Services, CoreDNS as a process beside the kubelet.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from controlplane.certificates import CertificateAuthority, KeyPair, write_signing_key
from controlplane.components import ETCD, etcd
from controlplane.kubeconfig import write_kubeconfig

ADDRESS: Final = "172.31.0.1"
SERVICES: Final = "10.96.0.0/16"
API_SERVICE: Final = "10.96.0.1"
PODS: Final = "10.244.0.0/24"
ISSUER: Final = "https://kubernetes.default.svc"
SOCKET: Final = "/run/containerd/containerd.sock"
PAUSE: Final = "localhost/pause:1"
# Debian's package containernetworking-plugins.
CNI_BINARIES: Final = "/usr/lib/cni"
# A node that is alone must not throw its only images away, nor evict for a full disk of the host's.
_EVICTION: Final = {
    "memory.available": "50Mi",
    "nodefs.available": "1%",
    "imagefs.available": "1%",
    "nodefs.inodesFree": "1%",
    "imagefs.inodesFree": "1%",
}

CONTAINERD: Final = f"""
version = 4
root = "/run/ctd"
state = "/run/containerd"
[plugins."io.containerd.internal.v1.opt"]
  path = "/run/containerd/opt"
[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "{PAUSE}"
[plugins."io.containerd.cri.v1.runtime"]
  # A sandbox may lack the capability to lower it.
  restrict_oom_score_adj = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["{CNI_BINARIES}"]
    conf_dir = "/run/cni/conf"
    use_internal_loopback = true
"""

CNI: Final = {
    "cniVersion": "1.0.0",
    "name": "node",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": True,
            "hairpinMode": True,
            "ipam": {
                "type": "host-local",
                "dataDir": "/run/cni/ipam",
                "ranges": [[{"subnet": PODS}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }
    ],
}


def config(work: Path, name: str, binaries: Path, images: Sequence[Path], path: str) -> dict[str, Any]:
    """Make keys and kubeconfigs below *work*; return what `init.py` wants to know."""
    authority = CertificateAuthority(work / "pki", "node-ca")
    serving = authority.server(
        "kube-apiserver", (ADDRESS, API_SERVICE, "127.0.0.1", "kubernetes.default.svc", "kubernetes")
    )
    kubelet = authority.server("kubelet", (name, ADDRESS))
    accounts = write_signing_key(work / "pki", "service-accounts")
    users = {
        "admin": ("admin", ("system:masters",)),
        "kube-controller-manager": ("system:kube-controller-manager", ()),
        "kube-scheduler": ("system:kube-scheduler", ()),
        "kube-proxy": ("system:kube-proxy", ()),
        "coredns": ("system:coredns", ()),
        "node": (f"system:node:{name}", ("system:nodes",)),
    }
    clients = {file: authority.client(user, groups, file=file) for file, (user, groups) in users.items()}
    kubeconfigs = {
        file: write_kubeconfig(
            work / f"{file}.kubeconfig",
            server=f"https://{ADDRESS}:6443",
            certificate_authority=authority.certificate,
            client=pair,
        )
        for file, pair in clients.items()
    }
    corefile = (
        f".:53 {{\n bind {ADDRESS}\n errors\n kubernetes cluster.local in-addr.arpa {{\n"
        f"  kubeconfig {kubeconfigs['coredns']}\n }}\n cache 5\n}}\n"
    )
    files = {
        f"{work}/containerd.toml": CONTAINERD,
        f"{work}/kubelet.json": json.dumps(_kubelet(authority.certificate, kubelet)),
        f"{work}/kube-proxy.json": json.dumps(_proxy(kubeconfigs["kube-proxy"])),
        f"{work}/kube-scheduler.json": json.dumps(_scheduler(kubeconfigs["kube-scheduler"])),
        f"{work}/Corefile": corefile,
        "/run/cni/conf/10-node.conflist": json.dumps(CNI),
        "/run/resolv.conf": f"nameserver {ADDRESS}\n",
    }
    manager = kubeconfigs["kube-controller-manager"]
    commands = {
        "containerd": ["containerd", f"--config={work}/containerd.toml"],
        "etcd": ["etcd", *etcd(work)],
        "kube-apiserver": [
            "kube-apiserver",
            f"--etcd-servers={ETCD}",
            "--secure-port=6443",
            f"--advertise-address={ADDRESS}",
            f"--tls-cert-file={serving.certificate}",
            f"--tls-private-key-file={serving.key}",
            f"--client-ca-file={authority.certificate}",
            f"--kubelet-certificate-authority={authority.certificate}",
            f"--kubelet-client-certificate={clients['admin'].certificate}",
            f"--kubelet-client-key={clients['admin'].key}",
            "--kubelet-preferred-address-types=InternalIP",
            f"--service-account-issuer={ISSUER}",
            f"--service-account-key-file={accounts.certificate}",
            f"--service-account-signing-key-file={accounts.key}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            f"--service-cluster-ip-range={SERVICES}",
        ],
        "kube-controller-manager": [
            "kube-controller-manager",
            f"--kubeconfig={manager}",
            f"--authentication-kubeconfig={manager}",
            f"--authorization-kubeconfig={manager}",
            f"--service-account-private-key-file={accounts.key}",
            f"--root-ca-file={authority.certificate}",
            "--use-service-account-credentials=true",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
        ],
        "kube-scheduler": [
            "kube-scheduler",
            f"--config={work}/kube-scheduler.json",
            "--bind-address=127.0.0.1",
        ],
        "kubelet": [
            "kubelet",
            f"--config={work}/kubelet.json",
            f"--kubeconfig={kubeconfigs['node']}",
            f"--hostname-override={name}",
            f"--node-ip={ADDRESS}",
        ],
        "kube-proxy": ["kube-proxy", f"--config={work}/kube-proxy.json", f"--hostname-override={name}"],
        "coredns": ["coredns", "-conf", f"{work}/Corefile"],
    }
    watched = "services,namespaces,pods,endpointslices.discovery.k8s.io"
    grants = [
        [
            *("create", "clusterrolebinding", "kube-proxy"),
            *("--clusterrole=system:node-proxier", "--user=system:kube-proxy"),
        ],
        ["create", "clusterrole", "coredns", "--verb=list,watch", f"--resource={watched}"],
        ["create", "clusterrolebinding", "coredns", "--clusterrole=coredns", "--user=system:coredns"],
    ]
    return {
        "work": str(work),
        "name": name,
        "address": ADDRESS,
        "binaries": str(binaries),
        "path": path,
        "images": [str(image) for image in images],
        "kubeconfig": str(kubeconfigs["admin"]),
        "files": files,
        "commands": commands,
        "grants": grants,
    }


def _kubelet(authority: Path, serving: KeyPair) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": f"unix://{SOCKET}",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(authority)},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(serving.certificate),
        "tlsPrivateKeyFile": str(serving.key),
        "failCgroupV1": False,
        "cgroupDriver": "cgroupfs",
        "failSwapOn": False,
        "protectKernelDefaults": True,
        "oomScoreAdj": 0,
        "makeIPTablesUtilChains": False,
        "resolvConf": "/run/resolv.conf",
        "clusterDNS": [ADDRESS],
        "clusterDomain": "cluster.local",
        "evictionHard": _EVICTION,
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "configMapAndSecretChangeDetectionStrategy": "Watch",
        # A minute is the default, and what an overlap has to be longer than; five seconds make tests short.
        "syncFrequency": "5s",
    }


def _proxy(kubeconfig: Path) -> dict[str, Any]:
    untouched = {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"}
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "clusterCIDR": PODS,
        "oomScoreAdj": 0,
        # These settings are the host's.
        "conntrack": untouched,
    }


def _scheduler(kubeconfig: Path) -> dict[str, Any]:
    return {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "leaderElection": {"leaderElect": False},
        "clientConnection": {"kubeconfig": str(kubeconfig)},
    }
