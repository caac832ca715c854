//! The intake beside the setup server, where the configuration has one.

use crate::output::Output;
use amt_core::Failure;
use amt_fleet::Fleet;
use amt_fleet::config::Config;
use amt_fleet::intake::Intake;
use serde_json::json;

/// Opens its ports and says where it listens; the pin is for `amt enroll --pin`.
pub(super) async fn bind(config: &Config, fleet: &Fleet, out: &mut Output) -> Result<Option<Intake>, Failure> {
    let Some(settings) = &config.intake else { return Ok(None) };
    let intake = Intake::builder(fleet.clone()).settings(settings).bind().await?;
    let (addresses, pin) = (intake.addresses(), intake.pin());
    out.json_line(&json!({ "event": "intake", "addresses": addresses, "pin": pin }))?;
    for address in addresses {
        out.line(&format!("intake listening on {address}, pin {pin}"))?;
    }
    Ok(Some(intake))
}
