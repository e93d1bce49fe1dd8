# Runs a script on a node: new namespaces of network, mounts and cgroups, with the process numbers of this machine. Arguments: the
# script, and its argument.
hierarchy=$(findmnt --noheadings --first-only --output TARGET --types cgroup2) || {
    echo 'FAILED: no unified cgroup hierarchy is mounted'
    exit 1
}
cgroup=$hierarchy/smb-sensor-node-$$
mkdir "$cgroup"
# All processes of the node are in this cgroup, and end when this one does, however it ends.
setsid sh -c '
    while kill -0 "$1" 2> /dev/null; do sleep 0.2; done
    tries=0
    while [ -e "$2" ] && [ "$tries" -lt 50 ]; do
        echo 1 > "$2/cgroup.kill"
        find "$2" -depth -type d -exec rmdir {} \;
        tries=$((tries + 1))
        sleep 0.2
    done
' sh $$ "$cgroup" < /dev/null > /dev/null 2>&1 &
echo $$ > "$cgroup/cgroup.procs"
exec unshare --cgroup --mount --net sh -euc "$1" sh "$2" "$(readlink /proc/self/ns/net)"
