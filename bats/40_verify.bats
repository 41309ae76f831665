load helpers
setup() {
  common_setup
  make_program app.bin 1.9.2
  cp app.bin app-1.9.2-any-any
  digest=$(node -p 'require("node:crypto").hash("sha256", require("node:fs").readFileSync("app.bin"))')
  size=$(wc -c <app.bin | tr -d ' ')
  record="{\"schema\":1,\"name\":\"app\",\"version\":\"1.9.2\",\"os\":\"any\",\"arch\":\"any\",\"file\":\"app-1.9.2-any-any\",\"path\":\"$PWD/app-1.9.2-any-any\",\"size\":$size,\"digest\":\"sha256:$digest\"}"
  printf '%s\n' "$record" >record
}
teardown() { common_teardown; }

# refused CODE: what came out is one failure with that code, which a later step passes on without acting.
refused() {
  [ "$(wc -l <<<"$output")" -eq 1 ]
  [ "$(field .error.code <<<"$output")" = "$1" ]
  [ "$(field .error.step <<<"$output")" = verify ]
  assert_no_trace
  printf '%s\n' "$output" >failure
  run -"$(field .error.exit <failure)" --separate-stderr gupper install --to ./target <failure
  [ ! -e target ]
}

@test "verify hashes again what a record announces, and adds the proof" {
  run_gupper verify <record
  assert_output_is "${record%\}},\"proofs\":[{\"by\":\"digest\"}]}"
  [ -z "$stderr" ]
}

@test "verify refuses bytes that changed: 77, and nothing is passed on or installed" {
  echo '# more' >>app-1.9.2-any-any
  run_gupper 77 verify <record
  refused untrusted
}

@test "verify refuses a record without a digest, unless none is required" {
  sed 's/,"digest":"[^"]*"//' record >bare
  run_gupper 77 verify <bare
  assert_stderr_has "--require none"
  refused unproven
  run_gupper verify --require none <bare
  assert_output_has '"proofs":[]'
}

@test "a digest that fetch computed itself is no proof: fetch | verify refuses it" {
  need sha256sum
  sed "s/,\"digest\":\"[^\"]*\"//; s#,\"path\":\"[^\"]*\"#,\"url\":\"file://$PWD/app-1.9.2-any-any\"#" record >bare
  run_sh 77 'gupper fetch <bare | gupper verify | gupper install --to ./target'
  assert_stderr_has "nothing proves"
  [ ! -e target ]
  sha256sum app-1.9.2-any-any >SUMS
  run_sh 'gupper fetch <bare | gupper verify --checksums SUMS | gupper verify | gupper install --to ./target'
  cmp target app.bin
}

@test "verify takes checksum files as sha256sum, sha512sum and --tag write them" {
  need sha256sum
  for sum in "sha256sum" "sha256sum -b" "sha256sum --tag" "sha512sum" "sha512sum --tag"; do
    $sum ./app-1.9.2-any-any >SUMS
    run_gupper verify --checksums SUMS --require checksums <record
    assert_output_has '{"by":"checksums","from":"SUMS"}'
  done
  run_sh "cat record | gupper verify --checksums SUMS --require digest,checksums | gupper install --to ./target"
  cmp target app.bin
}

@test "verify reads a checksum file from a pipe" {
  need sha256sum
  run -0 bash -c 'gupper verify --checksums <(sha256sum app-1.9.2-any-any) <record'
  assert_output_has '"by":"checksums"'
}

@test "verify refuses what a checksum file does not name, or names otherwise" {
  need sha256sum
  sha256sum app.bin >SUMS
  run_gupper 77 verify --checksums SUMS <record
  refused untrusted
  printf '%064d  app-1.9.2-any-any\n' 0 >SUMS
  run_gupper 77 verify --checksums SUMS <record
  refused untrusted
  run_gupper 77 verify --checksums nowhere <record
  refused untrusted
}

@test "verify takes signatures of the real minisign, prehashed and legacy, and tells the trusted comment" {
  make_minisign one
  minisign -S -s one.key -m app-1.9.2-any-any -t 'built in the open' >/dev/null
  run_gupper verify --minisign one.pub <record
  assert_output_has '"comment":"built in the open"'
  run_gupper verify --minisign "$(tail -1 one.pub)" --require minisign <record
  assert_output_has "\"key\":\"$(minisign_id one.pub)\""
  minisign -S -l -s one.key -m app-1.9.2-any-any >/dev/null
  run_gupper verify --minisign one.pub <record
  assert_output_has '"by":"minisign"'
}

