#!/bin/sh
# Installs the system parts that some tests use. Where that is not possible it says which tests will be skipped.
set -u
missing=""
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
# It draws the same with half the processor's time; where it is no package of its own, the whole browser will do.
command -v chromium-headless-shell >/dev/null || missing="$missing chromium-headless-shell"
command -v promtool >/dev/null || missing="$missing prometheus"
command -v prometheus-node-exporter >/dev/null || missing="$missing prometheus-node-exporter"
command -v prometheus-alertmanager >/dev/null || missing="$missing prometheus-alertmanager"
command -v redis-server >/dev/null || missing="$missing redis-server"
command -v curl >/dev/null || missing="$missing curl"
[ -z "$missing" ] && exit 0
install() {
    apt-get install -qq -y --no-install-recommends "$@" >/dev/null 2>&1
}
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing for the tests:$missing"
    export DEBIAN_FRONTEND=noninteractive
    if install $missing || { apt-get update -qq >/dev/null 2>&1 && install $missing; }; then
        exit 0
    fi
    missing=$(echo "$missing" | sed 's/chromium-headless-shell/chromium/')
    if install $missing; then
        exit 0
    fi
fi
command -v chromium >/dev/null && missing=$(echo "$missing" | sed 's/ chromium[a-z-]*//')
[ -z "$missing" ] && exit 0
echo "Not tested here, because it cannot be installed:$missing. On Debian: apt-get install$missing"
