//! A Linux system, from its `sys`, `proc` and `etc`.

use super::smbios::{self, MAX_SMBIOS, Smbios};
use super::{MAX_INTERFACES, STAGE, System, interface, usable};
use amt_core::{ErrorCode, Failure, SystemId};
use std::io::{self, Read as _};
use std::path::Path;

/// Longest of the small text files.
const MAX_TEXT_FILE: u64 = 16 * 1024;
/// Most entries of the interface folder that are looked at.
const MAX_ENTRIES: usize = 4096;

/// `type` of an interface that is Ethernet, cable or radio (`ARPHRD_ETHER`).
const ETHERNET: &str = "1";
/// `addr_assign_type` of an address that the hardware brought along (`NET_ADDR_PERM`).
const PERMANENT: &str = "0";

/// What the kernel command lines of live systems have in them: Debian, Ubuntu, Fedora, Arch, SystemRescue and their like.
const LIVE: &[&str] = &["boot=live", "boot=casper", "rd.live.image", "root=live:", "archisobasedir=", "live-media="];

pub(super) fn read(root: &Path) -> Result<System, Failure> {
    let firmware = firmware(root)?;
    let id = usable(firmware.id)?;
    let text = |path: &str| small_file(&root.join(path)).and_then(|text| smbios::clean(&text));
    Ok(System {
        id,
        model: firmware.model(),
        serial: firmware.serial,
        interfaces: interfaces(&root.join("sys/class/net")),
        os: os(root),
        host_name: host_name(root),
        dns_suffix: dns_suffix(root),
        is_live: text("proc/cmdline")
            .is_some_and(|line| line.split(' ').any(|w| LIVE.iter().any(|l| w.starts_with(l)))),
        version: None,
        standing: None,
    })
}

pub(super) fn host_name(root: &Path) -> Option<String> {
    small_file(&root.join("proc/sys/kernel/hostname")).and_then(|text| smbios::clean(&text))
}

/// The tables themselves, or what the kernel read from them before it showed the tables (Linux 4.2) or on other hardware.
fn firmware(root: &Path) -> Result<Smbios, Failure> {
    let tables = root.join("sys/firmware/dmi/tables/DMI");
    match read_up_to(&tables, MAX_SMBIOS as u64 + 1) {
        Ok(bytes) => Smbios::decode(&bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => kernel_words(root),
        Err(error) => Err(unreadable(&tables, &error)),
    }
}

fn kernel_words(root: &Path) -> Result<Smbios, Failure> {
    let folder = root.join("sys/class/dmi/id");
    let uuid = folder.join("product_uuid");
    let bytes = read_up_to(&uuid, MAX_TEXT_FILE).map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            let text =
                format!("{}: there are no SMBIOS tables on this machine", root.join("sys/firmware/dmi").display());
            return Failure::new(ErrorCode::FILE_READ, STAGE, text)
                .hint("run this on the machine itself, not in a container; /sys must be mounted");
        }
        unreadable(&uuid, &error)
    })?;
    let id: SystemId = String::from_utf8_lossy(&bytes).parse().map_err(|failure: Failure| failure.at(STAGE))?;
    let text = |name: &str| small_file(&folder.join(name)).and_then(|text| smbios::clean(&text));
    let serial = text("product_serial").or_else(|| text("chassis_serial")).or_else(|| text("board_serial"));
    Ok(Smbios { id, maker: text("sys_vendor"), product: text("product_name"), serial })
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let failure = Failure::new(ErrorCode::FILE_READ, STAGE, format!("{}: {error}", path.display()));
    if error.kind() == io::ErrorKind::PermissionDenied {
        return failure.hint("only root may read the machine's UUID: run this as root, for example with sudo");
    }
    failure
}

/// Addresses of the hardware's own interfaces, sorted.
fn interfaces(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<String> = entries.take(MAX_ENTRIES).filter_map(|entry| address(&entry.ok()?.path())).collect();
    found.sort_unstable();
    found.dedup();
    found.truncate(MAX_INTERFACES);
    found
}

