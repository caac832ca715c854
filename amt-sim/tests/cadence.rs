//! When machines say hello: the schedules, and what a power cycle does to them.

use crate::support::{Memory, SUFFIX, chains};
use amt_core::psk::{Form, PskPair};
use amt_sim::firmware::Input;
use amt_sim::{Persona, RootHash, SimConfig, Simulator};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

const HOUR: Duration = Duration::from_secs(3600);

fn waiting_for_a_key(more: &str) -> Memory {
    let mut config = Memory::config();
    config.persona = Persona::parse(&format!("based_on = \"amt-9.5\"\n{more}")).unwrap().into();
    config.psk = Some(PskPair::parse("AMT1-SET7", "CAT0AGDOYBLF6HCDQR61IQXQVORVW8VD", Form::Typed).unwrap());
    Memory::new(config)
}

/// `RetryCount` of each hello.
fn counts(hellos: &[Vec<u8>]) -> Vec<u32> {
    hellos.iter().map(|hello| u32::from_le_bytes(hello[4..8].try_into().unwrap())).collect()
}

fn upwards(end: u32) -> Vec<u32> {
    (0..end).collect()
}

#[test]
fn a_machine_with_a_key_says_15_hellos_and_no_more() {
    let mut machine = waiting_for_a_key("");
    for (minutes, hellos) in [(0, 1), (4, 5), (5, 6), (45, 10), (54, 10), (55, 11), (175, 13), (295, 15), (1000, 15)] {
        let now = Duration::from_millis(machine.now.0);
        machine.wait(Duration::from_secs(minutes * 60).saturating_sub(now));
        assert_eq!(counts(&machine.hellos), upwards(hellos), "after {minutes} minutes");
    }
}

#[test]
fn unplugged_and_plugged_in_it_begins_again_even_when_its_window_had_ended() {
    let mut machine = waiting_for_a_key("");
    machine.wait(7 * HOUR);
    assert_eq!(machine.hellos.len(), 15);
    machine.hellos.clear();
    machine.feed_input(Input::Power);
    assert_eq!(counts(&machine.hellos), [0], "at once, and counted from 0");
    machine.wait(40 * HOUR);
    assert_eq!(counts(&machine.hellos), upwards(15));
    assert_eq!(machine.listens, (false, false), "the window has ended");
    machine.hellos.clear();
    machine.feed_input(Input::Power);
    assert_eq!((counts(&machine.hellos), machine.listens), (vec![0], (false, true)));

    let mut stubborn = waiting_for_a_key("[psk]\npower_reopens = false\n");
    stubborn.wait(30 * HOUR);
    stubborn.hellos.clear();
    stubborn.feed_input(Input::Power);
    assert!(stubborn.hellos.is_empty() && stubborn.listens == (false, false));
}

#[test]
fn a_machine_without_a_key_begins_again_only_while_its_window_is_open() {
    let mut machine = Memory::new(Memory::config());
    machine.wait(2 * HOUR);
    assert!(machine.hellos.len() > 15);
    machine.hellos.clear();
    machine.feed_input(Input::Power);
    assert_eq!(counts(&machine.hellos), [0]);
    machine.wait(30 * HOUR);
    machine.hellos.clear();
    machine.feed_input(Input::Power);
    assert!(machine.hellos.is_empty(), "24 hours are over");
}

#[tokio::test]
async fn the_control_socket_pulls_the_plug() {
    let hellos = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = SimConfig::new(1);
    config.base_address = "127.62.40.1".parse().unwrap();
    config.roots = vec![RootHash::sha256(chains::good().root())];
    config.suffix = Some(SUFFIX.to_owned());
    config.hello = Some(hellos.local_addr().unwrap());
    config.control = Some("127.0.0.1:0".parse().unwrap());
    // A minute between two hellos is 100 ms.
    config.time_scale = 600.0;
    let simulator = Simulator::start(config).await.unwrap();
    let next = async || {
        let (mut stream, _) = tokio::time::timeout(Duration::from_secs(20), hellos.accept()).await.unwrap().unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        counts(&[bytes])[0]
    };
    assert_eq!((next().await, next().await, next().await), (0, 1, 2));
    let mut lines = BufReader::new(TcpStream::connect(simulator.control().unwrap()).await.unwrap());
    let request = format!("{{\"command\":\"power-cycle\",\"uuid\":\"{}\"}}\n", simulator.machines()[0].id);
    lines.get_mut().write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    lines.read_line(&mut answer).await.unwrap();
    assert_eq!(answer, "{\"done\":true}\n");
    // Hellos that were on their way already count on.
    let mut count = next().await;
    for _ in 0..20 {
        if count == 0 {
            break;
        }
        count = next().await;
    }
    assert_eq!((count, next().await), (0, 1));
    simulator.stop().await.unwrap();
}
