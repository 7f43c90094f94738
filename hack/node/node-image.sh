#!/bin/bash
# Imports an image that `kind create cluster --image NAME` takes into the container engine:
#
#     node-image.sh ROOT NODE CONTROL_PLANE ARCHIVES NAME
#
# ROOT is a folder with a Debian with systemd, which is changed in place; NODE has bin/ and kind's own files/; CONTROL_PLANE
# has kubectl; ARCHIVES has the images that kubeadm starts. Needs root.
set -eu
root=$(realpath "$1") node=$(realpath "$2") control=$(realpath "$3") archives=$(realpath "$4") name=$5
bin=$node/bin
run=$(mktemp -d)
containerd=''
cleanup() {
    [ -z "$containerd" ] || { kill "$containerd" || true; wait "$containerd" || true; }
    rm -rf "$run"
}
trap cleanup EXIT

# kind's own files, with the modes that its Dockerfile gives them.
cp -r --no-preserve=mode,ownership "$node"/files/. "$root"
find "$root/kind" -type d -exec chmod 755 {} +
chmod 755 "$root"/usr/local/bin/* "$root"/kind/bin/*
ln -sf /usr/lib/systemd/systemd "$root/sbin/init"
# Only those of Debian's services start that systemd needs in a container: no logins, no timers, no devices.
find "$root"/{etc,usr/lib}/systemd/system -path '*.wants/*' ! -path '*/sysinit.target.wants/*' \
    ! -path '*/sockets.target.wants/systemd-journald*' -delete
rm "$root/usr/lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup.service"
# The messages of the machine's kernel do not belong into the node's journal.
echo "ReadKMsg=no" >>"$root/etc/systemd/journald.conf"
chroot "$root" systemctl enable -q kubelet.service containerd.service undo-mount-hacks.service
chroot "$root" systemctl mask -q systemd-binfmt.service

install -m 755 "$bin"/{containerd,containerd-shim-runc-v2,ctr,crictl} "$root/usr/local/bin/"
install -m 755 "$bin"/{kubelet,kubeadm} "$control/kubectl" "$root/usr/bin/"
mkdir -p "$root/opt/cni/bin" "$root/etc/cni/net.d" "$root/etc/kubernetes/manifests" "$root/kind/manifests"
cp "$root"/usr/lib/cni/{bridge,host-local,loopback,portmap} "$root/opt/cni/bin/"
"$bin/kubeadm" version -o short | tr -d '\n' >"$root/kind/version"

# Every container starts with kind's hook, and without limits that only a privileged process can raise.
"$bin/ctr" oci spec | python3 -c '
import json, sys
spec = json.load(sys.stdin)
spec.setdefault("hooks", {}).setdefault("createContainer", []).append({"path": "/kind/bin/mount-product-files.sh"})
spec["process"].pop("rlimits", None)
json.dump(spec, sys.stdout)' >"$root/etc/containerd/cri-base.json"

# Without the capability SYS_RESOURCE no process may lower its score; on cgroup v1 the kubelet starts only when told to.
sed -i 's/restrict_oom_score_adj = false/restrict_oom_score_adj = true/' "$root/etc/containerd/config.toml"
echo 'KUBELET_EXTRA_ARGS=--runtime-cgroups=/system.slice/containerd.service --fail-cgroupv1=false' >"$root/etc/default/kubelet"

# One node needs a bridge and no daemon. It enforces no NetworkPolicy. kind applies both manifests, so each needs an object.
cat >"$root/etc/cni/net.d/10-bridge.conflist" <<JSON
{"cniVersion": "1.0.0", "name": "bridge", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true, "ipMasq": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.244.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
JSON
for manifest in cni storage; do
    printf '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "no-%s", "namespace": "kube-system"}}\n' \
        "$manifest" >"$root/kind/manifests/default-$manifest.yaml"
done

# Some settings of the kernel belong to the whole machine; no namespace has its own. What systemd and the kubelet would
# write into them goes into files instead. The values are those that the kubelet expects.
rm -f "$root"/usr/lib/sysctl.d/*.conf
cat >"$root/usr/local/bin/isolated-entrypoint" <<'SCRIPT'
#!/bin/bash
set -eu
put() { mkdir -p /kind/kernel; echo "$2" >"/kind/kernel/${1##*/}"; mount --bind "/kind/kernel/${1##*/}" "/proc/sys/$1"; }
put vm/overcommit_memory 1
put kernel/panic 10
put kernel/panic_on_oops 1
put fs/file-max "$(cat /proc/sys/fs/file-max)"
put fs/nr_open "$(cat /proc/sys/fs/nr_open)"
exec /usr/local/bin/entrypoint "$@"
SCRIPT
chmod 755 "$root/usr/local/bin/isolated-entrypoint"

# The images go into the store of the node's containerd, packed: it unpacks them when the kubelet asks for them.
cat >"$run/config.toml" <<TOML
version = 3
root = "$root/var/lib/containerd"
state = "$run/state"
disabled_plugins = ["io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime", "io.containerd.grpc.v1.cri",
  "io.containerd.internal.v1.opt", "io.containerd.nri.v1.nri"]
[grpc]
  address = "$run/socket"
[ttrpc]
  address = "$run/ttrpc"
TOML
mkdir -p "$root/var/lib/containerd"
"$bin/containerd" --config "$run/config.toml" >"$run/log" 2>&1 &
containerd=$!
ctr() { "$bin/ctr" --address "$run/socket" --namespace k8s.io "$@"; }
for _ in $(seq 300); do
    if [ -S "$run/socket" ] && ctr version >/dev/null 2>&1; then break; fi
    kill -0 "$containerd" || { tail -20 "$run/log" >&2; exit 1; }
    sleep 0.2
done
for archive in "$archives"/*.tar; do
    ctr images import --label=io.cri-containerd.pinned=pinned --all-platforms --no-unpack "$archive" >&2
done
kill "$containerd"
wait "$containerd" || true
containerd=''

tar -C "$root" --numeric-owner -c . | docker import \
    --change 'ENTRYPOINT ["/usr/local/bin/isolated-entrypoint", "/sbin/init"]' \
    --change 'ENV container=docker' - "$name"
