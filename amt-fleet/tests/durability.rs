//! What is acknowledged is on disk: shown by killing writers, and by watching the system calls.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use amt_core::{Secret, SystemId};
use amt_fleet::seal::{KEY_LEN, SealKey};
use amt_fleet::{CredentialKind, Fleet};
use amt_provision::Record;
use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const FOLDER: &str = "AMT_TEST_WRITER_FOLDER";
const TO: &str = "AMT_TEST_WRITER_TO";
const MACHINES: &str = "AMT_TEST_WRITER_MACHINES";

/// The process that the tests below start, watch and kill: it makes records durable and says so over a socket, as a setup server
/// does when it sends a password. Without its environment nobody asked it to do anything.
#[test]
fn writer_process() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let to = TcpStream::connect(std::env::var(TO).unwrap()).unwrap();
    let machines: u8 = std::env::var(MACHINES).unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let fleet = open(Path::new(&folder)).await;
        let tasks: Vec<_> = (1..=machines)
            .map(|machine| {
                let (fleet, mut to) = (fleet.clone(), to.try_clone().unwrap());
                tokio::spawn(async move {
                    let record = fleet.record(id(machine)).await.unwrap();
                    let mut record = record.unwrap_or_else(|| Record::new(id(machine)));
                    for n in record.admin_passwords.len().. {
                        record.admin_passwords.insert(0, Secret::new(format!("password-{n}")));
                        if fleet.persist(&record).await.is_err() {
                            return;
                        }
                        if to.write_all(format!("ack {machine} {n}\n").as_bytes()).is_err() {
                            return;
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[tokio::test]
async fn killed_writers_lose_nothing_acknowledged() {
    const KILLS: u64 = 10;
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged: HashMap<u8, usize> = HashMap::new();
    let mut total = 0;
    for kill in 0..KILLS {
        let (mut child, listener) = start(folder.path(), 5, None);
        let acks = collect(&listener, &mut child, Duration::from_millis(100 + 37 * kill));
        total += acks.len();
        acknowledged.extend(acks);
        let fleet = open(folder.path()).await;
        for (machine, n) in &acknowledged {
            let record = fleet.record(id(*machine)).await.unwrap().expect("an acknowledged record is there");
            let journal: Vec<&str> = record.admin_passwords.iter().map(|p| p.expose().as_str()).collect();
            assert!(journal.contains(&format!("password-{n}").as_str()), "machine {machine}, {n}, after kill {kill}");
            let all = fleet.credentials(id(*machine)).await.unwrap();
            let stored: Vec<&str> =
                all.iter().filter(|c| c.kind == CredentialKind::Admin).map(|c| c.password.expose().as_str()).collect();
            assert_eq!(stored, journal, "journal and credentials are one transaction");
        }
        fleet.close().await;
        assert_eq!(sqlite_integrity(folder.path()).await, "ok");
    }
    assert!(total > 50, "the writers were busy when they were killed: {total} acknowledgements");
}

#[test]
fn a_record_is_synced_before_it_is_acknowledged() {
    if Command::new("strace").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        assert!(std::env::var_os("CI").is_none(), "strace is needed for this test: install it");
        eprintln!("skipped: strace is not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let (mut child, listener) = start(folder.path(), 1, Some(&trace));
    collect_until(&listener, &mut child, 40);
    let text = std::fs::read_to_string(&trace).unwrap();
    let acks = check_trace(&text).unwrap_or_else(|wrong| panic!("{wrong}\n{text}"));
    assert!(acks >= 40, "{acks} acknowledgements seen\n{text}");
    // The check notices a sync that is missing in this very trace.
    let without: String = text.lines().filter(|l| !is_sync(l)).map(|l| format!("{l}\n")).collect();
    check_trace(&without).unwrap_err();
}

#[test]
fn the_trace_check_tells_right_from_wrong() {
    let wal = "5</tmp/fleet.db-wal>";
    let write = format!("11 pwrite64({wal}, \"x\", 1, 0) = 1\n");
    let sync = format!("11 fdatasync({wal}) = 0\n");
    let ack = "12 sendto(7<TCP>, \"ack 1 0\\n\", 8, 0, NULL, 0) = 8\n";
    assert_eq!(check_trace(&[&write, &sync, ack].concat()), Ok(1));
    check_trace(&[&write, ack].concat()).unwrap_err();
    check_trace(&[&sync, &write, ack].concat()).unwrap_err();
    check_trace(&[&write, &sync, ack, ack].concat()).unwrap_err();
    let begun = format!("11 fdatasync({wal} <unfinished ...>\n");
    check_trace(&[&write, &begun, ack].concat()).unwrap_err();
    assert_eq!(check_trace(&[&write, &begun, "11 <... fdatasync resumed>) = 0\n", ack].concat()), Ok(1));
}

/// Between two acknowledgements the log must be written and, after the last write, synced. Returns how many were checked.
fn check_trace(text: &str) -> Result<usize, String> {
    let (mut written, mut synced, mut acks) = (false, false, 0);
    // Thread to the call that it has begun and not ended.
    let mut begun: HashMap<&str, &str> = HashMap::new();
    for line in text.lines() {
        let Some((thread, call)) = line.trim_start().split_once(' ') else { continue };
        let call = call.trim_start();
        let resumed = call.starts_with("<...");
        let ended = !call.ends_with("<unfinished ...>");
        let call = if resumed { begun.remove(thread).unwrap_or(call) } else { call };
        if !ended {
            begun.insert(thread, call);
        }
        if call.starts_with("pwrite64") && call.contains("-wal>") {
            (written, synced) = (true, false);
        } else if is_sync(call) && call.contains("-wal>") {
            synced |= ended && written;
        } else if call.contains("\"ack ") && !resumed {
            if !(written && synced) {
                return Err(format!("acknowledged before the sync (written: {written}): {line}"));
            }
            (written, synced) = (false, false);
            acks += 1;
        }
    }
    Ok(acks)
}

fn is_sync(call: &str) -> bool {
    call.contains("fdatasync") || call.contains("fsync")
}

fn start(folder: &Path, machines: u8, trace: Option<&Path>) -> (Child, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let program = std::env::current_exe().unwrap();
    let mut command = match trace {
        None => Command::new(&program),
        Some(file) => {
            let mut command = Command::new("strace");
            command.args(["-f", "-y", "-s", "16", "-e", "trace=pwrite64,write,sendto,fsync,fdatasync", "-o"]);
            command.arg(file).arg(&program);
            command
        }
    };
    let child = command
        .args(["--exact", "writer_process", "--test-threads", "1"])
        .env(FOLDER, folder)
        .env(TO, listener.local_addr().unwrap().to_string())
        .env(MACHINES, machines.to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    (child, listener)
}

/// Acknowledgements until the writer is killed, `after` from the first one; all that were sent are read.
fn collect(listener: &TcpListener, child: &mut Child, after: Duration) -> Vec<(u8, usize)> {
    let mut lines = BufReader::new(listener.accept().unwrap().0).lines();
    let mut acks = vec![parse(&lines.next().unwrap().unwrap())];
    let until = Instant::now() + after;
    while Instant::now() < until {
        acks.push(parse(&lines.next().unwrap().unwrap()));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    acks.extend(lines.map_while(Result::ok).filter(|l| l.split(' ').count() == 3).map(|l| parse(&l)));
    acks
}

/// Lets the writer acknowledge `count` times, then hangs up on it.
fn collect_until(listener: &TcpListener, child: &mut Child, count: usize) {
    let mut lines = BufReader::new(listener.accept().unwrap().0).lines();
    for _ in 0..count {
        lines.next().unwrap().unwrap();
    }
    drop(lines);
    child.wait().unwrap();
}

fn parse(line: &str) -> (u8, usize) {
    let mut words = line.split(' ').skip(1);
    (words.next().unwrap().parse().unwrap(), words.next().unwrap().parse().unwrap())
}

fn id(n: u8) -> SystemId {
    SystemId::from_wire([n; 16])
}

async fn open(folder: &Path) -> Fleet {
    Fleet::open(folder.join("fleet.db"), SealKey::new(&Secret::new([7; KEY_LEN]))).await.unwrap()
}

async fn sqlite_integrity(folder: &Path) -> String {
    use sqlx::{Connection as _, Row as _};
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.join("fleet.db"));
    let mut connection = sqlx::sqlite::SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query("PRAGMA integrity_check").fetch_one(&mut connection).await.unwrap().get(0)
}
