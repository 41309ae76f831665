#!/usr/bin/env bats
# gupper trust key, rotate, add-key, remove-key, threshold, delegate: who may sign what.

load helpers
load repository
setup() {
  common_setup
  init
  app 1.0.0 | publish >/dev/null
}
teardown() {
  [ ! -d repo ] || chmod -R u+w repo
  common_teardown
}

team_package() { mkdir -p "$1" && cp pkgs/app-1.0.0-* "$1/$2-1.0.0-linux-amd64"; printf '%s/%s-1.0.0-linux-amd64' "$1" "$2"; }

@test "trust key: a private key, 0600, and its public half, which openssl reads" {
  need openssl
  run_gupper trust key team/team.pem --type ecdsa
  [ "$(field .made <<<"$output")" = true ]
  [ "$(stat -c %a team team/team.pem | xargs)" = '700 600' ]
  openssl pkey -pubin -in team/team.pub -noout
  run ! grep -q PRIVATE team/team.pub
  sha256sum team/* >before
  run_gupper trust key team/team.pem
  [ "$(field .made <<<"$output")" = false ]
  sha256sum -c --quiet before
  run_gupper 64 trust key team
  run_gupper 64 trust key team/key
  run_gupper 64 trust key
}

@test "trust key: a public half of openssl is as good" {
  need openssl
  openssl genpkey -algorithm ED25519 -out two.pem 2>/dev/null
  openssl pkey -in two.pem -pubout -out two.pub
  run_gupper trust add-key root repo --key two.pub --keys keys
  [ "$(field .keys <<<"$output" | grep -o '","' | wc -l)" = 1 ]
}

@test "trust rotate: a new online key, everything signed anew, the old one of no use" {
  run_gupper trust rotate online repo --keys keys
  assert_stderr_has "needs $PWD/keys/online.pem.retired no more: destroy it, unless another repository uses it"
  [ "$(ls keys | xargs)" = 'online.2.pem online.pem.retired root.json root.pem targets.pem' ]
  [ "$(listed)" = 1 ]
  mkdir old && cp keys/online.pem.retired old/online.pem
  run_gupper 78 trust refresh repo --keys old
  run_gupper trust refresh repo --keys keys
  [ "$(listed)" = 1 ]
  gupper list repo --trust repo/metadata/2.root.json | grep -q '"version":"1.0.0"'
}

@test "trust rotate: targets, with everything that its key signed" {
  run_gupper trust rotate targets repo --keys keys --type rsa
  [ -e keys/targets.2.pem ] && [ -e keys/targets.pem.retired ]
  [ "$(listed)" = 1 ]
  app 1.1.0 >/dev/null
  run_gupper publish --to repo --keys keys pkgs/app-1.1.0-*
  [ "$(listed)" = 2 ]
}

@test "trust rotate: without a key of root nothing happens, 78" {
  mkdir few && cp keys/online.pem keys/targets.pem few/
  sums repo few >before
  run_gupper 78 trust rotate online repo --keys few
  assert_stderr_has "role root"
  sha256sum -c --quiet before
  [ "$(ls few | xargs)" = 'online.pem targets.pem' ]
}

@test "trust rotate: a wrong passphrase changes nothing, 78" {
  (umask 077; echo right >right; echo wrong >wrong)
  gupper trust init locked --keys locked-keys --passphrase-file right --quiet >/dev/null
  run_gupper 78 trust rotate root locked --keys locked-keys --passphrase-file wrong
  assert_stderr_has "cannot be opened with this passphrase"
  [ "$(ls locked/metadata/*.root.json | wc -l)" = 1 ]
  run_gupper trust rotate root locked --keys locked-keys --passphrase-file right
  [ "$(ls locked/metadata/*.root.json | wc -l)" = 2 ]
}

@test "misbehaviour: a read-only repository stays as it is, 73" {
  sums repo >before
  gupper trust key two/two.pem >/dev/null
  chmod -R a-w repo
  for words in 'rotate online repo' 'add-key root repo --key two/two.pub' 'delegate two repo --key two/two.pub --paths two-*'; do
    as_plain 73 gupper trust $words --keys keys
    assert_no_trace
  done
  sha256sum -c --quiet before
  run_gupper trust status repo
  [ "$(listed)" = 1 ]
}

@test "trust rotate: many at once make one chain, and none is lost" {
  local pids=() i
  for i in 1 2 3; do
    gupper trust key "more/$i.pem" >/dev/null
    gupper trust add-key root repo --key "more/$i.pub" --keys keys >/dev/null 2>"err.$i" &
    pids+=($!)
  done
  for i in "${pids[@]}"; do wait "$i"; done
  [ "$(role_status root .keys | grep -o keyid | wc -l)" = 4 ]
  [ "$(ls repo/metadata/*.root.json | wc -l)" = 4 ]
  [ "$(listed)" = 1 ]
}

@test "trust add-key, threshold, remove-key: what could no longer be signed is refused, 64" {
  gupper trust key two/targets.pem >/dev/null
  run_gupper 64 trust threshold targets 2 repo --keys keys
  assert_stderr_has "would have 1 key, but 2 must sign"
  run_gupper trust add-key targets repo --key two/targets.pub --keys keys
  run_gupper trust add-key targets repo --key two/targets.pub --keys keys
  [ "$(field .changed <<<"$output")" = false ]
  run_gupper trust threshold targets 2 repo --keys keys --keys two
  run_gupper 64 trust remove-key targets two/targets.pub repo --keys keys
  run_gupper 64 trust remove-key targets ffffffff repo --keys keys
  assert_stderr_has "has no key ffffffff"
  run_gupper 64 trust threshold nobody 1 repo --keys keys
  assert_stderr_has "there is no role nobody"
  run_gupper 64 trust threshold targets 0 repo --keys keys
  run_gupper 64 trust add-key targets repo --key two/targets.pem --keys keys
  assert_stderr_has "is a private key"
  run_gupper 78 trust add-key targets repo --key root.json --keys keys
  # With one of two keys a publisher only prepares.
  app 1.1.0 >/dev/null
  run_gupper publish --to repo --keys keys pkgs/app-1.1.0-*
  [ "$(listed)" = 1 ]
  run_gupper trust sign repo --keys two --keys keys --yes
  assert_stderr_has "adds the package app-1.1.0"
  [ "$(listed)" = 2 ]
  run_gupper trust remove-key targets two/targets.pub repo --threshold 1 --keys keys
  [ "$(listed)" = 2 ]
}

@test "trust threshold: a change that waits for the targets key is made when it comes" {
  gupper trust key two/targets.pem >/dev/null
  mkdir root && cp keys/root.pem root/
  run_gupper trust rotate targets repo --key two/targets.pub --keys root
  [ "$(field .pending <<<"$output")" = true ]
  [ "$(field .missing <<<"$output")" = 0 ]
  [ ! -e repo/metadata/2.root.json ]
  [ "$(listed)" = 1 ]
  # Meanwhile all goes on as before.
  run_gupper trust refresh repo --keys keys
  app 1.1.0 >/dev/null
  run_gupper publish --to repo --keys keys pkgs/app-1.1.0-*
  [ "$(listed)" = 2 ]
  run_gupper trust refresh repo --keys keys --keys two
  [ -e repo/metadata/2.root.json ]
  [ "$(listed)" = 2 ]
  [ ! -e repo/.gupper/pending ]
}

@test "trust delegate: a team publishes its own names with its own key, and the online key shows it" {
  gupper trust key team/team.pem >/dev/null
  run_gupper trust delegate team repo --key team/team.pub --paths 'team-*' --keys keys
  assert_stderr_has "waits for team"
  file=$(team_package out team-tool)
  run_gupper publish --to repo --keys team --role team "$file"
  [ "$(field .publication.role <<<"$output")" = team ]
  [ "$(listed)" = 1 ]
  mkdir online && cp keys/online.pem online/
  run_gupper trust refresh repo --keys online
  [ "$(listed)" = 2 ]
  gupper list repo --trust root.json --name team-tool | grep -q '"role":"team"'
  # Nothing else, whatever it says.
  run_gupper 64 publish --to repo --keys team "$(team_package out other)"
  assert_stderr_has 'only team-*'
  run_gupper 64 publish --to repo --keys team --role team "$(team_package out other)"
  run_gupper 64 publish --to repo --keys keys --role nobody "$(team_package out other)"
  run_gupper 78 publish --to repo --keys team --role targets "$(team_package out other)"
  # A second key of the team, without which nothing goes any more.
  gupper trust key two/team.pem >/dev/null
  run_gupper trust add-key team repo --key two/team.pub --threshold 2 --keys keys
  run_gupper trust sign repo --keys team --keys two --keys keys --yes
  [ "$(role_status team .threshold)" = 2 ]
  [ "$(listed)" = 2 ]
  run_gupper trust delegate team repo --remove --keys keys
  [ "$(listed)" = 1 ]
  [ ! -e repo/team-tool-1.0.0-linux-amd64 ]
  run_gupper 64 trust delegate team repo --remove --keys keys
}

@test "trust delegate: given again it keeps what is not said, --terminating too, until --no-terminating" {
  gupper trust key team/team.pem >/dev/null
  delegated() {
    gupper trust delegate team repo "$@" --keys keys --keys team >/dev/null
    node -p 'const [role] = JSON.parse(require("node:fs").readFileSync(process.argv[1])).signed.delegations.roles;
      `${role.terminating} ${role.paths} ${role.keyids.length}`' "repo/metadata/$(said targets).targets.json"
  }
  [ "$(delegated --key team/team.pub --paths 'team-*' --terminating)" = 'true team-* 1' ]
  [ "$(delegated --paths 'other-*')" = 'true other-* 1' ]
  [ "$(delegated --paths 'other-*' --no-terminating)" = 'false other-* 1' ]
  [ "$(delegated --paths 'team-*')" = 'false team-* 1' ]
}

@test "trust delegate: names and patterns that cannot be are refused, 64" {
  gupper trust key team/team.pem >/dev/null
  for name in root targets online bin-0a ../up '' 'a b'; do
    run_gupper 64 trust delegate "$name" repo --key team/team.pub --paths 'team-*' --keys keys
  done
  run_gupper 64 trust delegate team repo --key team/team.pub --keys keys
  run_gupper 64 trust delegate team repo --key team/team.pub --paths 'a/*' --keys keys
  run_gupper 64 trust delegate team repo --paths 'team-*' --keys keys
  run_gupper 64 trust delegate team repo --key team/team.pub --paths 'team-*' --threshold 2 --keys keys
  mkdir few && cp keys/online.pem few/
  run_gupper 78 trust delegate team repo --key team/team.pub --paths 'team-*' --keys few
  [ "$(ls repo/metadata/*.targets.json | wc -l)" = 2 ]
}

@test "trust rotate: a stolen online key that said the highest version there is is told, and replaced; clients recover" {
  forge keys/online.pem repo/metadata/timestamp.json 'signed.version = Number.MAX_SAFE_INTEGER'
  [ "$(listed)" = 1 ]
  run_gupper 77 trust refresh repo --keys keys
  assert_stderr_has "gupper trust rotate online"
  # A rotation that fails leaves no key that nobody has.
  run_gupper 77 trust rotate snapshot repo --keys keys
  [ "$(ls keys | xargs)" = 'online.pem root.json root.pem targets.pem' ]
  run_gupper trust rotate online repo --keys keys
  [ "$(listed)" = 1 ]
  run_gupper trust refresh repo --keys keys
  app 1.1.0 >/dev/null
  run_gupper publish --to repo --keys keys pkgs/app-1.1.0-*
  [ "$(listed)" = 2 ]
}
