//! Log-in by Kerberos and the directory's part of it: a domain controller of MIT Kerberos and an OpenLDAP of the tests' own.

use crate::process::{cargo, need, need_until, watch};
use crate::stages::{Count, test_result};
use anyhow::{Result, bail};
use std::path::Path;

/// Programs of Debian, where they are, and their packages.
const PROGRAMS: &[(&str, &str)] = &[
    ("/usr/sbin/krb5kdc", "krb5-kdc"),
    ("/usr/sbin/kadmin.local", "krb5-admin-server"),
    ("/usr/sbin/slapd", "slapd"),
    ("/usr/include/gssapi/gssapi.h", "libkrb5-dev"),
];

/// Where Debian's packages of LLVM put it.
fn has_libclang() -> bool {
    let versions = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let mut folders = versions.filter(|entry| entry.file_name().to_string_lossy().starts_with("llvm-"));
    folders.any(|folder| folder.path().join("lib/libclang.so").exists())
}

/// The tests that need the feature `kerberos`.
pub(crate) fn check() -> Result<Count> {
    for (file, package) in PROGRAMS {
        need_until(file, package, || Path::new(file).exists())?;
    }
    need("kinit", "krb5-user")?;
    need("ldapsearch", "ldap-utils")?;
    // Makes the binding to GSS-API.
    need_until("libclang", "libclang-dev", has_libclang)?;
    let mut count = Count::default();
    let mut tests = cargo(&["test", "--workspace", "--features", "amt-cli/kerberos"]);
    tests.args(["--test", "kerberos", "--test", "directory"]);
    let good = watch(&mut tests, |line| count.add(test_result(line)))?;
    if count == Count::default() || !good && count.failed == 0 {
        bail!("the tests did not run");
    }
    Ok(count)
}
