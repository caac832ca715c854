//! Machines listed by filter, out of a fleet of 100,000 with facts, as a whole and a part of it.
//!
//! The target is at most 200 ms for each; the plain count of all rows is measured beside, in the same run.

use amt_core::id::SystemId;
use amt_core::{Failure, Secret};
use amt_fleet::Fleet;
use amt_fleet::filter::{Filter, Sort};
use amt_fleet::seal::{KEY_LEN, SealKey};
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

const MACHINES: i64 = 100_000;
const ROUNDS: usize = 9;
/// Every hundredth is in this collection.
const LAB: &str = "lab";

/// Rows as the setup server writes them, but all in one statement each.
const FILL: &[&str] = &[
    "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?1) \
     INSERT INTO machines (id, uuid, origin, created_at, changed_at, admitted, state, address, hello_at, host_name, domain_name, \
     dns_suffix, control_mode, tls_version, tls_suite, tls_engine, winner, verified_at, first_verified_at, profile, version_order) \
     SELECT n, printf('%08x-3534-3736-3839-%012x', n * 2654435761 % 4294967296, n), iif(n % 3, 'hello', 'list'), ?2, ?2, 1, \
     CASE n % 10 WHEN 0 THEN 'failed' WHEN 1 THEN 'waiting' ELSE 'verified' END, printf('10.%d.%d.%d', n >> 16, n >> 8 & 255, n & 255), \
     ?2 - n * 60000, printf('pc-%06d', n), 'example.com', 'example.com', 'admin', 'TLS 1.2', 'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384', \
     'rustls', printf('%064x', n % 3), ?2 - n * 50000, ?2 - n * 70000, iif(n % 5, NULL, 'lab'), (11 + n % 9) << 48 FROM n",
    "INSERT INTO journal (machine, step, commit_sent, verified, realm, firmware, certificate, written_at, sealed) \
     SELECT id, 'done', 1, 1, 'Digest:A4070000000000000000000000000000', (version_order >> 48) || '.0.0', printf('%064x', id), ?2, \
     zeroblob(700) FROM machines WHERE ?1 > 0",
    "INSERT INTO facts (machine, key, value, source, since, at) SELECT id, 'os', iif(id % 4, 'Windows 11', 'Linux'), 'agent', ?2, ?2 \
     FROM machines WHERE ?1 > 0",
    "INSERT INTO facts (machine, key, value, source, since, at) SELECT id, 'fqdn', host_name || '.example.com', 'agent', ?2, ?2 \
     FROM machines WHERE ?1 > 0",
    "INSERT INTO facts (machine, key, value, source, since, at) SELECT id, 'fqdn', host_name || '.example.com', 'dns', ?2, ?2 \
     FROM machines WHERE ?1 > 0",
    "INSERT INTO facts (machine, key, value, source, since, at) SELECT id, 'mac', printf('00:1b:21:%02x:%02x:%02x', id >> 16, id >> 8 & 255, \
     id & 255), 'agent', ?2, ?2 FROM machines WHERE ?1 > 0",
];

async fn fleet(folder: &Path) -> Fleet {
    let path = folder.join("fleet.db");
    let open = async || Fleet::open(&path, SealKey::new(&Secret::new([1; KEY_LEN]))).await;
    match open().await {
        Ok(made) => made.close().await,
        Err(failure) => panic!("{failure}"),
    }
    let filled = async {
        let mut connection = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(&path)).await?;
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_millis();
        for sql in FILL {
            let now = i64::try_from(now).unwrap_or_default();
            sqlx::query(*sql).bind(MACHINES).bind(now).execute(&mut connection).await?;
        }
        sqlx::query("ANALYZE").execute(&mut connection).await?;
        connection.close().await
    };
    if let Err(error) = filled.await {
        panic!("{error}");
    }
    match open().await {
        Ok(fleet) => fleet,
        Err(failure) => panic!("{failure}"),
    }
}

struct Case {
    filter: &'static str,
    sort: Option<&'static str>,
    limit: Option<u32>,
}

impl Case {
    fn sort(&self) -> Option<Sort> {
        self.sort.and_then(|sort| sort.parse().ok())
    }

    #[allow(clippy::print_stdout, reason = "the figures are what the benchmark is for")]
    fn tell(&self, time: &Time, found: Result<usize, Failure>) {
        let found = match found {
            Ok(found) => found,
            Err(failure) => panic!("{failure}"),
        };
        let sort = self.sort.map(|sort| format!(" sorted by {sort}")).unwrap_or_default();
        let limit = self.limit.map(|limit| format!(" limit {limit}")).unwrap_or_default();
        let shown = if self.filter.is_empty() { "(all)" } else { self.filter };
        println!("{time}  {found:>6} machines  {shown}{sort}{limit}");
    }
}

