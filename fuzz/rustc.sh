#!/bin/sh
# rustc of the workspace's own crates for `cargo xtask fuzz`: with the counters that libFuzzer reads. What is not linked into a fuzz target,
# build scripts and tests among it, stays without: it has nothing that would take the counts.
for argument; do
    case $argument in
    --test | build_script_build | proc-macro) exec "$@" ;;
    esac
done
case ${CARGO_PKG_NAME:-} in
amt*) ;;
*) exec "$@" ;;
esac
exec "$@" -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing
