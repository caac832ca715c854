use super::*;
use amt_sim::authority::ProvisioningChain;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

fn config(folder: &Path, extra: &str) -> Config {
    std::fs::write(folder.join("chain.pem"), ProvisioningChain::new("example.com").pem()).unwrap();
    let text = format!(
        "database = \"fleet.db\"\nseal_key_file = \"seal.key\"\n{extra}\n[[provisioning_certificate]]\npem = \"chain.pem\"\n"
    );
    Config::parse(&text, folder, "amt.toml").unwrap()
}

fn resolver(name: &str) -> Result<Vec<IpAddr>, String> {
    match name {
        "provisionserver.example.com" => Ok(vec![IpAddr::from([127, 0, 0, 1])]),
        "provisionserver.other.org" => Ok(vec![IpAddr::from([192, 0, 2, 1])]),
        _ => Err("no such name".to_owned()),
    }
}

async fn codes(doctor: Doctor<'_>) -> Vec<(&'static str, Severity)> {
    doctor
        .resolver(Box::new(resolver))
        .examine()
        .await
        .into_iter()
        .map(|d| (d.finding.code, d.finding.severity))
        .collect()
}

#[tokio::test]
async fn a_sound_set_up_has_no_error_and_nothing_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "listen = \"127.0.0.1:0\"\ndns_suffixes = [\"example.com\"]");
    let found = codes(Doctor::new(&config)).await;
    assert!(found.iter().all(|(_, severity)| *severity != Severity::Error), "{found:?}");
    for code in [
        "NAME-OK",
        "PORT-FREE",
        "CERTIFICATE-OK",
        "SUFFIX-OK",
        "FIRMWARE",
        "CLOCK",
        "DATABASE-NEW",
        "SEAL-KEY-NEW",
        "CA-NEW",
        "DISK-FREE",
    ] {
        assert!(found.iter().any(|(found, _)| *found == code), "{code}: {found:?}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "only the certificate is there");
}

#[tokio::test]
async fn everything_that_is_wrong_is_found_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = port.local_addr().unwrap();
    let config = config(
        folder.path(),
        &format!(
            "listen = \"{listen}\"\ndns_suffixes = [\"other.org\", \"nowhere.net\"]\n[ca]\nkind = \"command\"\nprogram = \"./none\""
        ),
    );
    let odd = self::config(folder.path(), "listen = \"127.0.0.2:0\"\n[[rule]]\nprofile = \"gone\"");
    assert!(codes(Doctor::new(&odd)).await.contains(&("RULE-PROFILE", Severity::Warning)));
    std::fs::write(folder.path().join("fleet.db"), "no database, but some bytes").unwrap();
    let long_ago = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let found = codes(Doctor::new(&config).now(long_ago)).await;
    for code in [
        "NAME-ELSEWHERE",
        "NAME-MISSING",
        "PORT-TAKEN",
        "CHAIN-NOTYET",
        "SUFFIX-UNCOVERED",
        "CLOCK-WRONG",
        "DATABASE",
        "SEAL-KEY-MISSING",
        "CA-PROGRAM",
    ] {
        assert!(found.contains(&(code, Severity::Error)), "{code}: {found:?}");
    }
}

#[tokio::test]
async fn a_certificate_whose_key_is_elsewhere_needs_a_program_that_is_there() {
    let folder = tempfile::tempdir().unwrap();
    for (program, want) in [("sh", ("SIGN-PROGRAM-OK", Severity::Info)), ("./none", ("SIGN-PROGRAM", Severity::Error))]
    {
        let more = format!(
            "listen = \"127.0.0.1:0\"\ndns_suffixes = [\"example.com\"]\n[[provisioning_certificate]]\nchain = \"bare.pem\"\n\
             sign = {{ command = \"{program}\" }}"
        );
        let pem = ProvisioningChain::new("example.com").pem();
        std::fs::write(folder.path().join("bare.pem"), pem.split("-----BEGIN PRIVATE").next().unwrap()).unwrap();
        let found = codes(Doctor::new(&config(folder.path(), &more))).await;
        assert!(found.contains(&want), "{found:?}");
        assert!(!found.iter().any(|(code, _)| *code == "CHAIN-NOKEY"), "{found:?}");
        assert_eq!(found.iter().filter(|(code, _)| *code == "CERTIFICATE-OK").count(), 2, "{found:?}");
    }
}

#[tokio::test]
async fn keys_clock_and_a_running_server_are_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let config = config(
        folder.path(),
        &format!("listen = \"{}\"\ndns_suffixes = [\"example.com\"]", port.local_addr().unwrap()),
    );
    let fleet = crate::Fleet::open_with_key_file(&config.files.database, &config.files.seal_key_file).await.unwrap();
    fleet
        .import(vec![crate::KnownMachine::new("4c4c4544-0042-3510-8052-b4c04f564433".parse().unwrap())])
        .await
        .unwrap();
    let lock = std::fs::File::create(folder.path().join("fleet.db.lock")).unwrap();
    lock.lock().unwrap();
    let has =
        |found: &[(&str, Severity)], code, severity| assert!(found.contains(&(code, severity)), "{code}: {found:?}");
    let found = codes(Doctor::new(&config)).await;
    for code in ["PORT-SERVED", "PORT-REACHABLE", "DATABASE-OK", "SEAL-KEY-OK"] {
        has(&found, code, Severity::Info);
    }
    let yesterday = SystemTime::now() - Duration::from_secs(86_400);
    has(&codes(Doctor::new(&config).now(yesterday)).await, "CLOCK-BACK", Severity::Error);
    std::fs::write(&config.files.seal_key_file, [1; 32]).unwrap();
    has(&codes(Doctor::new(&config)).await, "SEAL-KEY-FOREIGN", Severity::Error);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&config.files.seal_key_file, std::fs::Permissions::from_mode(0o644)).unwrap();
        has(&codes(Doctor::new(&config)).await, "KEY-READABLE", Severity::Warning);
    }
    fleet.close().await;
}

#[tokio::test]
async fn a_name_must_lead_to_where_the_server_listens_or_is_said_to_be_reached() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = config(folder.path(), "listen = \"127.0.0.2:0\"\ndns_suffixes = [\"example.com\"]");
    assert!(codes(Doctor::new(&elsewhere)).await.contains(&("NAME-DEAF", Severity::Error)));
    let behind = config(folder.path(), "listen = \"0.0.0.0:0\"\ndns_suffixes = [\"other.org\"]");
    let found = codes(Doctor::new(&behind).addresses(vec![IpAddr::from([192, 0, 2, 1])])).await;
    assert!(found.contains(&("NAME-OK", Severity::Info)), "{found:?}");
    let offline: Vec<_> = Doctor::new(&behind).offline().examine().await;
    assert!(offline.iter().any(|d| d.finding.code == "NAMES-SKIPPED"));
}

