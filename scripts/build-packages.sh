#!/usr/bin/env bash
# Makes the packages of the example program for linux, darwin and windows, and prints their records.
# usage: scripts/build-packages.sh VERSION [DIR]
set -euo pipefail
version=${1:?usage: scripts/build-packages.sh VERSION [DIR]}
into=${2:-packages}
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$into"

command -v gupper >/dev/null || { mkdir "$work/bin" && ln -s "$root/bin/gupper.js" "$work/bin/gupper" && PATH=$work/bin:$PATH; }

# The version as gupper reads it, so that 1.9 names itself 1.9.0.
case $version in
  *.*.*) full=$version ;;
  *.*) full=$version.0 ;;
  *) full=$version.0.0 ;;
esac

for os in linux darwin windows; do
  for arch in amd64 arm64; do
    program=$work/$os-$arch/appetizer
    mkdir -p "$work/$os-$arch"
    fill() { sed -e "s/@VERSION@/$full/g" -e "s/@OS@/$os/g" -e "s/@ARCH@/$arch/g" "$1"; }
    if [ "$os" = windows ]; then
      fill "$root/scripts/appetizer/appetizer.cmd" | sed 's/$/\r/' >"$program.cmd"
      gupper pack "$work/$os-$arch" --name appetizer --version "$version" --os "$os" --arch "$arch" --format zip --into "$into"
    else
      fill "$root/scripts/appetizer/appetizer.sh" >"$program"
      chmod +x "$program"
      gupper pack "$program" --name appetizer --version "$version" --os "$os" --arch "$arch" --into "$into"
    fi
  done
done
