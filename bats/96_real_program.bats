# Two consecutive releases of a real program, a Go binary from the npm registry: packed, served, fetched, installed, taken back.
load helpers
setup() { common_setup; }
teardown() { common_teardown; }

old=0.28.1
new=0.28.2

# release VERSION: the program of that release, as its publisher ships it.
release() {
  local package
  package=@esbuild/$(node -p 'process.platform + "-" + process.arch')
  mkdir "release-$1"
  (cd "release-$1" && npm pack --silent "$package@$1" >name 2>err) || { grep -qE 'ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT' "release-$1/err" && skip "needs the npm registry"; cat "release-$1/err" >&2; return 1; }
  tar -xzf "release-$1/$(cat "release-$1/name")" -C "release-$1"
}

@test "esbuild $old is installed, updated to $new, and taken back, as a program and as a tree" {
  release $old
  release $new
  for version in $old $new; do
    gupper pack "release-$version/package/bin/esbuild" --name esbuild --version $version --into pkgs >/dev/null
    gupper pack "release-$version/package" --name esbuild-tree --version $version --format tar.zst --into pkgs >/dev/null
  done
  start_server pkgs
  mkdir bin

  run_sh "gupper list $SERVER_URL --name esbuild --range $old | gupper fetch | gupper verify | gupper install --to bin/esbuild --check '{} --version'"
  [ "$(bin/esbuild --version)" = $old ]
  run_gupper update "$SERVER_URL" --to bin/esbuild --check '{} --version'
  [ "$(field .installed.previous <<<"$output")" = $old ]
  [ "$(bin/esbuild --version)" = $new ]
  [ "$(echo 'let x = 1 + 1' | bin/esbuild --minify)" = "let x=2;" ]
  cmp bin/esbuild "release-$new/package/bin/esbuild"
  run_gupper rollback bin/esbuild
  [ "$(bin/esbuild --version)" = $old ]
  run_gupper update "$SERVER_URL" --to bin/esbuild
  assert_silent

  run_sh "gupper list $SERVER_URL --name esbuild-tree --range $old | gupper fetch | gupper install --to bin/tree"
  [ "$(bin/tree/bin/esbuild --version)" = $old ]
  run_gupper update "$SERVER_URL" --to bin/tree --check '"$GUPPER_PROGRAM/bin/esbuild" --version'
  [ "$(bin/tree/bin/esbuild --version)" = $new ]
  run_gupper rollback bin/tree
  [ "$(bin/tree/bin/esbuild --version)" = $old ]
}
