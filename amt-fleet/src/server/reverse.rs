//! Whom an address belongs to, as far as the network says.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longest wait for either.
const PATIENCE: Duration = Duration::from_secs(1);

/// The name that DNS gives for `address`, if it does so soon. Addresses of this computer have none worth knowing.
pub(super) async fn name_of(address: IpAddr) -> Option<String> {
    if address.is_loopback() {
        return None;
    }
    let asked = tokio::task::spawn_blocking(move || dns_lookup::lookup_addr(&address).ok());
    let name = timeout(PATIENCE, asked).await.ok()?.ok()??;
    // Without an entry the system gives the address back.
    name.parse::<IpAddr>().is_err().then_some(name)
}

/// Whether something listens at `address`. Not a byte is sent.
pub(super) async fn answers(address: SocketAddr) -> bool {
    matches!(timeout(PATIENCE, TcpStream::connect(address)).await, Ok(Ok(_)))
}
