//! Sessions as a user sees them, word for word. `TRYCMD=overwrite cargo test -p amt-cli --test golden` accepts a change.

#[test]
fn sessions() {
    trycmd::TestCases::new().case("tests/cmd/*.trycmd");
}
