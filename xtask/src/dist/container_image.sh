# Builds the image. Arguments: the folder for images, the folder with a clean system, the container file, the tarball, the name of
# the image.
export LC_ALL=C
# What podman keeps outside of the folder for images ends with this namespace of mounts.
mount -t proc proc /proc
mount -t tmpfs run /run
mount -t tmpfs shm /dev/shm

podman() {
    command podman --root "$store" --runtime runc --cgroup-manager cgroupfs --events-backend none "$@"
}

store=$1
base=$2
file=$3
tarball=$4
image=$5
# The clean system has the name of the image that the container file begins with, and no registry is asked.
from=$(sed -n 's/^FROM //p' "$file")
podman rm --all --force
podman image exists "$from" || tar --directory "$base" --create . | podman import - "$from"

context=/run/context
mkdir -p "$context/target/dist"
cp "$tarball" "$context/target/dist/"
# The network of the machine, for packages of Debian. No step of the container file needs more than a root folder.
podman build --pull=never --isolation chroot --network host --file "$file" --tag "$image" "$context"
podman image prune --force
