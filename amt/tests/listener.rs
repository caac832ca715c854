//! The hello listener over real sockets, with well-behaved and other peers.

use amt::listener::{HelloEvent, HelloListener, ListenerConfig};
use amt_core::hello::{HashAlgorithm, Hello, HelloKind, MAX_HELLO, RootHash};
use amt_core::{ErrorCode, SystemId};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

fn hello(n: u8) -> Hello {
    let roots = [[n; 32], [0; 32]];
    let roots = roots.iter().map(|digest| RootHash::new(HashAlgorithm::SHA256, digest).unwrap()).collect();
    let id = SystemId::from_wire([n; 16]);
    Hello { admin_credentials_set: true, retry: 3, id, kind: HelloKind::Pki { roots }, trailing: 0 }
}

async fn listen(config: ListenerConfig) -> (HelloListener, SocketAddr) {
    let listener = HelloListener::bind(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 0))], config).await.unwrap();
    let address = listener.addresses()[0];
    (listener, address)
}

fn quick() -> ListenerConfig {
    let mut config = ListenerConfig::default();
    config.idle = Duration::from_millis(300);
    config.total = Duration::from_millis(900);
    config
}

async fn next(listener: &mut HelloListener) -> HelloEvent {
    timeout(Duration::from_secs(10), listener.next()).await.expect("an event in time").unwrap()
}

async fn send(address: SocketAddr, pieces: &[&[u8]]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for (at, piece) in pieces.iter().enumerate() {
        if at > 0 {
            sleep(Duration::from_millis(2)).await;
        }
        stream.write_all(piece).await.unwrap();
    }
    stream
}

#[tokio::test]
async fn a_hello_is_complete_by_its_content_however_it_is_split() {
    let (mut listener, address) = listen(ListenerConfig::default()).await;
    let bytes = hello(1).encode();
    for cut in [1, 4, 24, 25, 26, 27, 58, bytes.len() - 1] {
        // The connection stays open: what counts is the content.
        let _open = send(address, &[&bytes[..cut], &bytes[cut..]]).await;
        let event = next(&mut listener).await;
        assert_eq!(event.result.unwrap(), hello(1), "cut at {cut}");
        assert_eq!(event.bytes, bytes);
        assert_eq!(event.source.ip(), IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    let _open = send(address, &single).await;
    assert_eq!(next(&mut listener).await.result.unwrap(), hello(1));
}

#[tokio::test]
async fn both_address_families_come_in_at_one_port() {
    let any = [SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))];
    // A host without IPv6 cannot run this; that it is asked for is what the other tests do not show.
    let Ok(mut listener) = HelloListener::bind(&any, ListenerConfig::default()).await else { return };
    let port = listener.addresses()[0].port();
    send(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), &[&hello(1).encode()]).await;
    assert_eq!(next(&mut listener).await.source.ip(), IpAddr::V4(Ipv4Addr::LOCALHOST), "not ::ffff:127.0.0.1");
    send(SocketAddr::from((Ipv6Addr::LOCALHOST, port)), &[&hello(1).encode()]).await;
    assert_eq!(next(&mut listener).await.source.ip(), IpAddr::V6(Ipv6Addr::LOCALHOST));
}

#[tokio::test]
async fn repetitions_are_counted_by_machine() {
    let (mut listener, address) = listen(ListenerConfig::default()).await;
    let mut repeats = Vec::new();
    for n in [1, 1, 2, 1] {
        send(address, &[&hello(n).encode()]).await;
        repeats.push(next(&mut listener).await.repeat);
    }
    assert_eq!(repeats, [0, 1, 0, 2]);
}

#[tokio::test]
async fn a_peer_that_feeds_byte_after_byte_is_dropped() {
    let (mut listener, address) = listen(quick()).await;
    let feeding = tokio::spawn(async move {
        let mut stream = TcpStream::connect(address).await.unwrap();
        for byte in hello(1).encode() {
            if stream.write_all(&[byte]).await.is_err() {
                return true;
            }
            sleep(Duration::from_millis(100)).await;
        }
        false
    });
    let event = next(&mut listener).await;
    assert_eq!(event.result.unwrap_err().code, ErrorCode::DECODE_TRUNCATED);
    assert!(feeding.await.unwrap(), "the connection was kept");
    assert_eq!(listener.counts().timed_out, 1);
}