const CASES: &[Case] = &[
    Case { filter: "version >= 16 and not verified", sort: None, limit: None },
    Case { filter: "state = failed and hello < 7d", sort: Some("hello"), limit: None },
    Case { filter: "host ~ \"pc-0001*\"", sort: Some("name"), limit: None },
    Case { filter: "os ~ \"lin*\" and version >= 19", sort: None, limit: None },
    Case { filter: "fqdn ~ \"*77.example.com\"", sort: None, limit: None },
    Case { filter: "fqdn = pc-012345.example.com or mac = 00:1b:21:01:02:03", sort: None, limit: None },
    Case { filter: "in lab and os ~ \"lin*\"", sort: None, limit: None },
    Case { filter: "not in lab and os ~ \"win*\"", sort: Some("-verified"), limit: Some(100) },
    Case { filter: "", sort: Some("name"), limit: Some(100) },
    Case { filter: "", sort: None, limit: None },
];

/// Full records, as few as somebody works on at a time.
const RECORDS: &[Case] = &[
    Case { filter: "version >= 16 and not verified", sort: None, limit: None },
    Case { filter: "os ~ \"win*\"", sort: Some("-verified"), limit: Some(100) },
    Case { filter: "", sort: None, limit: None },
];

/// Processor time of this process so far, where the system tells: the time that a busy machine does not lengthen much.
fn processor() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields = stat.rsplit(')').next()?.split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap_or_default()).sum();
    Some(Duration::from_millis(ticks * 10))
}

/// Median time, mean processor time.
struct Time {
    wall: Duration,
    processor: Option<Duration>,
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>8.1} ms", self.wall.as_secs_f64() * 1e3)?;
        match self.processor {
            Some(time) => write!(f, " ({:>6.1} ms of processor)", time.as_secs_f64() * 1e3),
            None => Ok(()),
        }
    }
}

async fn median<T>(mut work: impl AsyncFnMut() -> T) -> (Time, T) {
    let mut last = work().await;
    let mut times = Vec::new();
    let before = processor();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        last = work().await;
        times.push(start.elapsed());
    }
    let rounds = u32::try_from(ROUNDS).unwrap_or(1);
    let processor = before.zip(processor()).map(|(before, after)| after.saturating_sub(before) / rounds);
    times.sort();
    (Time { wall: times.get(ROUNDS / 2).copied().unwrap_or_default(), processor }, last)
}

#[allow(clippy::print_stdout, reason = "the figures are what the benchmark is for")]
fn main() {
    // `cargo test` only wants to know that it builds; `cargo bench` says so.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => panic!("{error}"),
    };
    let folder = match tempfile::tempdir() {
        Ok(folder) => folder,
        Err(error) => panic!("{error}"),
    };
    runtime.block_on(async {
        let fleet = fleet(folder.path()).await;
        let read = |text: &str| match Filter::parse(text) {
            Ok(filter) => filter,
            Err(error) => panic!("{error}"),
        };
        let start = Instant::now();
        match fleet.new_collection(LAB, &read("host ~ \"*00\" and os ~ \"lin*\"")).await {
            Ok(changes) => println!("collection: {} members found in {:?}", changes.len(), start.elapsed()),
            Err(failure) => panic!("{failure}"),
        }
        let (floor, count) = median(async || fleet.count(&Filter::every()).await).await;
        println!("{floor}  {count:?} counted");
        println!("what a list shows:");
        for case in CASES {
            let filter = read(case.filter);
            let (time, found) = median(async || fleet.list(&filter, case.sort(), case.limit).await).await;
            case.tell(&time, found.map(|found| found.len()));
        }
        println!("full records:");
        for case in RECORDS {
            let filter = read(case.filter);
            let (time, found) = median(async || fleet.select(&filter, case.sort(), case.limit).await).await;
            case.tell(&time, found.map(|found| found.len()));
        }
        let id: SystemId = match "9e3779b1-3534-3736-3839-000000000001".parse() {
            Ok(id) => id,
            Err(failure) => panic!("{failure}"),
        };
        let (time, found) = median(async || fleet.machine(id).await).await;
        println!("{time}  {:>6} machine by its UUID", usize::from(found.is_ok()));
        fleet.close().await;
    });
}
