#!/bin/sh
# appetizer: an example of a program that keeps itself up to date with gupper.
# It is one file, knows its version, and goes on as the new version under the same PID.
set -u
version=@VERSION@
platform=@OS@/@ARCH@

usage() {
  cat <<HELP
usage: appetizer [--version] [--repo URL] [--via pipe|update|watch] [--daemon] [WORK…]

  --repo URL   the package server (or the variable APPETIZER_REPO); without one nothing is updated
  --via WAY    how to update: pipe    the steps, one program each
                              update  the same steps in one process
                              watch   as pipe, but waits for the next version first
  --daemon     go on for ever, and update when a new version appears (by watch)
HELP
}

repo=${APPETIZER_REPO-}
via=pipe
daemon=
self=$0
quoted= # all arguments, quoted, to start again with
for word in "$@"; do
  quoted="$quoted '$(printf '%s\n' "$word" | sed "s/'/'\\\\''/g")'"
done
while [ $# -gt 0 ]; do
  case $1 in
    --version | -version) echo "appetizer version $version $platform" && exit 0 ;;
    --help) usage && exit 0 ;;
    --repo) repo=${2?--repo wants an address} && shift ;;
    --via) via=${2?--via wants a way} && shift ;;
    --daemon) daemon=yes ;;
    --self-test) exit 0 ;;
    *) break ;;
  esac
  shift
done

log() { printf '%s appetizer[%s] %s\n' "$(date '+%Y/%m/%d %H:%M:%S')" "$$" "$*" >&2; }

# The three ways; each prints the record of what it installed, or nothing when nothing is new.
by_pipe() {
  gupper list "$repo" --name appetizer |
    gupper select --newer-than "$version" |
    gupper fetch | gupper verify | gupper install --to "$self" --check '{} --self-test'
}
by_update() { gupper update "$repo" --name appetizer --to "$self" --check '{} --self-test'; }
by_watch() {
  gupper watch "$repo" --name appetizer --newer-than "$self" --count 1 |
    gupper fetch | gupper verify | gupper install --to "$self" --check '{} --self-test'
}

# Goes on as what stands at $self now: same PID, same arguments, terminal as standard input.
restart() {
  log "restarting as the new version"
  records=$1
  eval "set -- $quoted"
  exec gupper reexec -- "$self" "$@" <<RECORDS
$records
RECORDS
}

log "appetizer version $version $platform"
if [ -n "$repo" ]; then
  log "checking for updates at $repo by $via"
  if installed=$("by_$via"); then
    case $installed in
      *'"changed":true'*) restart "$installed" ;;
      *) log "up to date" ;;
    esac
  else
    log "not updated (status $?); going on as $version"
  fi
fi

echo "doing useful work now${1+: $*} (version $version, PID $$)"

if [ -n "$daemon" ] && [ -n "$repo" ]; then
  while installed=$(by_watch) || log "not updated; watching on"; do
    case ${installed-} in *'"changed":true'*) restart "$installed" ;; esac
  done
fi
