//! Records, events, files and facts as JSON documents: the same at the command line, in C, in Python and wherever else they are told.
//!
//! Times are RFC 3339, UTC, with milliseconds. Nothing secret is in any of them, but in a [`setupbin`] where it is asked for.

mod capabilities;
pub mod operate;
pub mod setupbin;
mod survey;
mod upkeep;

pub use capabilities::{capabilities, tls_number};
pub use survey::survey;
pub use upkeep::{applied, clock, facts, renewed, rotated, unprovisioned};

use crate::{DiaryEntry, Fact, FleetEvent, Machine, Parked, Progress, Release, TlsFacts};
use amt_core::{DeviceStatus, Failure, Finding};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last second that has a name in RFC 3339: 9999-12-31T23:59:59Z.
const LAST: Duration = Duration::from_secs(253_402_300_799);

/// For example `2026-03-01T08:05:09.120Z`. What is beyond the years that can be written is cut to them.
pub fn time(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time.clamp(UNIX_EPOCH, UNIX_EPOCH + LAST)).to_string()
}

/// The same for seconds since 1970; none before that.
pub(crate) fn moment(seconds: i64) -> Option<String> {
    u64::try_from(seconds).ok().map(|seconds| time(UNIX_EPOCH + Duration::from_secs(seconds)))
}

/// `code`, `name`, `stage`, `message`, `hint`, and `device` if the device said anything.
pub fn failure(failure: &Failure) -> Value {
    let mut object = json!({
        "code": failure.code.number(),
        "name": failure.code.name(),
        "stage": failure.stage,
        "message": failure.message,
        "hint": failure.hint,
    });
    if let Some(status) = &failure.device {
        object["device"] = device(status);
    }
    object
}

/// `code`, `severity`, `field`, `message`, `hint`.
pub fn finding(finding: &Finding) -> Value {
    json!({
        "code": finding.code,
        "severity": finding.severity.as_str(),
        "field": finding.field,
        "message": finding.message,
        "hint": finding.hint,
    })
}

fn device(status: &DeviceStatus) -> Value {
    let mut object = match status {
        DeviceStatus::ReturnValue { method, value, name } => {
            json!({"kind": "return_value", "method": method, "value": value, "name": name})
        }
        DeviceStatus::Fault { code, subcode, status, reason } => {
            json!({
                "kind": "fault", "code": code, "subcode": subcode, "reason": reason,
                "status": status.map(|s| s.0), "status_name": status.and_then(|s| s.name()),
            })
        }
        DeviceStatus::Http(status) => json!({"kind": "http", "status": status}),
        DeviceStatus::TlsAlert(alert) => json!({"kind": "tls_alert", "alert": alert}),
        _ => json!({"kind": "other"}),
    };
    object["text"] = status.to_string().into();
    object
}

impl TlsFacts {
    /// `version`, `suite`, `engine`.
    pub fn to_json(&self) -> Value {
        json!({ "version": self.version, "suite": self.suite, "engine": self.engine })
    }
}

impl FleetEvent {
    /// `at`, `event` (the [kind](Progress::kind)), `uuid`, `address`, `message`, and what is particular to the kind.
    pub fn to_json(&self) -> Value {
        let mut object = json!({
            "at": time(self.at),
            "event": self.progress.kind(),
            "uuid": self.id.map(|id| id.to_string()),
            "address": self.address,
            "message": self.progress.to_string(),
        });
        match &self.progress {
            Progress::Hello { retry, credentials_set, pid } => {
                object["pid"] = pid.as_deref().into();
                object["retry"] = (*retry).into();
                object["admin_credentials_set"] = (*credentials_set).into();
            }
            Progress::Refused(refused) | Progress::Parked(refused) => object["error"] = failure(refused),
            Progress::Started { attempt, resumed } => {
                object["attempt"] = (*attempt).into();
                object["resumed"] = (*resumed).into();
            }
            Progress::Step(step) => object["step"] = step.name().into(),
            Progress::Connected(tls) => object["tls"] = tls.to_json(),
            Progress::SteppedDown { from, to, reason } => {
                object["from"] = from.name().into();
                object["to"] = to.name().into();
                object["reason"] = reason.as_str().into();
            }
            Progress::CertificateRefused { index, .. } => object["certificate"] = (*index).into(),
            Progress::Version(version) => object["firmware"] = version.to_string().into(),
            Progress::CaPending { request } => object["request"] = request.as_str().into(),
            Progress::Failed { failure: cause, retry_in } => {
                object["error"] = failure(cause);
                object["retry_in"] = retry_in.map(|wait| wait.as_secs_f64()).into();
            }
            Progress::Verified { control_mode, tls, took } => {
                object["control_mode"] = control_mode.as_str().into();
                object["tls"] = tls.to_json();
                object["seconds"] = took.as_secs_f64().into();
            }
            Progress::Acted { action, .. } => object["action"] = action.as_str().into(),
            Progress::ActionFailed { action, failure: cause, retry_in } => {
                object["action"] = action.as_str().into();
                object["error"] = failure(cause);
                object["retry_in"] = retry_in.map(|wait| wait.as_secs_f64()).into();
            }
            Progress::Missed(count) => object["missed"] = (*count).into(),
            Progress::LeftAlone | Progress::Queued | Progress::Note(_) => {}
        }
        object
    }
}

