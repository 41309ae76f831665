#!/usr/bin/env bats
# A ceremony for two people, as the README shows it: no directory ever holds the private root keys of both.

load helpers
setup() { common_setup; }
teardown() { common_teardown; }

quietly() { gupper "$@" >>log 2>&1 || { cat log >&2; return 1; }; }

# Ann has the repository, Bob and a safe have a root key each; two of the three must sign.
make_ceremony() {
  mkdir stick
  quietly trust key ann/root.pem
  quietly trust key bob/root.pem
  quietly trust key safe/root.pem
  quietly trust init repo --keys ann --key bob/root.pub --key safe/root.pub --threshold 2
  cp repo/.gupper/pending/1.root.json stick/
  quietly trust sign stick/1.root.json --keys bob --yes
  quietly trust sign repo stick/1.root.json
}

@test "ceremony: two people, a key is lost, and the first root is enough for ever" {
  make_package pkgs 1.0.0 >/dev/null
  make_package pkgs 1.1.0 >/dev/null

  # Ann and Bob, each on their own machine; Bob makes a third key for the safe.
  run_gupper trust key ann/root.pem
  run_gupper trust key bob/root.pem
  run_gupper trust key safe/root.pem
  # Ann, with the public halves of the others.
  run_gupper trust init repo --keys ann --key bob/root.pub --key safe/root.pub --threshold 2
  assert_stderr_has "gupper trust sign"
  mkdir stick && cp repo/.gupper/pending/1.root.json stick/
  # Bob, who reads what it says.
  run_gupper trust sign stick/1.root.json --keys bob --yes
  assert_stderr_has "root needs 2 of its 3 keys"
  # Ann.
  run_gupper trust sign repo stick/1.root.json
  [ "$(field .committed <<<"$output")" = true ]
  run_gupper publish --to repo --keys ann pkgs/app-1.0.0-*

  cp repo/metadata/1.root.json client.json
  run_gupper list repo --trust client.json
  [ "$(field .version <<<"$output")" = 1.0.0 ]

  # Ann loses her root key, and makes another; Bob and the safe sign.
  rm ann/root.pem
  run_gupper trust key ann/root-2.pem
  run_gupper trust rotate root repo --replace ann/root.pub --key ann/root-2.pub --keys ann
  cp repo/.gupper/pending/2.root.json stick/
  run_gupper trust sign stick/2.root.json --keys bob --yes
  run_gupper trust sign stick/2.root.json --keys safe --yes
  assert_stderr_has "complete"
  run_gupper trust sign repo stick/2.root.json

  run_gupper publish --to repo --keys ann pkgs/app-1.1.0-*
  run_gupper list repo --trust client.json
  [ "$(field .version <<<"$output")" = 1.1.0 ]
  [ -e repo/metadata/1.root.json ] && [ -e repo/metadata/2.root.json ]
  # No directory ever held the private keys of both.
  [ "$(grep -l 'PRIVATE KEY' bob/* safe/* stick/* repo -r | xargs)" = 'bob/root.pem safe/root.pem' ]
}

