#!/usr/bin/env bash
# Plays the whole story with real processes: a server, a program that updates itself in three ways, a bad build that is
# refused, and a rollback. The server's log is on the left, the program's on the right.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
server=
daemon=
cleanup() {
  for pid in ${daemon:+-$daemon} $server; do kill -TERM -- "$pid" 2>/dev/null || true; done
  wait
  rm -rf "$work"
}
trap cleanup EXIT
export HOME=$work/home XDG_CACHE_HOME=$work/cache XDG_STATE_HOME=$work/state
mkdir -p "$work/bin" "$work/packages" "$work/opt" "$HOME"
ln -s "$root/bin/gupper.js" "$work/bin/gupper"
PATH=$work/bin:$root/node_modules/.bin:$PATH
[ -e "$root/dist/cli.js" ] || npm --prefix "$root" run --silent build

bold='' dim='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR-}" ]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; fi
title() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
show() { printf '%s$ %s%s\n' "$dim" "$*" "$plain"; }
left() { sed -u "s/^/  server │ /"; }
right() { sed -u "s/^/                    app │ /"; }
fail() { echo "the demo failed: $*" >&2; exit 1; }
# until_line FILE TEXT: waits until FILE has a line with TEXT, 20 s at most; tail ends with the process it feeds.
until_line() {
  local line found=
  while IFS= read -r -t 20 line; do
    case $line in *"$2"*) found=yes && break ;; esac
  done < <(exec tail -n +1 -f "$1" --pid=$$ 2>/dev/null)
  [ -n "$found" ] || fail "no \"$2\" in $(basename "$1"): $(cat "$1")"
}
packages() { "$root/scripts/build-packages.sh" "$1" "$work/packages" >/dev/null; }
this_platform() { node -p '({ win32: "windows" })[process.platform] ?? process.platform'; }

title "1. A package server, with appetizer 1.9"
show 'scripts/build-packages.sh 1.9 packages; gupper serve packages'
packages 1.9
gupper serve "$work/packages" --host 127.0.0.1 --port 0 --settle 200ms 2> >(left) >"$work/serve.out" &
server=$!
until_line "$work/serve.out" listening
repo=$(node -p 'JSON.parse(require("node:fs").readFileSync(process.argv[1], "utf8").split("\n")[0]).listening' "$work/serve.out")
echo "serving at $repo"

title "2. appetizer 1.9 is installed; 1.10 is published: it updates itself by a pipe"
app=$work/opt/appetizer
show "gupper list $repo --name appetizer | gupper fetch | gupper install --to opt/appetizer"
gupper list "$repo" --name appetizer | gupper fetch | gupper install --to "$app" --text
# wait_for VERSION: until the server lists that version.
wait_for() { gupper watch "$repo" --name appetizer --range "$1" --count 1 --state "$work/wait-$1" >/dev/null; }
packages 1.10
wait_for 1.10.0
show "opt/appetizer --repo $repo --via pipe"
"$app" --repo "$repo" --via pipe 2>&1 | right

title "3. 1.11 is published: it updates itself by gupper update"
packages 1.11
wait_for 1.11.0
show "opt/appetizer --repo $repo --via update"
"$app" --repo "$repo" --via update 2>&1 | right

title "4. It runs as a daemon, and 1.12 is published: it updates itself by gupper watch"
show "opt/appetizer --repo $repo --daemon &"
set -m # a process group of its own, so that its pipe ends with it
"$app" --repo "$repo" --daemon >"$work/daemon.log" 2>&1 &
daemon=$!
set +m
until_line "$work/daemon.log" "version 1.11.0, PID $daemon"
packages 1.12
until_line "$work/daemon.log" "version 1.12.0, PID $daemon"
right <"$work/daemon.log"
echo "the daemon's PID was $daemon before and after"
kill -TERM -- "-$daemon"
wait "$daemon" 2>/dev/null || true
daemon=

title "5. 1.13 is broken: its check fails, so it is refused, remembered, and the old version stays"
mkdir "$work/broken"
printf '#!/bin/sh\necho "cannot find my configuration" >&2\nexit 1\n' >"$work/broken/appetizer"
chmod +x "$work/broken/appetizer"
gupper pack "$work/broken/appetizer" --name appetizer --version 1.13 --into "$work/packages" >/dev/null
wait_for 1.13.0
show "gupper update $repo --to opt/appetizer --check '{} --version'"
status=0
gupper update "$repo" --to "$app" --check '{} --version' >/dev/null || status=$?
echo "exit status $status; installed is still: $("$app" --version)"
[ "$status" -eq 65 ] || fail "the bad build was not refused"
show "gupper update $repo --to opt/appetizer"
gupper update "$repo" --to "$app" && echo "nothing to do: 1.13 is remembered as bad"

title "6. Second thoughts about 1.12: it is taken back, at once and without the network"
show "gupper rollback opt/appetizer"
gupper rollback "$app" --text
"$app" --version
show "gupper rollback opt/appetizer --list"
gupper rollback "$app" --list --text

title "All of this was real: $(this_platform), $(node --version), one server, one program, one PID at a time."
