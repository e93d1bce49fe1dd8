# Runs on the node, after the functions that the manifest gives. Arguments: the folder for images, the network namespace of the
# machine.
export LC_ALL=C

fail() {
    echo "FAILED: $*"
    tail -n 30 /run/log 2> /dev/null || true
    exit 1
}

say() {
    echo "container: $*"
}

podman() {
    command podman --root "$store" --runtime runc --cgroup-manager cgroupfs --events-backend none "$@"
}

# podman asks for more open files and processes than some nodes allow to root. Its monitor needs no cgroup.
podman_run() {
    podman run --name smb-sensor --pull never --cgroups no-conmon --pids-limit 0 \
        --ulimit "nofile=$(ulimit -H -n)" --ulimit nproc=4096 "$@"
}

probe() {
    limit=$1
    shift
    timeout "$limit" podman --root "$store" --runtime runc --cgroup-manager cgroupfs --events-backend none \
        exec smb-sensor "$@"
}

# Starts the agent with these capabilities, and with the seccomp profile of the documentation once it is made.
start() {
    set -- $(printf -- '--cap-add=%s ' "$@")
    [ ! -e /run/smb-sensor-seccomp.json ] || set -- "$@" --security-opt=seccomp=/run/smb-sensor-seccomp.json
    podman rm --force --ignore smb-sensor > /dev/null
    rm -f /run/code /run/log
    { code=0; run_agent "$@" > /run/documents 2> /run/log || code=$?; echo "$code" > /run/code; } &
}

# Whether the agent becomes ready instead of ending. Its log says when to ask: podman may wait long for a container that ends.
becomes_ready() {
    wait_for started_or_ended
    [ ! -e /run/code ] || return 1
    wait_for readiness
    cp /run/last /run/status
}

started_or_ended() {
    logs 'ready:' || [ -e /run/code ]
}

# Ends the agent, which has to end by itself after SIGTERM.
stop() {
    podman stop --time "$grace" smb-sensor
    wait
    [ "$(cat /run/code)" = 0 ] || fail "it ended with code $(cat /run/code)"
}

# Waits for a command to succeed.
wait_for() {
    tries=0
    until "$@" > /run/last 2>&1; do
        tries=$((tries + 1))
        [ "$tries" -lt 60 ] || fail "in vain: $*: $(cat /run/last)"
        sleep 0.5
    done
}

logs() {
    grep -q -- "$1" /run/log
}

# The address of the node is internal, and that of the server is on the Internet.
network() {
    ip netns add wan
    ip link add eth0 type veth peer name eth0 netns wan
    for end in '' '-netns wan'; do
        ip $end link set lo up
        ip $end link set eth0 up
    done
    ip address add 10.0.0.2/24 dev eth0
    ip -netns wan address add 8.8.4.4/32 dev eth0
    ip -netns wan route add 10.0.0.0/24 dev eth0
    ip route add default dev eth0
}

serve() {
    smb=/run/smb
    mkdir -p "$smb/files" "$smb/private" "$smb/lock" "$smb/state" "$smb/cache" "$smb/pid" "$smb/ncalrpc"
    # The user of the session stands for an account that every Debian has.
    echo 'daemon = alice' > "$smb/users"
    cat > "$smb/smb.conf" << CONFIGURATION
[global]
server role = standalone server
smb ports = 445
passdb backend = smbpasswd:$smb/smbpasswd
username map = $smb/users
private dir = $smb/private
lock directory = $smb/lock
state directory = $smb/state
cache directory = $smb/cache
pid directory = $smb/pid
ncalrpc dir = $smb/ncalrpc
log file = $smb/log
load printers = no
printcap name = /dev/null
disable spoolss = yes
[files]
path = $smb/files
CONFIGURATION
    printf 'Secret123\nSecret123\n' | smbpasswd -c "$smb/smb.conf" -s -a daemon
    ip netns exec wan smbd --daemon --configfile "$smb/smb.conf"
    wait_for ip netns exec wan smbclient --configfile /dev/null -N -L 127.0.0.1
}