@test "ceremony: until the first root is signed there is nothing to trust, and everything says so" {
  quietly trust key ann/root.pem
  quietly trust key bob/root.pem
  make_package pkgs 1.0.0 >/dev/null
  quietly trust init repo --keys ann --key bob/root.pub --threshold 2
  run_gupper 78 publish --to repo --keys ann pkgs/*
  assert_stderr_has "still lacks signatures"
  run_gupper 78 trust refresh repo --keys ann
  run_gupper 1 trust status repo
  [ "$(field .state <<<"$output")" = waits ]
  [ "$(field .missing <<<"$output")" = 1 ]
  run_gupper trust sign repo --keys ann --yes
  [ "$(field .committed <<<"$output")" = false ]
  run_gupper trust sign repo --keys bob --yes
  [ "$(field .committed <<<"$output")" = true ]
  run_gupper publish --to repo --keys ann pkgs/*
  run_gupper trust status repo
}

@test "ceremony: a threshold that the keys cannot reach is refused, 64" {
  quietly trust key bob/root.pem
  run_gupper 64 trust init repo --keys ann --key bob/root.pub --threshold 3
  assert_stderr_has "the role root would have 2 keys, but 3 must sign"
  [ ! -e repo/metadata/timestamp.json ]
}

@test "ceremony: one signature alone changes nothing, twice the same adds nothing" {
  make_ceremony
  run_gupper trust threshold targets 1 repo --keys bob
  [ "$(field .changed <<<"$output")" = false ]
  quietly trust key new/targets.pem
  run_gupper trust add-key targets repo --key new/targets.pub --threshold 2 --keys bob
  [ "$(field .missing <<<"$output")" = 1 ]
  cp -r repo/metadata before
  run_gupper trust sign repo --keys bob --yes
  [ "$(field .changed <<<"$output")" = false ]
  [ "$(field .missing <<<"$output")" = 1 ]
  diff -r before repo/metadata
  run_gupper trust sign repo --keys safe --keys ann --keys new --yes
  diff -r before repo/metadata >/dev/null && return 1
  run_gupper trust status repo --keys ann --keys new
  [ ! -e repo/.gupper/pending ]
}

@test "ceremony: what was changed after somebody signed it is refused, 77" {
  make_ceremony
  quietly trust key eve/root.pem
  run_gupper trust rotate root repo --replace ann/root.pub --key eve/root.pub --keys bob
  cp repo/.gupper/pending/2.root.json stick/
  sed -i 's/"threshold":2/"threshold":1/' stick/2.root.json
  cp stick/2.root.json before
  run_gupper 77 trust sign stick/2.root.json --keys safe --yes
  assert_stderr_has "was changed after"
  cmp before stick/2.root.json
  run_gupper 77 trust sign repo stick/2.root.json
  cp stick/2.root.json repo/.gupper/pending/
  run_gupper 77 trust sign repo --keys safe --yes
  run_gupper 77 trust status repo
  [ ! -e repo/metadata/2.root.json ]
  printf '{' >repo/.gupper/pending/2.root.json
  run_gupper 77 trust sign repo --keys safe --yes
  assert_no_trace
}

# A file that waits, as somebody writes it who has no key: forge FILE 'what changes v, the next version'.
forge() {
  node -e '
    const fs = require("node:fs"), [file, from, change] = process.argv.slice(1)
    const before = JSON.parse(fs.readFileSync(from)), v = structuredClone(before.signed)
    v.version++
    const gupper = { role: v._type, before }
    if (v._type === "targets") {
      const { keys, roles } = JSON.parse(fs.readFileSync("repo/metadata/1.root.json")).signed
      gupper.authorities = [{ role: roles.targets, keys }]
    }
    eval(change)
    fs.writeFileSync(file, JSON.stringify({ signatures: [], signed: v, gupper }))' "$@"
}

@test "ceremony: another key under an old id is refused, 77, at home and away" {
  make_ceremony
  quietly trust key eve/root.pem
  forge stick/2.root.json repo/metadata/1.root.json '
    const key = require("node:crypto").createPublicKey(fs.readFileSync("eve/root.pub"))
    const hex = key.export({ type: "spki", format: "der" }).subarray(-32).toString("hex")
    v.keys[v.roles.targets.keyids[0]].keyval.public = hex'
  run_gupper 77 trust sign stick/2.root.json --keys bob --yes
  assert_stderr_has "another key under the id"
  run_gupper 77 trust sign stick/2.root.json --bytes
  run_gupper 77 trust sign repo stick/2.root.json --keys bob --yes
  mkdir -p repo/.gupper/pending && cp stick/2.root.json repo/.gupper/pending/
  run_gupper 77 trust sign repo --keys bob --yes
  run_gupper 77 trust status repo
  [ ! -e repo/metadata/2.root.json ]
  assert_no_trace
}

@test "ceremony: what is compared with an older version than the one before is refused, 77" {
  make_ceremony
  quietly trust key new/targets.pem
  quietly trust rotate targets repo --key new/targets.pub --keys bob --keys ann --keys new
  [ -e repo/metadata/2.root.json ]
  forge stick/3.root.json repo/metadata/1.root.json 'v.version = 3'
  run_gupper 77 trust sign stick/3.root.json --keys bob --yes
  assert_stderr_has "compares itself with version 1"
  # Its repository compares it with what stands there, also for those who only take the bytes.
  mkdir -p repo/.gupper/pending && cp stick/3.root.json repo/.gupper/pending/
  for how in repo repo/.gupper/pending/3.root.json; do
    gupper trust sign "$how" --bytes >bytes 2>said
    grep -q "targets loses the key" said
  done
  run_gupper trust sign repo
  assert_stderr_has "targets loses the key"
}

@test "ceremony: names can neither erase nor fake what a signer reads, and all of them can be read" {
  make_ceremony
  forge stick/2.targets.json repo/metadata/1.targets.json '
    const target = { length: 1, hashes: { sha256: "00" } }
    for (let i = 0; i < 30; i++) v.targets["a" + (10 + i) + "-1.0.0-linux-amd64"] = target
    v.targets["zz\u001b[2K\r  the same packages as before\n\u202e\u009b-1.0.0-linux-amd64"] = target'
  run_gupper trust sign stick/2.targets.json
  assert_stderr_has "and 11 more, which --verbose names"
  assert_stderr_has "version 2 of targets, as the file says"
  run_gupper trust sign stick/2.targets.json --verbose --text
  assert_stderr_has 'zz\u001b[2K\r  the same packages as before\n\u202e\u009b-1.0.0'
  LC_ALL=C grep -qP '[\x00-\x08\x0b-\x1f]|\xc2\x9b|\xe2\x80\xae' <<<"$stderr" && return 1
  # At home what is brought has to have its bytes.
  local number
  for number in {10..39}; do printf x >"repo/targets/00.a$number-1.0.0-linux-amd64"; done
  run_gupper trust sign repo stick/2.targets.json
  assert_stderr_has "and 11 more, which --verbose names"
}

@test "ceremony: what a file says to replace is told beside all of it, unless the signer has signed that" {
  make_ceremony
  forge stick/2.targets.json repo/metadata/1.targets.json '
    v.targets["evil-1.0.0-linux-amd64"] = { length: 1, hashes: { sha256: "00" } }
    gupper.before = { signatures: [], signed: { ...v, version: 1 } }'
  run_gupper trust sign stick/2.targets.json --keys ann --yes
  assert_stderr_has "which none of your keys has signed"
  assert_stderr_has "adds the package evil-1.0.0-linux-amd64"
  forge stick/2.targets.json repo/metadata/1.targets.json ''
  run_gupper trust sign stick/2.targets.json --keys ann --yes
  assert_stderr_has "which you have signed"
  [[ "$stderr" != *"in full"* ]]
}

@test "ceremony: a signature of a key that is not the role's does not count" {
  make_ceremony
  quietly trust key eve/root.pem
  quietly trust key new/root.pem
  run_gupper trust rotate root repo --replace ann/root.pub --key new/root.pub --keys bob
  cp repo/.gupper/pending/2.root.json stick/
  run_gupper 78 trust sign stick/2.root.json --keys eve --yes
  assert_stderr_has "none of its keys"
  # Put there by hand it is no more than noise.
  node -e '
    const fs = require("node:fs"), v = JSON.parse(fs.readFileSync("stick/2.root.json"))
    v.signatures.push({ keyid: "e".repeat(64), sig: "00".repeat(64) })
    fs.writeFileSync("stick/2.root.json", JSON.stringify(v))'
  run_gupper trust sign repo stick/2.root.json
  assert_stderr_has "does not count"
  [ "$(field .missing <<<"$output")" = 1 ]
  [ ! -e repo/metadata/2.root.json ]
}

@test "ceremony: of two changes the one that is signed first wins, and the other is told so, 65" {
  make_ceremony
  quietly trust key one/root.pem
  quietly trust key two/root.pem
  cp -r repo other
  quietly trust rotate root repo --replace ann/root.pub --key one/root.pub --keys bob
  cp repo/.gupper/pending/2.root.json stick/
  gupper trust rotate root other --replace ann/root.pub --key two/root.pub --keys bob >/dev/null 2>&1
  cp other/.gupper/pending/2.root.json late.json
  run_gupper 65 trust sign repo late.json
  assert_stderr_has "another change of root"
  run_gupper trust sign repo --keys safe --yes
  run_gupper 65 trust sign repo late.json
  assert_stderr_has "another change came first"
  run_gupper 65 trust sign repo stick/2.root.json --keys ann
  [ "$(ls repo/metadata/*.root.json | wc -l)" = 2 ]
}

@test "ceremony: signing asks on the terminal, and no is no" {
  need script
  make_ceremony
  quietly trust key new/root.pem
  quietly trust rotate root repo --replace ann/root.pub --key new/root.pub --keys bob
  cp repo/.gupper/pending/2.root.json stick/
  cp stick/2.root.json before
  printf 'no\n' | script -qec 'gupper trust sign stick/2.root.json --keys safe; echo $? >status' shown >/dev/null
  [ "$(cat status)" = 1 ]
  grep -q 'sign this?' shown
  cmp before stick/2.root.json
  printf 'yes\n' | script -qec 'gupper trust sign stick/2.root.json --keys safe; echo $? >status' shown >/dev/null
  [ "$(cat status)" = 0 ]
  grep -q 'root loses the key' shown
  run_gupper trust sign repo stick/2.root.json
  [ "$(field .committed <<<"$output")" = true ]
}

@test "ceremony: without a terminal, and without --yes, nothing is signed, 64" {
  need setsid
  make_ceremony
  quietly trust key new/root.pem
  quietly trust rotate root repo --replace ann/root.pub --key new/root.pub --keys bob
  run -64 --separate-stderr setsid -w gupper trust sign repo --keys safe
  assert_stderr_has "--yes"
  [ ! -e repo/metadata/2.root.json ]
}

@test "ceremony: what a team brings home is refused where clients could not use it, and nothing is written" {
  load repository
  init
  app 1.0.0 | publish >/dev/null
  gupper trust key team/team.pem >/dev/null
  gupper trust delegate team repo --key team/team.pub --paths 'team-*' --keys keys --keys team >/dev/null
  [ "$(role_status team)" = ok ]
  file=team-1.0.0-linux-amd64
  hash=$(sha256sum <<<"$file" | cut -d' ' -f1)
  authority=$(node -p 'JSON.stringify(JSON.parse(require("node:fs").readFileSync(process.argv[1])).signed.delegations)' \
    "repo/metadata/$(said targets).targets.json")
  bring() { # bring JS: a new version of what the team says
    forge team/team.pem repo/metadata/1.team.json "signed.version = 2; $1" 2.team.json
    node -e 'const fs = require("node:fs"), [, authority] = process.argv, { keys, roles: [role] } = JSON.parse(authority)
      const file = JSON.parse(fs.readFileSync("2.team.json"))
      fs.writeFileSync("2.team.json", JSON.stringify({ ...file, gupper: { role: "team", authorities: [{ role, keys }] } }))' "$authority"
  }
  sums repo >before
  bring "signed.targets['$file'] = { length: 23, hashes: { sha256: '$hash' } }"
  run_gupper 69 trust sign repo 2.team.json
  assert_stderr_has "lacks $hash.$file"
  sums repo | diff before -
  bring "signed.delegations = { keys: {}, roles: [{ name: 'sub', keyids: ['x'], threshold: 1, terminating: false, paths: ['*'] }] }"
  run_gupper 65 trust sign repo 2.team.json
  assert_stderr_has "team delegates to others in turn (sub)"
  sums repo | diff before -
  bring "signed.targets['$file'] = { length: 23, hashes: { sha256: '$hash' } }"
  echo "$file" >"repo/targets/$hash.$file"
  run_gupper trust sign repo 2.team.json --keys keys/online.pem
  [ "$(field .committed <<<"$output")" = true ]
  [ "$(listed)" = 2 ]
}
