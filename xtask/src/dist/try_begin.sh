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

# The completions of bash, zsh and fish are where each shell looks, and are about the agent. Of the three shells the system has
# bash alone: it completes the name of a command.
expect_completions() {
    bash=/usr/share/bash-completion/completions/smb-sensor
    while read -r path line; do
        expect "$path" 'root:root 644'
        grep -q "$line" "$root$path" || fail "$path does not have: $line"
    done <<COMPLETIONS
$bash complete .* -F _clap_complete_smb_sensor smb-sensor
/usr/share/zsh/vendor-completions/_smb-sensor ^#compdef smb-sensor
/usr/share/zsh/site-functions/_smb-sensor ^#compdef smb-sensor
/usr/share/fish/vendor_completions.d/smb-sensor.fish ^complete .*--command smb-sensor
COMPLETIONS
    chroot "$root" bash -n "$bash" || fail "bash does not read $bash"
    completed=$(chroot "$root" bash -euc ". $bash
        complete -p smb-sensor > /dev/null
        COMP_WORDS=(smb-sensor stat) COMP_CWORD=1 COMP_TYPE=9
        _clap_complete_smb_sensor smb-sensor stat smb-sensor
        echo \"\${COMPREPLY[*]}\"") || fail "bash does not complete with $bash"
    [ "$completed" = status ] || fail "bash completes stat as: $completed"
}

# A copy of the clean system, in memory.
root=$(mktemp -d)
mount -t tmpfs -o mode=0755 clean "$root"
cp -a "$1/." "$root"
mount -t proc proc "$root/proc"
older=$2
newer=$3