impl Machine {
    /// The record, without its secrets.
    pub fn to_json(&self) -> Value {
        let release = |release: &Release| json!({ "at": time(release.at), "by": release.by });
        json!({
            "uuid": self.id.to_string(),
            "origin": self.origin.name(),
            "state": self.state.name(),
            "verified": self.is_verified(),
            "admitted": self.admitted,
            "redo": self.redo,
            "address": self.address,
            "name": self.name(),
            "temporary": self.temporary,
            "wanted": self.wanted.as_ref().map(ToString::to_string),
            "dns_suffix": self.dns_suffix,
            "profile": self.profile,
            "ou": self.ou,
            "present": self.present,
            "parked": self.parked.as_ref().map(Parked::to_json),
            "released": self.released.as_ref().map(release),
            "boot_released": self.boot_released.as_ref().map(release),
            "taken_back": self.taken_back.as_ref().map(|taken| {
                json!({ "at": time(taken.at), "by": taken.by, "extent": taken.extent })
            }),
            "bound_address": self.bound_address,
            "pid": self.pid,
            "step": self.step.map(|step| step.name()),
            "firmware": self.firmware.map(|version| version.to_string()),
            "control_mode": self.control_mode,
            "tls": self.tls.as_ref().map(TlsFacts::to_json),
            "realm": self.realm,
            "certificate_sha256": self.certificate_sha256,
            "certificate_from": self.certificate_from.map(time),
            "certificate_until": self.certificate_until.map(time),
            "provisioning_certificate": self.winner,
            "attempts": self.attempts,
            "hello_at": self.hello_at.map(time),
            "retry_at": self.retry_at.map(time),
            "verified_at": self.verified_at.map(time),
            "first_verified_at": self.first_verified_at.map(time),
            "error": self.failure.as_ref().map(failure),
        })
    }
}

impl Parked {
    /// `code`, `reason`, `hint`.
    pub fn to_json(&self) -> Value {
        json!({ "code": self.code, "reason": self.reason, "hint": self.hint })
    }
}

impl Fact {
    /// `key`, `value`, `source`, `since`, `at`, and `until`, which is null while it stands.
    pub fn to_json(&self) -> Value {
        json!({
            "key": self.key.name(),
            "value": self.value,
            "source": self.source.name(),
            "since": time(self.since),
            "at": time(self.at),
            "until": self.until.map(time),
        })
    }
}

impl DiaryEntry {
    /// `at`, `event`, `message`.
    pub fn to_json(&self) -> Value {
        json!({ "at": time(self.at), "event": self.kind, "message": self.message })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FactKey, FactSource};
    use amt_core::{ErrorCode, SystemId};

    #[test]
    fn times_are_written_for_every_moment() {
        let at = UNIX_EPOCH + Duration::from_millis(1_772_352_309_120);
        assert_eq!(time(at), "2026-03-01T08:05:09.120Z");
        assert_eq!(time(UNIX_EPOCH - Duration::from_secs(1)), "1970-01-01T00:00:00.000Z");
        assert_eq!(time(UNIX_EPOCH + Duration::from_secs(1 << 40)), "9999-12-31T23:59:59.000Z");
    }

    #[test]
    fn an_event_tells_what_is_particular_to_it() {
        let cause = Failure::new(ErrorCode::ACTION, "webhook", "nobody there").hint("start it");
        let progress = Progress::ActionFailed {
            action: "tell".to_owned(),
            failure: cause,
            retry_in: Some(Duration::from_millis(1500)),
        };
        let event = FleetEvent::new(Some(SystemId::from_wire([7; 16])), None, progress).to_json();
        assert_eq!((event["event"].as_str(), event["action"].as_str()), (Some("action-failed"), Some("tell")));
        assert_eq!((event["retry_in"].as_f64(), event["address"].is_null()), (Some(1.5), true));
        assert_eq!(
            (event["error"]["name"].as_str(), event["error"]["hint"].as_str()),
            (Some("ACTION"), Some("start it"))
        );
        let fact = Fact::new(FactKey::Fqdn, "pc1.example.com".to_owned(), FactSource::Agent, UNIX_EPOCH).to_json();
        assert_eq!((fact["source"].as_str(), fact["until"].is_null()), (Some("agent"), true));
    }
}