fn address(entry: &Path) -> Option<String> {
    let text = |name: &str| small_file(&entry.join(name)).map(|text| text.trim().to_owned());
    // Virtual interfaces have no device; those on USB belong to a dock or an adapter that is on another machine tomorrow.
    let bus = std::fs::canonicalize(entry.join("device/subsystem")).ok()?;
    if bus.file_name()? == "usb" || text("type")? != ETHERNET {
        return None;
    }
    // Members of a bond show the bond's address; their own is kept beside it.
    let own = text("bonding_slave/perm_hwaddr");
    if own.is_none() && text("addr_assign_type").is_some_and(|kind| kind != PERMANENT) {
        return None;
    }
    let digits: Vec<u8> = own
        .or_else(|| text("address"))?
        .split(':')
        .map(|byte| {
            let is_hex = byte.len() == 2 && byte.bytes().all(|b| b.is_ascii_hexdigit());
            is_hex.then(|| u8::from_str_radix(byte, 16).ok()).flatten()
        })
        .collect::<Option<_>>()?;
    interface(digits.try_into().ok()?)
}

fn os(root: &Path) -> Option<String> {
    let text = small_file(&root.join("etc/os-release")).or_else(|| small_file(&root.join("usr/lib/os-release")))?;
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
        smbios::clean(line.trim().trim_matches(['"', '\'']))
    };
    value("PRETTY_NAME").or_else(|| value("NAME"))
}

/// The first suffix of the resolver's; `.` and what systemd writes for none are none.
fn dns_suffix(root: &Path) -> Option<String> {
    let text = small_file(&root.join("etc/resolv.conf"))?;
    let words = |key: &str| {
        let line = text.lines().rev().find(|line| line.split_whitespace().next() == Some(key))?;
        line.split_whitespace().skip(1).map(|w| w.trim_matches('.')).find(|w| !w.is_empty()).map(str::to_lowercase)
    };
    words("search").or_else(|| words("domain"))
}

fn small_file(path: &Path) -> Option<String> {
    Some(String::from_utf8_lossy(&read_up_to(path, MAX_TEXT_FILE).ok()?).into_owned())
}

