//! `dist`: what a release consists of, and that it works where it is unpacked.

mod library;
mod managed;
mod openssl;
mod sbom;
mod silent;
mod try_it;
mod wheel;
mod windows;

use crate::process::{need, need_rustup, program, read, root, run, target};
use crate::stages::Count;
use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Rust's name of the systems a release for Linux is built for.
const SYSTEM: &str = "x86_64-unknown-linux-gnu";
/// Version of every package of the workspace.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How it is built.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Build {
    /// Small and optimised, in all variants: a release.
    Release,
    /// As the tests built it: shows that packages are whole, in a minute.
    Development,
}

/// What was built, before it is packed.
struct Parts {
    /// Folder with `libamt_ffi.so` and `libamt_ffi.a`, with TLS before 1.2.
    library: PathBuf,
    /// The same without OpenSSL.
    pure: Option<PathBuf>,
    /// The command line.
    amt: PathBuf,
    /// Folder with `amt_ffi.dll` and `amt.exe`.
    windows: PathBuf,
    /// Wheel and, in a release, source distribution.
    python: Vec<PathBuf>,
}

/// Builds, packs into `target/dist-packages`, then unpacks each package elsewhere and runs the examples from there.
pub(crate) fn run_all(build: Build) -> Result<Count> {
    let parts = Parts {
        library: library::build(build, library::Variant::Legacy)?,
        pure: match build {
            Build::Release => Some(library::build(build, library::Variant::Pure)?),
            Build::Development => None,
        },
        amt: library::amt(build)?,
        windows: windows::build(build)?,
        python: wheel::build(build)?,
    };
    let out = target("dist-packages");
    fresh(&out)?;
    let bom = sbom::write(&out)?;
    let linux = library::pack(&parts.library, Some(&parts.amt), &bom, &out, "linux-x86_64")?;
    if let Some(pure) = &parts.pure {
        library::pack(pure, None, &bom, &out, "linux-x86_64-pure")?;
    }
    let windows = windows::pack(&parts.windows, &bom, &out)?;
    let managed = managed::pack(&parts, &bom, &out)?;
    for file in &parts.python {
        fs::copy(file, out.join(file.file_name().context("a package without a name")?))?;
    }
    let sums = checksums(&out)?;
    let mut count = try_it::linux(&linux)?;
    count.add(try_it::windows(&windows, &parts.amt)?);
    count.add(try_it::dotnet(&managed, &parts.amt)?);
    count.add(try_it::python(&parts.python)?);
    println!("\n{sums}");
    report(&parts)?;
    println!("packages: {}", out.display());
    Ok(count)
}

/// What a release for Linux is built with. Frame pointers: the tables by which a panic is caught at the border are a third smaller. And the names of
/// sources, which panics tell, begin at the crate: where they were on the machine that built them is nobody's business, and long.
fn released(command: &mut Command) -> Result<&mut Command> {
    let mut flags = vec!["-Cforce-frame-pointers=yes".to_owned()];
    let mut rename = |from: &Path, to: &str| flags.push(format!("--remap-path-prefix={}={to}", from.display()));
    rename(&root(), ".");
    rename(&std_source()?, "rust");
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo"))).context("cargo has no home")?;
    // A folder for each registry; where crates are vendored there is none.
    for registry in fs::read_dir(home.join("registry/src")).into_iter().flatten() {
        rename(&registry?.path(), "crates");
    }
    openssl::within(command.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f")))
}

/// Has cargo build the standard library along, for size too and without what prints backtraces: a quarter of a megabyte. It calls that unstable.
fn with_std(command: &mut Command) -> Result<&mut Command> {
    need_rustup("component", "rust-src", std_source()?.join("library/Cargo.lock").is_file())?;
    command.args(["-Zbuild-std=std,panic_unwind", "-Zbuild-std-features=optimize_for_size", "--target", SYSTEM]);
    Ok(command.env("RUSTC_BOOTSTRAP", "1"))
}

/// Where cargo, in its folder `folder`, puts what was built with the standard library.
fn built_with_std(folder: &Path) -> PathBuf {
    folder.join(SYSTEM).join("dist")
}

fn std_source() -> Result<PathBuf> {
    let sysroot = read(&mut program("rustc", &["--print", "sysroot"]))?;
    Ok(Path::new(sysroot.trim()).join("lib/rustlib/src/rust"))
}

/// An empty folder.
fn fresh(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())
}

/// Copies a file into a folder, which is made if it is not there.
fn put(file: &Path, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let name = file.file_name().context("a file without a name")?;
    fs::copy(file, folder.join(name)).with_context(|| file.display().to_string())?;
    Ok(())
}

