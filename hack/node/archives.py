"""The images that kubeadm starts on a node, as archives under the names that kubeadm gives them."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from node import oci

# Debian's packages with what kube-proxy calls, and with the libraries of that.
TABLES: Final = (
    *(
        "libc6",
        "libgcc-s1",
        "libmnl0",
        "libnfnetlink0",
        "libnetfilter-conntrack3",
        "libnftnl11",
        "libxtables12",
    ),
    *("libip4tc2", "libip6tc2", "libnftables1", "libedit2", "libbsd0", "libmd0", "libjansson4", "libgmp10"),
    *("libtinfo6", "netbase", "iptables", "nftables", "conntrack"),
)
# In a Debian these are links to /etc/alternatives, which belong to no package.
LINKS: Final = tuple(
    f"{family}tables{suffix}" for family in ("ip", "ip6") for suffix in ("", "-save", "-restore")
)


def write_all(node: Path, control_plane: Path, root: Path, work: Path) -> Path:
    """Write an archive for each image; return their folder.

    *node* holds bin/ and kind's files/, *control_plane* the API server and others. kube-proxy's system programs come
    from *root*, the unpacked root file system of the node.
    """
    archives = work / "archives"
    archives.mkdir()
    kubeadm = node / "bin" / "kubeadm"
    version = _printed(kubeadm, "version", "-o", "short")
    for name in _printed(kubeadm, "config", "images", "list", "--kubernetes-version", version).split():
        short = name.rpartition("/")[2].partition(":")[0]
        if short == "pause":
            continue
        image = work / short
        binaries = image / "usr" / "local" / "bin"
        binaries.mkdir(parents=True)
        for folder in ("tmp", "etc"):
            (image / folder).mkdir()
        (source,) = [folder / short for folder in (node / "bin", control_plane) if (folder / short).exists()]
        shutil.copy(source, binaries)
        if short == "kube-proxy":
            _copy_tables(root, image)
        # kubeadm names the program of every other image in the pod's manifest.
        entrypoint = ["/usr/local/bin/coredns"] if short == "coredns" else []
        oci.write(image, archives / f"{short}.tar", name, entrypoint=entrypoint)
    sandbox = work / "pause"
    sandbox.mkdir()
    shutil.copy(node / "bin" / "pause", sandbox)
    oci.write(sandbox, archives / "pause.tar", _sandbox_image(node), entrypoint=["/pause"])
    return archives


def _copy_tables(root: Path, image: Path) -> None:
    """Copy the files of `TABLES` from the Debian in *root*, and its links from /lib to /usr/lib."""
    for link in ("lib", "lib64", "bin", "sbin"):
        (image / link).symlink_to(f"usr/{link}")
    for package in TABLES:
        (listed,) = (root / "var/lib/dpkg/info").glob(f"{package}[.:]*list")
        for name in listed.read_text().splitlines():
            source = root / name.lstrip("/")
            if source.is_dir() or not os.path.lexists(source):
                continue
            # A package may have a file in /lib, which is a link here.
            place = image / source.parent.resolve().relative_to(root.resolve())
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, place / source.name, follow_symlinks=False)
    for link in LINKS:
        tool = image / "usr" / "sbin" / link
        tool.unlink(missing_ok=True)
        tool.symlink_to("xtables-nft-multi")


def _sandbox_image(node: Path) -> str:
    """Return the name that kind's configuration of containerd has for it."""
    text = (node / "files" / "etc" / "containerd" / "config.toml").read_text()
    found = re.search(r'sandbox_image = "(.*)"|sandbox = "(.*)"', text)
    assert found is not None, "kind's configuration of containerd names no image for sandboxes"
    return found[1] or found[2]


def _printed(*command: str | Path) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
