#!/bin/sh
# Puts PEMS Edge on a Debian 12 or Raspberry Pi OS 12 box, 64 bit, or takes it off again. Run it again at any time.
#
#   ./install.sh 1.2.0.pems release.pub [--site site.toml] [--yes]
#   ./install.sh --uninstall [--purge] [--yes]
#
# The signature is checked by openssl before anything of the release runs; then the release's own `pems update install`
# checks every byte again and installs. PEMS_PREFIX is a folder to use in place of /, for making images.
set -eu

say() { printf 'install: %s\n' "$1"; }
die() { printf 'install: %s\n' "$1" >&2; exit 1; }
ask() {
    [ "$yes" = 1 ] && return 0
    [ -t 0 ] || die "$1 Say --yes to do so."
    printf '%s [y/N] ' "$1"
    read -r answer
    [ "$answer" = y ] || die "nothing was changed"
}

prefix=${PEMS_PREFIX:-}
opt=$prefix/opt/pems etc=$prefix/etc/pems units=$prefix/etc/systemd/system
yes=0 uninstall=0 purge=0 site='' release='' key=''
while [ $# -gt 0 ]; do
    case $1 in
        --yes) yes=1 ;;
        --uninstall) uninstall=1 ;;
        --purge) purge=1 ;;
        --site) [ $# -ge 2 ] || die "--site needs a file"; site=$2; shift ;;
        -*) die "what is $1?" ;;
        *) if [ -z "$release" ]; then release=$1; elif [ -z "$key" ]; then key=$1; else die "what is $1?"; fi ;;
    esac
    shift
done

running() { [ -z "$prefix" ] && [ -d /run/systemd/system ]; }

update() { "$1/bin/pems" update --root "$opt" --state "$prefix/var/lib/pems-update" --key "$2" "$3" "$4" --no-restart; }

if [ "$uninstall" = 1 ]; then
    [ "$purge" = 0 ] || ask "Remove the configuration, the models and all that was measured as well?"
    ask "Take PEMS Edge off this box?"
    if running; then systemctl disable --now --quiet pems.target || true; fi
    rm -f "$units"/pems-*.service "$units"/pems-*.timer "$units"/pems.target "$prefix/usr/local/bin/pems"
    rm -rf "$opt" "$prefix/var/lib/pems-update"
    [ "$purge" = 0 ] || rm -rf "$etc" "$prefix/var/lib/pems" "$prefix/var/lib/private/pems"
    if running; then systemctl daemon-reload; fi
    say "PEMS Edge is off this box"
    exit 0
fi

[ -n "$key" ] || die "usage: install.sh RELEASE.pems RELEASE.pub [--site site.toml] [--yes]"
[ "$(id -u)" = 0 ] || die "must be run as root"
for file in "$release" "$key" ${site:+"$site"}; do [ -r "$file" ] || die "$file: cannot be read"; done
python=${PEMS_PYTHON:-/usr/bin/python3.11}
[ -x "$python" ] || die "$python is missing: apt install python3.11"
command -v openssl >/dev/null || die "openssl is missing: apt install openssl"
if [ -e "$etc/release.pub" ] && ! cmp -s "$key" "$etc/release.pub"; then
    ask "Trust another key from now on ($etc/release.pub differs)?"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# The purpose of the signature, then the manifest's bytes: what edge/appliance/manifest.py signs.
tar -xOf "$release" manifest.json >"$work/manifest" 2>/dev/null || die "$release: is not a release"
tar -xOf "$release" manifest.sig >"$work/signature" 2>/dev/null || die "$release: is not a release"
{ printf 'pems-release-v1\0'; cat "$work/manifest"; } >"$work/signed"
openssl pkeyutl -verify -pubin -inkey "$key" -rawin -in "$work/signed" -sigfile "$work/signature" >/dev/null 2>&1 ||
    die "$release: the signature is not by this key over this manifest"
fact() { "$python" -I -c "import json, sys; print(json.load(open(sys.argv[1]))$1)" "$work/manifest"; }
[ "$(fact '["arch"]')" = "$(uname -m)" ] || die "$release: is for $(fact '["arch"]'), this box is $(uname -m)"
[ "$(tar -xOf "$release" payload.tar.gz | sha256sum | cut -d' ' -f1)" = "$(fact '["payload"]["sha256"]')" ] ||
    die "$release: the payload is not as it was signed"
version=$(fact '["version"]')

mkdir -p "$etc" "$opt" "$units" "$prefix/usr/local/bin"
if [ -e "$opt/current" ] && [ "$(readlink "$opt/current")" = "releases/$version" ]; then
    say "$version is in force already"
    install -m 644 "$key" "$etc/release.pub"
elif [ -x "$opt/good/bin/pems" ]; then
    update "$opt/good" "$key" install "$release"
    install -m 644 "$key" "$etc/release.pub"
else
    boot=$(mktemp -d "$opt/.first.XXXXXX")
    trap 'rm -rf "$work" "$boot"' EXIT
    say "unpacking the installer of $version"
    tar -xOf "$release" payload.tar.gz | tar -xzf - -C "$boot" --no-same-owner
    update "$boot" "$key" install "$release"
    install -m 644 "$key" "$etc/release.pub"
    rm -rf "$boot"
fi

# Units follow the release in force; what recovers follows the one that proved itself.
for path in "$opt"/current/units/*; do
    [ -e "$path" ] || continue
    name=${path##*/}
    link=current
    [ "$name" != pems-update-recover.service ] || link=good
    ln -sfn "/opt/pems/$link/units/$name" "$units/$name"
done
ln -sfn /opt/pems/current/bin/pems "$prefix/usr/local/bin/pems"

if [ -n "$site" ]; then
    if [ -e "$etc/site.toml" ] && ! cmp -s "$site" "$etc/site.toml"; then ask "Replace $etc/site.toml?"; fi
    "$opt/current/bin/pems" config put "$site" --site "$etc/site.toml"
fi
if running; then
    systemctl daemon-reload
    systemctl enable --quiet pems.target
    if [ -e "$etc/site.toml" ]; then systemctl restart pems-update-recover.service pems.target; fi
fi
[ -e "$etc/site.toml" ] || say "next: pems config put site.toml --site /etc/pems/site.toml && systemctl start pems.target"
say "$version is installed"
