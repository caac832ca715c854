//! OpenSSL as a release has it: what TLS 1.0 to 1.2 of old firmware takes, and nothing else. The crate that carries its source builds nearly all of
//! it, 4.6 MB of a library.

use crate::process::{need, program, run, target};
use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// How it is built. The paths get into what is built; nothing is ever looked for there.
const FORM: &str = "linux-x86_64 --prefix=/usr/local --openssldir=/usr/local/ssl --libdir=lib \
    no-shared no-module no-dso no-apps no-docs no-tests no-makedepend";
/// Parts that nobody calls. Sockets are tokio's, the configuration file of a computer is none of ours, and where in OpenSSL's sources an error came
/// up is of no use without them.
const PARTS: &str = "no-engine no-legacy no-autoload-config no-ui-console no-sock no-http no-ocsp no-cmp no-cms no-ts no-ct no-rfc3779 \
    no-async no-secure-memory no-thread-pool no-filenames";
/// Of TLS. 1.3 is rustls' alone.
const TLS: &str = "no-tls1_3 no-quic no-dtls no-ssl3 no-srtp no-srp no-nextprotoneg no-comp no-ktls no-tfo no-multiblock \
    no-integrity-only-ciphers no-tls-deprecated-ec";
/// Algorithms of none of the suites that are offered, and of no certificate that firmware has.
const ALGORITHMS: &str = "no-dsa no-ec2m no-ecx no-gost no-lms no-ml-dsa no-ml-kem no-slh-dsa no-sm2 \
    no-aria no-bf no-camellia no-cast no-chacha no-des no-idea no-ocb no-rc2 no-rc4 no-rc5 no-seed no-siv no-sm4 \
    no-argon2 no-blake2 no-cmac no-md2 no-md4 no-mdc2 no-poly1305 no-rmd160 no-scrypt no-siphash no-sm3 no-whirlpool";
/// Size before speed. Old firmware is slower than C without assembler. Without that, AES has to be asked for steps that take the same time whatever the
/// key is. A section for each function: the linker leaves out what nothing calls.
const FLAGS: &str = "no-asm -DOPENSSL_SMALL_FOOTPRINT -DOPENSSL_AES_CONST_TIME -Os -fvisibility=hidden -ffunction-sections -fdata-sections \
    -fno-asynchronous-unwind-tables -fno-unwind-tables";

/// Has a build by cargo take this OpenSSL in place of the crate's own.
pub(super) fn within(command: &mut Command) -> Result<&mut Command> {
    let folder = build()?;
    command.env("OPENSSL_NO_VENDOR", "1").env("OPENSSL_STATIC", "1");
    Ok(command.env("OPENSSL_LIB_DIR", &folder).env("OPENSSL_INCLUDE_DIR", folder.join("include")))
}

/// Builds it, unless that was done; returns the folder with the libraries and `include`.
fn build() -> Result<PathBuf> {
    let arguments: Vec<&str> = words().collect();
    // Another version or other arguments are another folder: cargo notices that, and not what changes within one.
    let digest = Sha256::digest(arguments.join(" "));
    let short: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let done = target("openssl").join(format!("{}-{short}", openssl_src::version()));
    if done.is_dir() {
        return Ok(done);
    }
    need("perl", "perl")?;
    need("make", "make")?;
    // It becomes the folder when it is whole.
    let work = target("openssl/work");
    if work.exists() {
        fs::remove_dir_all(&work)?;
    }
    fs::create_dir_all(target("openssl"))?;
    // Built where it lies, and so by paths that begin there.
    run(program("cp", &["-r"]).arg(openssl_src::source_dir()).arg(&work))?;
    let mut configure = program("perl", &["./Configure"]);
    run(in_peace(configure.args(&arguments).current_dir(&work).stdout(Stdio::null())))?;
    let jobs = std::thread::available_parallelism().map_or(2, usize::from).to_string();
    let make = |what: &[&str]| {
        let mut command = program("make", &["-s", "-j", &jobs]);
        command.args(what).current_dir(&work);
        command
    };
    // The headers that are made come first: nothing else says what needs them. What this says on stderr is of installing, which nobody does.
    run(in_peace(make(&["build_generated"]).stderr(Stdio::null())))?;
    run(in_peace(&mut make(&["libcrypto.a", "libssl.a"])))?;
    fs::rename(&work, &done).with_context(|| done.display().to_string())?;
    Ok(done)
}

/// What is said to Configure.
fn words() -> impl Iterator<Item = &'static str> {
    [FORM, PARTS, TLS, ALGORITHMS, FLAGS].into_iter().flat_map(str::split_whitespace)
}

/// Without what the environment says to compilers, which would be in no folder's name; and without the hour.
fn in_peace(command: &mut Command) -> &mut Command {
    for name in ["CFLAGS", "CPPFLAGS", "LDFLAGS", "CROSS_COMPILE", "MAKEFLAGS", "MAKELEVEL"] {
        command.env_remove(name);
    }
    command.env("SOURCE_DATE_EPOCH", "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of protocols; in Configure in lists of their own.
    const VERSIONS: &[&str] = &["ssl3", "tls1_3"];

    #[test]
    fn each_part_left_out_is_one_that_openssl_knows() {
        let script = fs::read_to_string(openssl_src::source_dir().join("Configure")).unwrap();
        let (_, list) = script.split_once("my @disablables = (").unwrap();
        let (list, _) = list.split_once(");").unwrap();
        for word in words().filter_map(|word| word.strip_prefix("no-")) {
            assert!(list.contains(&format!("\"{word}\"")) || VERSIONS.contains(&word), "{word}");
        }
    }
}