# A session of a user other than the agent's, which lasts long enough for its process to be looked up.
session() {
    { echo ls; sleep 2; } | setpriv --reuid nobody --regid nogroup --clear-groups timeout 60 \
        smbclient --configfile /dev/null -U 'alice%Secret123' //8.8.4.4/files > /run/session 2>&1 \
        || fail "no session: $(cat /run/session)"
}

# Whether the documents have one incident with the session and its process.
reported() {
    jq --slurp --exit-status '
        ([.[] | select(.event.action == "incident-opened")] | length == 1)
        and (last | .smb_sensor.incident.external == "8.8.4.4" and .event.severity == 99
            and .process.name == "smbclient" and (.process.executable | endswith("/smbclient")))' /run/documents
}

store=$1
[ "$(readlink /proc/self/ns/net)" != "$2" ] || fail 'this is no network namespace of its own'
mount -t tmpfs run /run
mount -t tmpfs shm /dev/shm
mount -t sysfs sysfs /sys
mount -t cgroup2 cgroup /sys/fs/cgroup
# A group with processes has no other groups beside it that are controlled.
mkdir /sys/fs/cgroup/node
echo $$ > /sys/fs/cgroup/node/cgroup.procs
cd /run
mkdir -p "$node/configuration" "$node/var/lib/smb-sensor"
configure
network
serve

say 'it becomes ready with the capabilities of the manifest'
start $capabilities
if ! becomes_ready; then
    cat /run/log
    logs 'cannot create the kernel maps' || fail 'it does not start'
    say 'the profile of podman refuses bpf: that of the documentation instead'
    seccomp_profile
    start $capabilities
    becomes_ready || fail 'it does not start with that profile either'
fi
cat /run/status
liveness || fail 'it is not alive'
logs 'watching eth0' || fail 'it does not watch the interface'

say 'it gains no privileges, is filtered, and writes nothing but its state'
status=/proc/$(podman inspect --format '{{.State.Pid}}' smb-sensor)/status
grep -E '^(Cap|NoNewPrivs|Seccomp)' "$status"
grep -q '^NoNewPrivs:.1$' "$status" || fail 'it may gain privileges'
grep -q '^Seccomp:.2$' "$status" || fail 'no filter is on its system calls'
for folder in /usr /tmp /etc/smb-sensor; do
    ! probe 10 touch "$folder/new" 2> /dev/null || fail "it may write to $folder"
done
[ -e "$node/var/lib/smb-sensor/smb-sensor.db" ] || fail 'its state is not on the node'

say 'a session is one incident, with its process'
session
wait_for reported
probe 10 smb-sensor alerts

say "it ends within $grace seconds after SIGTERM"
stop

for missing in $capabilities; do
    others=$(echo " $capabilities " | sed "s/ $missing / /")
    say "without $missing"
    start $others
    case $missing in
        BPF | PERFMON | NET_ADMIN)
            ! becomes_ready || fail "it starts without $missing"
            logs "missing privileges: CAP_$missing (" || fail "it does not say that $missing is missing"
            ;;
        SYS_PTRACE)
            becomes_ready || fail "it does not start without $missing"
            logs "not named without CAP_$missing" || fail "it does not say what is lost without $missing"
            stop
            ;;
        NET_RAW)
            # It is for recording alone, which the configuration does not ask for.
            becomes_ready || fail "it does not start without $missing"
            stop
            printf '\n[record]\nfile = "/var/lib/smb-sensor/packets.pcapng"\n' >> "$node/configuration/smb-sensor.toml"
            start $others
            ! becomes_ready || fail "it records without $missing"
            logs "needs CAP_$missing" || fail "it does not say that $missing is missing"
            ;;
        *) fail "nobody knows what $missing is for" ;;
    esac
    grep -E "CAP_$missing|ready:" /run/log
    configure
done

podman rm --force smb-sensor
say 'everything is as it should be'
