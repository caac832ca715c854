//! The name by which programs ask for the shared library: with the version of the binary interface in it (`AMT_ABI_VERSION`).

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux") {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libamt.so.1");
    }
}