fn read_up_to(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::smbios::tests::{WIRE, table};
    use super::*;
    use std::fs;

    const TABLES: &str = "sys/firmware/dmi/tables/DMI";

    fn put(root: &Path, path: &str, content: impl AsRef<[u8]>) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// An interface as the kernel shows it: its address, how it came by it, and the bus that it is on.
    fn put_interface(root: &Path, name: &str, address: &str, assigned: &str, bus: Option<&str>) {
        let folder = format!("sys/class/net/{name}");
        put(root, &format!("{folder}/address"), format!("{address}\n"));
        put(root, &format!("{folder}/addr_assign_type"), format!("{assigned}\n"));
        put(root, &format!("{folder}/type"), "1\n");
        if let Some(bus) = bus {
            let (device, bus) = (root.join(&folder).join("device"), root.join("sys/bus").join(bus));
            fs::create_dir_all(&device).unwrap();
            fs::create_dir_all(&bus).unwrap();
            std::os::unix::fs::symlink(bus, device.join("subsystem")).unwrap();
        }
    }

    fn installed() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        put(root, TABLES, table(WIRE, &[b"Dell Inc.", b"OptiPlex 7090", b"-", b"ABC1234"], b"-"));
        put(root, "proc/sys/kernel/hostname", "pc1\n");
        put(root, "proc/cmdline", "BOOT_IMAGE=/vmlinuz quiet\n");
        put(root, "etc/os-release", "NAME=\"Debian\"\nPRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\n");
        put(root, "etc/resolv.conf", "# x\nnameserver 10.0.0.1\nsearch Corp.Example.COM. example.com\n");
        put_interface(root, "eno1", "00:1b:21:aa:bb:cc", "0", Some("pci"));
        folder
    }

    #[test]
    fn an_installed_system_is_read_whole() {
        let folder = installed();
        let system = System::read_under(folder.path()).unwrap();
        assert_eq!(system.id.to_string(), "00112233-4455-6677-8899-aabbccddeeff");
        assert_eq!(system.model.as_deref(), Some("Dell Inc. OptiPlex 7090"));
        assert_eq!(system.serial.as_deref(), Some("ABC1234"));
        assert_eq!(system.interfaces, ["00:1b:21:aa:bb:cc"]);
        assert_eq!(system.os.as_deref(), Some("Debian GNU/Linux 13 (trixie)"));
        assert_eq!((system.host_name.as_deref(), system.is_live), (Some("pc1"), false));
        assert_eq!(system.dns_suffix.as_deref(), Some("corp.example.com"));
    }

    #[test]
    fn interfaces_are_those_of_the_machine_alone() {
        let folder = installed();
        let root = folder.path();
        put_interface(root, "lo", "00:00:00:00:00:00", "0", None);
        put_interface(root, "docker0", "02:42:ac:11:00:02", "3", None);
        put_interface(root, "enxdock", "00:e0:4c:68:00:01", "0", Some("usb"));
        put_interface(root, "wlp2s0", "3c:22:fb:00:00:09", "3", Some("pci"));
        put_interface(root, "eno3", "00:1b:21:aa:bb:00", "1", Some("pci"));
        put_interface(root, "eno2", "00:1b:21:aa:bb:cc", "2", Some("pci"));
        put(root, "sys/class/net/eno2/bonding_slave/perm_hwaddr", "00:1b:21:aa:bb:cd\n");
        for (name, address) in
            [("odd", "nonsense"), ("long", "00:1b:21:aa:bb:cc:dd:ee"), ("signs", "+0:1b:21:aa:bb:+c")]
        {
            put_interface(root, name, address, "0", Some("pci"));
        }
        assert_eq!(System::read_under(root).unwrap().interfaces, ["00:1b:21:aa:bb:cc", "00:1b:21:aa:bb:cd"]);
    }

    #[test]
    fn live_systems_are_known_by_their_command_line() {
        for (line, live) in [
            ("BOOT_IMAGE=/casper/vmlinuz boot=casper quiet", true),
            ("initrd=/live/initrd.img boot=live components", true),
            ("root=live:CDLABEL=Fedora rd.live.image", true),
            ("archisobasedir=sysresccd archisolabel=X", true),
            ("root=/dev/sda1 bootx=live", false),
            ("", false),
        ] {
            let folder = installed();
            put(folder.path(), "proc/cmdline", line);
            assert_eq!(System::read_under(folder.path()).unwrap().is_live, live, "{line}");
        }
    }

    #[test]
    fn without_tables_the_kernels_words_are_taken() {
        let folder = installed();
        let root = folder.path();
        fs::remove_file(root.join(TABLES)).unwrap();
        let failure = System::read_under(root).unwrap_err();
        assert!(failure.message.contains("no SMBIOS tables") && failure.hint.contains("container"), "{failure:?}");
        put(root, "sys/class/dmi/id/product_uuid", "4C4C4544-0034-5210-8036-B3C04F4E3333\n");
        put(root, "sys/class/dmi/id/sys_vendor", "Dell Inc.\n");
        put(root, "sys/class/dmi/id/product_name", "Latitude 7420\n");
        put(root, "sys/class/dmi/id/product_serial", "Not Specified\n");
        put(root, "sys/class/dmi/id/board_serial", "/ABC/1/\n");
        let system = System::read_under(root).unwrap();
        assert_eq!(system.id.to_string(), "4c4c4544-0034-5210-8036-b3c04f4e3333");
        assert_eq!(system.model.as_deref(), Some("Dell Inc. Latitude 7420"));
        assert_eq!(system.serial.as_deref(), Some("/ABC/1/"));
        put(root, "sys/class/dmi/id/product_uuid", "unknown\n");
        assert_eq!(System::read_under(root).unwrap_err().code, ErrorCode::PARSE_TEXT);
    }

    #[test]
    fn nothing_but_the_identity_is_needed() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), TABLES, table(WIRE, &[b"-"], b"-"));
        let system = System::read_under(folder.path()).unwrap();
        assert_eq!((system.host_name, system.os, system.dns_suffix), (None, None, None));
        assert!(system.interfaces.is_empty());
        put(folder.path(), TABLES, table([0; 16], &[b"-"], b"-"));
        assert_eq!(System::read_under(folder.path()).unwrap_err().code, ErrorCode::IDENTITY_UNUSABLE);
        put(folder.path(), TABLES, vec![0; MAX_SMBIOS + 10]);
        assert_eq!(System::read_under(folder.path()).unwrap_err().code, ErrorCode::DECODE_TOO_LARGE);
    }

    #[test]
    fn who_may_not_read_is_told_to_become_root() {
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        let failure = unreadable(Path::new("/sys/firmware/dmi/tables/DMI"), &denied);
        assert!(failure.hint.contains("root"), "{failure:?}");
    }

    #[test]
    fn a_resolver_without_a_suffix_has_none() {
        for (text, want) in [
            ("search .", None),
            ("domain example.com", Some("example.com")),
            ("search a.example\nsearch b.example", Some("b.example")),
            ("searching example.com", None),
        ] {
            let folder = tempfile::tempdir().unwrap();
            put(folder.path(), "etc/resolv.conf", text);
            assert_eq!(dns_suffix(folder.path()).as_deref(), want, "{text}");
        }
    }
}