#[tokio::test]
async fn a_silent_peer_is_dropped_without_an_event() {
    let (mut listener, address) = listen(quick()).await;
    let mut silent = TcpStream::connect(address).await.unwrap();
    let end = timeout(Duration::from_secs(5), silent.read(&mut [0; 1])).await.expect("dropped in time");
    assert!(matches!(end, Ok(0) | Err(_)));
    // The next event is that of the next peer.
    send(address, &[&hello(2).encode()]).await;
    assert_eq!(next(&mut listener).await.result.unwrap(), hello(2));
    assert_eq!(listener.counts().timed_out, 1);
}

#[tokio::test]
async fn what_is_no_hello_is_told_and_dropped() {
    let (mut listener, address) = listen(quick()).await;
    let mut claims = hello(1).encode()[..24].to_vec();
    claims.push(255);
    (0..255).for_each(|_| {
        claims.extend([99, 255]);
        claims.extend([0; 255]);
    });
    assert!(claims.len() > MAX_HELLO);
    for (bytes, code) in [
        (&b"\xff\xff\xff\xff garbage"[..], ErrorCode::DECODE_INVALID),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01", ErrorCode::DECODE_UNSUPPORTED),
        (&hello(1).encode()[..30], ErrorCode::DECODE_TRUNCATED),
        (&claims, ErrorCode::DECODE_TOO_LARGE),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // The peer may be dropped before all of it is written.
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        let event = next(&mut listener).await;
        assert_eq!(event.result.unwrap_err().code, code);
        assert!(event.bytes.len() <= MAX_HELLO);
    }
    send(address, &[&hello(2).encode()]).await;
    assert_eq!(next(&mut listener).await.result.unwrap(), hello(2), "it goes on");
}

#[tokio::test]
async fn a_browser_gets_a_page() {
    let (mut listener, address) = listen(quick()).await;
    let mut stream = send(address, &[b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"]).await;
    let mut page = String::new();
    timeout(Duration::from_secs(5), stream.read_to_string(&mut page)).await.unwrap().unwrap();
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n") && page.contains("hello messages"), "{page}");
    let failure = next(&mut listener).await.result.unwrap_err();
    assert!(failure.message.contains("HTTP"), "{failure}");
}

#[tokio::test]
async fn one_source_cannot_take_all_connections() {
    let mut config = ListenerConfig::default();
    config.max_per_source = 3;
    let (mut listener, address) = listen(config).await;
    let mut open = Vec::new();
    for _ in 0..8 {
        open.push(TcpStream::connect(address).await.unwrap());
    }
    while listener.counts().accepted < 8 {
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(listener.counts().over_limit, 5);
    drop(open);
    // Their places are free again.
    while listener.counts().hellos == 0 {
        send(address, &[&hello(1).encode()]).await;
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(next(&mut listener).await.result.unwrap(), hello(1));
}

#[tokio::test]
async fn a_flood_is_limited_by_rate() {
    let mut config = ListenerConfig::default();
    (config.burst, config.per_second) = (10, 1);
    let (mut listener, address) = listen(config).await;
    for _ in 0..50 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let _ = stream.write_all(&hello(1).encode()).await;
    }
    while listener.counts().accepted < 50 {
        sleep(Duration::from_millis(5)).await;
    }
    let dropped = listener.counts().over_limit;
    assert!((35..=40).contains(&dropped), "{dropped} of 50 dropped");
    for _ in 0..10 {
        assert_eq!(next(&mut listener).await.result.unwrap(), hello(1));
    }
}

#[tokio::test]
async fn over_the_total_further_connections_wait() {
    let mut config = quick();
    config.max_connections = 2;
    let (mut listener, address) = listen(config).await;
    let _silent = [TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap()];
    send(address, &[&hello(1).encode()]).await;
    assert!(timeout(Duration::from_millis(100), listener.next()).await.is_err(), "accepted over the limit");
    assert_eq!(next(&mut listener).await.result.unwrap(), hello(1), "served once the silent ones are dropped");
}

#[tokio::test]
async fn a_taken_port_is_a_failure_that_names_it() {
    let (_listener, address) = listen(ListenerConfig::default()).await;
    let failure = HelloListener::bind(&[address], ListenerConfig::default()).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::LISTEN);
    assert!(failure.message.contains(&address.to_string()));
    assert_eq!(HelloListener::bind(&[], ListenerConfig::default()).await.unwrap_err().code, ErrorCode::LISTEN);
}