/// Copies the files of a folder of the workspace, without its subfolders.
fn put_all(folder: &str, place: &Path) -> Result<()> {
    for entry in fs::read_dir(root().join(folder)).with_context(|| folder.to_owned())? {
        let path = entry?.path();
        if path.is_file() {
            put(&path, place)?;
        }
    }
    Ok(())
}

/// Licences, documentation and the bill of materials.
fn put_documents(place: &Path, bom: &Path) -> Result<()> {
    for file in ["LICENSE-APACHE", "LICENSE-MIT", "README.md", "CHANGELOG.md"] {
        put(&root().join(file), place)?;
    }
    put(bom, place)
}

/// Packs a folder under its own name; the same files give the same archive.
fn tarball(folder: &Path) -> Result<PathBuf> {
    let (parent, name) = split(folder)?;
    let archive = parent.join(format!("{name}.tar.gz"));
    let mut tar = program("tar", &["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner", "-C"]);
    run(tar.arg(parent).args(["--use-compress-program=gzip -n", "-cf"]).arg(&archive).arg(name))?;
    fs::remove_dir_all(folder)?;
    Ok(archive)
}

fn zip(folder: &Path) -> Result<PathBuf> {
    let (parent, name) = split(folder)?;
    let archive = parent.join(format!("{name}.zip"));
    need("zip", "zip")?;
    run(program("zip", &["-q", "-r", "-X"]).arg(&archive).arg(name).current_dir(parent))?;
    fs::remove_dir_all(folder)?;
    Ok(archive)
}

fn split(folder: &Path) -> Result<(&Path, &str)> {
    let name = folder.file_name().and_then(|name| name.to_str()).context("a folder without a name")?;
    Ok((folder.parent().context("a folder without a parent")?, name))
}

/// Writes `SHA256SUMS`, as `sha256sum --check` reads it.
fn checksums(out: &Path) -> Result<String> {
    let mut files: Vec<PathBuf> = fs::read_dir(out)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.sort();
    let mut sums = String::new();
    for file in files.iter().filter(|file| file.is_file()) {
        let digest: String = Sha256::digest(fs::read(file)?).iter().map(|byte| format!("{byte:02x}")).collect();
        let (_, name) = split(file)?;
        sums.push_str(&format!("{digest}  {name}\n"));
    }
    fs::write(out.join("SHA256SUMS"), &sums)?;
    run(program("sha256sum", &["--check", "--quiet", "SHA256SUMS"]).current_dir(out))?;
    Ok(sums)
}

/// Sizes of the stripped shared libraries, and how much of them is SQLite's.
fn report(parts: &Parts) -> Result<()> {
    let variants = [("with TLS before 1.2", Some(&parts.library)), ("pure", parts.pure.as_ref())];
    for (name, folder) in variants.into_iter().filter_map(|(name, folder)| Some((name, folder?))) {
        let stripped = library::stripped(&folder.join("libamt_ffi.so"))?;
        println!("libamt.so, {name}: {:.2} MB stripped", megabytes(fs::metadata(stripped)?.len()));
        // What the tests built lies without what it was built of.
        if folder.join("build").is_dir() {
            println!("  of which code and data of SQLite: {:.2} MB", megabytes(library::sqlite(folder)?));
        }
    }
    Ok(())
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// The version of the binary interface, as the committed header has it.
fn abi() -> Result<u32> {
    let header = fs::read_to_string(root().join("amt-ffi/include/amt.h"))?;
    let line = header.lines().find_map(|line| line.strip_prefix("#define AMT_ABI_VERSION "));
    line.context("amt.h has no AMT_ABI_VERSION")?.trim().parse().context("AMT_ABI_VERSION")
}

/// A file of the package's own, with the versions in it.
fn put_filled(template: &str, place: &Path) -> Result<()> {
    let text = fs::read_to_string(root().join(template)).with_context(|| template.to_owned())?;
    let mut parts = VERSION.split('.');
    let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let mut text = text.replace("@VERSION@", VERSION).replace("@ABI@", &abi()?.to_string());
    text = text.replace("@MAJOR@", major).replace("@MINOR@", minor);
    if text.contains('@') {
        bail!("{template}: something in it was not filled in");
    }
    fs::create_dir_all(place)?;
    let name = Path::new(template).file_name().context("a template without a name")?;
    Ok(fs::write(place.join(name), text)?)
}

/// The names that the library exports, one a line, as committed.
fn symbols() -> Result<String> {
    Ok(fs::read_to_string(root().join("abi/symbols.txt"))?)
}

/// What `nm` says of a file.
fn nm(arguments: &[&str], file: &Path) -> Result<String> {
    read(program("nm", arguments).arg(file))
}