@test "verify refuses another key, a changed comment, a cut signature, and none at all" {
  make_minisign one two
  run_gupper 77 verify --minisign one.pub --require none <record
  assert_stderr_has "app-1.9.2-any-any.minisig"
  refused untrusted
  minisign -S -s two.key -m app-1.9.2-any-any >/dev/null
  run_gupper 77 verify --minisign one.pub <record
  refused untrusted
  minisign -S -s one.key -m app-1.9.2-any-any -t first >/dev/null
  cp app-1.9.2-any-any.minisig good
  sed 's/first/other/' good >app-1.9.2-any-any.minisig
  run_gupper 77 verify --minisign one.pub <record
  assert_stderr_has "trusted comment"
  refused untrusted
  head -c 200 good >app-1.9.2-any-any.minisig
  run_gupper 77 verify --minisign one.pub <record
  refused untrusted
}

@test "verify refuses an old package that is sold as a new one" {
  make_minisign one
  minisign -S -s one.key -m app-1.9.2-any-any >/dev/null
  sed 's/"version":"1.9.2"/"version":"9.9.9"/' record >sold
  run_gupper 77 verify --minisign one.pub <sold
  refused untrusted
}

@test "verify proves plain files, and makes records of those named like packages" {
  make_minisign one
  minisign -S -s one.key -m app.bin app-1.9.2-any-any >/dev/null
  run_gupper verify app-1.9.2-any-any app.bin --minisign one.pub
  [ "$(field .version <<<"${lines[0]}")" = 1.9.2 ]
  [ "$(field .digest <<<"${lines[1]}")" = "sha256:$digest" ]
  [ "$(field .schema <<<"${lines[1]}")" = "" ] || [ "$(field .schema <<<"${lines[1]}")" = undefined ]
  run_sh 'gupper verify app-1.9.2-any-any --minisign one.pub | gupper install --to ./target'
  cmp target app.bin
  run_gupper 77 verify app.bin
  run_gupper 69 verify nowhere --require none
}

@test "verify shows a table with --text" {
  run_gupper verify --text <record
  [[ ${lines[0]} == NAME*PROOFS* ]]
  [[ ${lines[1]} == app*digest* ]]
}

@test "verify with flags that make no sense is a usage error" {
  run_gupper 64 verify --require minisgin <record
  assert_stderr_has "minisign"
  run_gupper 64 verify --require none,digest <record
  run_gupper 64 verify --signature x <record
  run_gupper 64 verify --minisign nowhere.pub <record
  run_gupper 78 verify --minisign app.bin <record
  assert_no_trace
}

@test "verify passes failures of earlier steps on, and exits with their status" {
  failure='{"error":{"step":"fetch","code":"unreachable","exit":69,"message":"no"}}'
  run_sh 69 "{ echo '$failure'; cat record; } | gupper verify"
  [ "${lines[0]}" = "$failure" ]
  [ "$(field .proofs <<<"${lines[1]}")" = '[{"by":"digest"}]' ]
}

@test "misbehaviour: no file, a directory, a pipe that nobody writes to, a record without bytes" {
  rm app-1.9.2-any-any
  run_gupper 69 verify <record
  mkdir app-1.9.2-any-any
  run_gupper 69 verify <record
  rmdir app-1.9.2-any-any
  mkfifo app-1.9.2-any-any
  run_gupper 69 verify <record
  sed 's/,"path":"[^"]*"//' record >homeless
  run_gupper 77 verify <homeless
  assert_stderr_has "gupper fetch"
}

@test "a server's checksums and signatures are fetched from where the package is" {
  make_minisign one
  mkdir repo
  cp app.bin repo/app-1.9.2-any-any
  (cd repo && minisign -S -s ../one.key -m app-1.9.2-any-any >/dev/null)
  printf '%s  app-1.9.2-any-any\n' "$digest" >repo/SHA256SUMS
  start_server repo
  run_sh "gupper list $SERVER_URL | gupper fetch | gupper verify --minisign one.pub --checksums $SERVER_URL/download/SHA256SUMS --require digest,checksums,minisign | gupper install --to ./target"
  cmp target app.bin
}
