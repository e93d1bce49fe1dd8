# Downloads and unpacks a Debian kernel. Arguments: the suite, a folder. Leaves boot/ and lib/modules/ in the folder.
set -eu
suite=$1
folder=$2
apt=$folder/apt
mkdir -p "$apt/lists/partial" "$apt/archives/partial"
echo "deb http://deb.debian.org/debian $suite main" > "$apt/sources.list"
# A configuration of its own: the system's lists and packages stay as they are.
set -- -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists="$apt/lists" \
    -o Dir::State::Status=/dev/null -o Dir::Cache="$apt" -o APT::Sandbox::User=root
apt-get "$@" -q update
package=$(apt-cache "$@" depends linux-image-amd64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
[ -n "$package" ] || { echo "the suite $suite has no linux-image-amd64" >&2; exit 1; }
cd "$folder"
apt-get "$@" -q download "$package"
dpkg-deb -x "$package"_*.deb system
rm -rf "$apt" "$package"_*.deb
release=${package#linux-image-}
# From trixie on, modules are under /usr.
[ -d system/lib/modules ] || { mkdir -p system/lib && ln -s ../usr/lib/modules system/lib/modules; }
depmod -b system "$release"
echo "$release" > release
