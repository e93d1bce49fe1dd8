# Installs the Debian packages it is given, as root. Starts no service, and leaves those of Samba disabled where Samba
# was not there before. Never removes a package to make room for another.
set -eu

export DEBIAN_FRONTEND=noninteractive
guard=/usr/sbin/policy-rc.d
guard_mark='# made by cargo xtask setup, which removes it'
services='smbd nmbd samba-ad-dc winbind'

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

disable_new_services() {
    [ "$samba_was_there" = no ] && is_installed samba && command -v systemctl >/dev/null || return 0
    for service in $services; do
        if [ -e "/lib/systemd/system/$service.service" ]; then
            echo "disabling the service $service, which came with samba"
            systemctl disable --quiet "$service.service" ||
                echo "could not disable $service; by hand: systemctl disable $service"
        fi
    done
}

samba_was_there=no
is_installed samba && samba_was_there=yes

# Also when interrupted: half an installation must not leave services that start at the next boot.
trap disable_new_services EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# policy-rc.d is Debian's switch for starting services during installation. One that is there is somebody's wish.
if [ ! -e "$guard" ] || grep -qsxF "$guard_mark" "$guard"; then
    trap 'disable_new_services; rm -f "$guard"' EXIT
    printf '#!/bin/sh\n%s\nexit 101\n' "$guard_mark" >"$guard"
    chmod 755 "$guard"
fi

apt-get update -qq || echo 'apt-get update failed; trying with the package lists that are here'
apt-get install -y -qq --no-install-recommends --no-remove -o Dpkg::Use-Pty=0 "$@"
