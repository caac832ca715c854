//! The intake beside the setup server, where the configuration has one.

use crate::output::Output;
use amt_core::Failure;
use amt_fleet::Fleet;
use amt_fleet::config::Config;
use amt_fleet::intake::Intake;
use serde_json::json;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// An intake that runs.
pub(super) struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Starts it and says where it listens; the pin is for `amt enroll --pin`.
pub(super) async fn start(config: &Config, fleet: &Fleet, out: &mut Output) -> Result<Option<Running>, Failure> {
    let Some(settings) = &config.intake else { return Ok(None) };
    let intake = Intake::builder(fleet.clone()).settings(settings).bind().await?;
    let (addresses, pin) = (intake.addresses(), intake.pin().to_owned());
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(async move {
        let stopped = async {
            // Whoever held the other end is gone: stop as well.
            let _ = stopped.await;
        };
        if let Err(failure) = intake.run(stopped).await {
            tracing::error!(%failure, "the intake has ended");
        }
    });
    out.json_line(&json!({ "event": "intake", "addresses": addresses, "pin": pin }))?;
    for address in addresses {
        out.line(&format!("intake listening on {address}, pin {pin}"))?;
    }
    Ok(Some(Running { stop, task }))
}

impl Running {
    /// Answers what is under way and ends.
    pub(super) async fn stop(self) {
        let _ = self.stop.send(());
        // It ends by itself within seconds; if it panicked, that was logged.
        let _ = self.task.await;
    }
}