#[cfg(unix)]
#[tokio::test]
async fn programs_are_found_or_what_to_do_is_said() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    for (name, mode) in [("ask", 0o755), ("tell", 0o644), ("sign", 0o644)] {
        let path = folder.path().join(name);
        std::fs::write(&path, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let config = config(
        folder.path(),
        "listen = \"127.0.0.1:0\"\n[resolver]\ncommand = \"./ask\"\n[client_ca]\nkind = \"command\"\nprogram = \"./sign\"\n\
         [[action]]\nname = \"a\"\non = \"provisioned\"\ncommand = \"./tell\"\n\
         [[action]]\nname = \"b\"\non = \"provisioned\"\ncommand = \"no-such-program-anywhere\"\n\
         [[action]]\nname = \"c\"\non = \"provisioned\"\nboot = \"network\"\n",
    );
    let found = Doctor::new(&config).offline().examine().await;
    let of = |code: &str| found.iter().filter(|d| d.finding.code == code).map(|d| &d.finding).collect::<Vec<_>>();
    let well = of("PROGRAM-OK");
    assert!(well.len() == 1 && well[0].message.contains("resolver.command"), "{well:?}");
    let wrong = of("PROGRAM");
    assert_eq!(wrong.len(), 2, "{wrong:?}");
    assert!(wrong.iter().all(|finding| finding.severity == Severity::Error));
    assert!(wrong[0].hint.contains("chmod +x") && wrong[0].hint.contains("action[0].command"), "{wrong:?}");
    assert!(wrong[1].message.contains("on the PATH") && wrong[1].hint.contains("action[1].command"), "{wrong:?}");
    let authority = of("CA-PROGRAM");
    assert!(authority.len() == 1 && authority[0].hint.contains("client_ca.program"), "{authority:?}");
}

#[tokio::test]
async fn the_consoles_certificate_is_looked_at_where_one_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let unwanted = config(folder.path(), "listen = \"127.0.0.1:0\"");
    let of = |found: Vec<Diagnosis>| {
        let console = found.into_iter().filter(|d| d.area == Area::Console);
        console.map(|d| (d.finding.code, d.finding.severity, d.finding.hint.to_string())).collect::<Vec<_>>()
    };
    assert_eq!(of(Doctor::new(&unwanted).offline().examine().await), []);
    let console =
        |name: &str| self::config(folder.path(), &format!("listen = \"127.0.0.1:0\"\n[console]\nname = \"{name}\""));
    let config = console("console.example.com");
    let none = of(Doctor::new(&config).offline().examine().await);
    assert!(
        matches!(&none[..], [("CONSOLE-NONE", Severity::Warning, hint)] if hint.contains("amt fleet console request"))
    );

    let fleet = crate::Fleet::open_with_key_file(&config.files.database, &config.files.seal_key_file).await.unwrap();
    let keeper = config.console_keeper(fleet.clone()).unwrap().unwrap();
    let kept = keeper.keep(true).await.unwrap();
    let validity = kept.current.unwrap().validity().unwrap();
    let at = |seconds: i64| UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs());
    let codes = async |config: &Config, now| {
        of(Doctor::new(config).offline().now(now).examine().await)
            .into_iter()
            .map(|(c, s, _)| (c, s))
            .collect::<Vec<_>>()
    };
    assert_eq!(codes(&config, SystemTime::now()).await, [("CONSOLE-OK", Severity::Info)]);
    assert_eq!(codes(&config, at(validity.not_after - 60)).await, [("CONSOLE-DUE", Severity::Warning)]);
    assert_eq!(codes(&config, at(validity.not_after)).await, [("CONSOLE-ENDED", Severity::Error)]);
    assert_eq!(codes(&config, at(validity.not_before - 1)).await, [("CONSOLE-NOTYET", Severity::Error)]);
    let renamed = console("other.example.com");
    assert_eq!(codes(&renamed, SystemTime::now()).await, [("CONSOLE-NAME", Severity::Warning)]);
    drop(keeper);
    fleet.close().await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_request_that_waits_or_was_refused_is_told_with_its_next_step() {
    let folder = tempfile::tempdir().unwrap();
    let config = |arguments: &str| {
        let section = format!(
            "listen = \"127.0.0.1:0\"\n[console]\nname = \"console.example.com\"\n[console.ca]\nkind = \"command\"\n\
             program = \"sh\"\narguments = [\"-c\", '{arguments}']"
        );
        self::config(folder.path(), &section)
    };
    for (script, code, severity, words) in [
        ("echo \"{\\\"pending\\\":\\\"r-7\\\"}\"", "CONSOLE-PENDING", Severity::Warning, "r-7"),
        ("echo no such console >&2; exit 1", "CONSOLE-REFUSED", Severity::Error, "no such console"),
    ] {
        let config = config(script);
        let fleet =
            crate::Fleet::open_with_key_file(&config.files.database, &config.files.seal_key_file).await.unwrap();
        let keeper = config.console_keeper(fleet.clone()).unwrap().unwrap();
        keeper.keep(true).await.unwrap_err();
        // The database closes when nobody has it any more.
        drop(keeper);
        fleet.close().await;
        let found = Doctor::new(&config).offline().examine().await;
        let console: Vec<_> = found.iter().filter(|d| d.area == Area::Console).map(|d| &d.finding).collect();
        assert!(console.len() == 1 && console[0].code == code && console[0].severity == severity, "{console:?}");
        assert!(console[0].message.contains(words) && !console[0].hint.is_empty(), "{console:?}");
    }
}
