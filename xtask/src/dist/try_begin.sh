# Arguments: the folder with a clean system, the older package, the newer package.
fail() {
    echo "FAILED: $*" >&2
    exit 1
}

# Owner, group and mode of a path.
expect() {
    found=$(chroot "$root" stat --format '%U:%G %a' "$1") || fail "there is no $1"
    [ "$found" = "$2" ] || fail "$1 is $found, and should be $2"
}

# A copy of the clean system, in memory.
root=$(mktemp -d)
mount -t tmpfs -o mode=0755 clean "$root"
cp -a "$1/." "$root"
mount -t proc proc "$root/proc"
older=$2
newer=$3

