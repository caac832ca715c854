//! Many machines in one process, their truth as a file and over the control socket, and faults on the wire.

use crate::support::{Client, Network, SUFFIX, chains, ready};
use amt_sim::{Fault, RootHash, SimConfig, Simulator};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

fn config(machines: usize, base: &str) -> SimConfig {
    let mut config = SimConfig::new(machines);
    config.base_address = base.parse().unwrap();
    config.roots = vec![RootHash::sha256(chains::good().root())];
    config.suffix = Some(SUFFIX.to_owned());
    config
}

#[tokio::test]
async fn hundreds_of_machines_say_hello_and_answer() {
    const MACHINES: usize = 300;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = config(MACHINES, "127.63.0.1");
    config.hello = Some(listener.local_addr().unwrap());
    config.spread = Duration::from_millis(1);
    let simulator = Simulator::start(config).await.unwrap();
    let infos = simulator.machines();
    assert_eq!(infos.iter().map(|m| m.id).collect::<HashSet<_>>().len(), MACHINES, "identities differ");
    let mut heard = HashSet::new();
    while heard.len() < MACHINES {
        let (mut stream, from) =
            tokio::time::timeout(Duration::from_secs(60), listener.accept()).await.unwrap().unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        let machine = infos.iter().find(|m| m.address == from.ip()).unwrap();
        assert_eq!(bytes[8..24], machine.id.to_wire());
        heard.insert(machine.id);
    }
    let certificates: HashSet<String> = simulator.truths().into_iter().map(|t| t.certificate_sha256).collect();
    assert_eq!(certificates.len(), MACHINES, "certificates differ although keys are shared");
    let addresses: Vec<_> = infos.iter().step_by(30).map(|m| m.address).collect();
    tokio::task::spawn_blocking(move || {
        for address in addresses {
            let mut client = Client::new(Network::secure(address, Some(&chains::good())), Some("admin"));
            assert_eq!(client.get("AMT_GeneralSettings").status, 200);
        }
    })
    .await
    .unwrap();
    simulator.stop().await.unwrap();
}

#[tokio::test]
async fn the_truth_file_is_whole_whenever_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("truth.json");
    let mut config = config(20, "127.63.4.1");
    config.state_file = Some(path.clone());
    let simulator = Simulator::start(config).await.unwrap();
    let machine = simulator.machines()[3];
    ready(&simulator, machine).await;
    let until = Instant::now() + Duration::from_millis(1200);
    let reader = tokio::task::spawn_blocking(move || {
        let mut different = HashSet::new();
        while Instant::now() < until {
            let text = std::fs::read(&path).unwrap();
            let truth: Value = serde_json::from_slice(&text).expect("never half a document");
            assert_eq!(truth["machines"].as_array().unwrap().len(), 20);
            different.insert(text);
        }
        (different.len(), path)
    });
    let worker = tokio::task::spawn_blocking(move || {
        let mut client = Client::new(Network::secure(machine.address, Some(&chains::good())), Some("admin"));
        for _ in 0..30 {
            client.get("AMT_GeneralSettings");
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    worker.await.unwrap();
    let (versions, path) = reader.await.unwrap();
    assert!(versions >= 2, "it was rewritten while it was read");
    let live = simulator.truth(machine.id).unwrap();
    simulator.stop().await.unwrap();
    let truth: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let written = &truth["machines"][3];
    assert_eq!(written["uuid"], json!(machine.id.to_string()));
    assert_eq!(written["requests"]["AMT_GeneralSettings.Get"], json!(30));
    assert_eq!(written["admin"]["ha1"], json!(live.admin.ha1));
    assert!(!std::fs::read_to_string(&path).unwrap().contains("\"password\""));
}

#[tokio::test]
async fn the_control_socket_tells_and_does() {
    let hellos = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = config(2, "127.63.5.1");
    config.hello = Some(hellos.local_addr().unwrap());
    config.control = Some("127.0.0.1:0".parse().unwrap());
    let simulator = Simulator::start(config).await.unwrap();
    let uuid = simulator.machines()[1].id.to_string();
    let mut lines = BufReader::new(TcpStream::connect(simulator.control().unwrap()).await.unwrap());
    let mut ask = async |request: Value| -> Value {
        lines.get_mut().write_all(format!("{request}\n").as_bytes()).await.unwrap();
        let mut line = String::new();
        lines.read_line(&mut line).await.unwrap();
        serde_json::from_str(&line).unwrap()
    };
    assert_eq!(ask(json!({"command": "truth"})).await["machines"].as_array().unwrap().len(), 2);
    let one = ask(json!({"command": "truth", "uuid": uuid})).await;
    assert_eq!(one["machines"][0]["state"], json!("pre"));
    let check = |password: &str| json!({"command": "check-admin-password", "uuid": uuid, "password": password});
    assert_eq!(ask(check("admin")).await, json!({"matches": true}));
    assert_eq!(ask(check("wrong")).await, json!({"matches": false}));
    // Two hellos from power-on, then the one that is ordered, cut short as ordered.
    for _ in 0..2 {
        hellos.accept().await.unwrap();
    }
    let os = json!({"command": "os-name", "uuid": uuid, "name": "pc9.example.com"});
    assert_eq!(ask(os).await, json!({"done": true}));
    while ask(json!({"command": "truth", "uuid": uuid})).await["machines"][0]["host_os_fqdn"] != "pc9.example.com" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let fault = json!({"command": "fault", "uuid": uuid, "fault": "hello:out:truncate"});
    assert_eq!(ask(fault).await, json!({"done": true}));
    assert_eq!(ask(json!({"command": "hello", "uuid": uuid})).await, json!({"done": true}));
    let (mut stream, _) = hellos.accept().await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(bytes.len(), (25 + 34) / 2);
    for bad in [
        json!({"command": "explode"}),
        json!({"command": "hello"}),
        json!({"command": "hello", "uuid": "00112233-4455-6677-8899-aabbccddeeff"}),
        json!({"command": "fault", "uuid": uuid, "fault": "nonsense"}),
    ] {
        assert!(ask(bad.clone()).await["error"].is_string(), "{bad}");
    }
    simulator.stop().await.unwrap();
}

#[tokio::test]
async fn handshakes_break_as_they_are_told_and_then_work() {
    break_handshakes(config(1, "127.63.6.1")).await;
}

#[cfg(feature = "legacy-tls")]
#[tokio::test]
async fn handshakes_break_over_openssl_too() {
    let mut config = config(1, "127.63.7.1");
    config.persona = amt_sim::Persona::built_in("14.0").unwrap().into();
    break_handshakes(config).await;
}

async fn break_handshakes(config: SimConfig) {
    let simulator = Simulator::start(config).await.unwrap();
    let machine = simulator.machines()[0];
    ready(&simulator, machine).await;
    for kind in ["in:reset", "in:truncate", "in:garbage", "out:reset", "out:truncate", "out:garbage"] {
        simulator.add_fault(machine.id, format!("handshake:{kind}").parse::<Fault>().unwrap());
        tokio::time::sleep(Duration::from_millis(20)).await;
        tokio::task::spawn_blocking(move || {
            let mut line = Network::secure(machine.address, Some(&chains::good()));
            let error = line.try_connect().expect_err(kind);
            // A reset may be seen as early as in the connect call.
            assert!(error.starts_with("handshake") || error.contains("reset"), "{kind}: {error}");
            line.try_connect().unwrap_or_else(|error| panic!("after {kind}: {error}"));
        })
        .await
        .unwrap();
    }
    assert_eq!(simulator.truth(machine.id).unwrap().faults, 6);
    simulator.stop().await.unwrap();
}
