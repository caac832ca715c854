//! The firmware as its own system sees it, message by message and in virtual time.

use crate::support;
use crate::support::{Client as Caller, Line, Memory, chains};
use amt_core::Tick;
use amt_heci::amthi::{self, Command, GetCodeVersions, GetControlMode, GetLocalSystemAccount, GetMeSetupAuditRecord};
use amt_heci::amthi::{GetFeaturesState, GetSecurityParameters, StartConfiguration, StartConfigurationEx, Unprovision};
use amt_heci::apf::Message;
use amt_heci::apf::message::AUTH;
use amt_heci::mei::Client;
use amt_sim::firmware::{Firmware, Input, MachineConfig, Output, Phase, Port};
use amt_sim::{Persona, RootHash};
use md5::{Digest, Md5};
use std::sync::Arc;
use std::time::Duration;

const SERVICE: &str = "IPS_HostBasedSetupService";

/// The machine with its own system, which asks and waits for answers.
struct System {
    firmware: Firmware,
    now: Tick,
    connection: u64,
    closed: bool,
    hellos: usize,
}

impl System {
    fn new(persona: &str) -> Self {
        let mut config: MachineConfig = Memory::config();
        config.persona = Arc::new(Persona::built_in(persona).unwrap());
        config.roots = vec![RootHash::of(config.persona.chain.root_hash, chains::good().root())];
        config.suffix = Some(support::SUFFIX.to_owned());
        config.silent = true;
        let mut system = Self { firmware: Firmware::new(config), now: Tick(0), connection: 0, closed: true, hellos: 0 };
        system.feed(Input::Power, |_| false);
        system
    }

    /// Feeds, and lets time pass until `wanted` or until nothing is due within a minute.
    fn feed(&mut self, input: Input<'_>, mut wanted: impl FnMut(&Output) -> bool) {
        self.firmware.handle(self.now, input);
        let until = self.now.after(Duration::from_secs(60));
        loop {
            let mut found = false;
            while let Some(output) = self.firmware.poll() {
                found |= wanted(&output);
                self.hellos += usize::from(matches!(output, Output::Hello { .. }));
                if let Output::Close { connection, .. } = output {
                    self.closed |= connection == self.connection;
                }
            }
            match self.firmware.deadline().filter(|at| !found && *at <= until) {
                Some(at) => {
                    self.now = self.now.max(at);
                    self.firmware.handle(self.now, Input::Timeout);
                }
                None => return,
            }
        }
    }

    /// Every answer to one message.
    fn send(&mut self, handle: u64, message: &[u8]) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        self.feed(Input::Mei { handle, message }, |output| {
            if let Output::Mei { message, .. } = output {
                all.push(message.clone());
            }
            false
        });
        all
    }

    fn exchange(&mut self, message: &[u8]) -> Vec<u8> {
        let (handle, _) = self.firmware.mei_open(self.now, Client::Amthi.guid()).unwrap();
        let answers = self.send(handle, message);
        self.feed(Input::MeiClosed { handle }, |_| false);
        assert_eq!(answers.len(), 1);
        answers.into_iter().next().unwrap()
    }

    fn ask<C: Command>(&mut self, command: &C) -> Result<C::Answer, u32> {
        let answer = self.exchange(&amthi::request(command));
        amthi::answer::<C>(&answer).map_err(|error| error.status().expect("a status").0)
    }
}

impl Line for System {
    fn exchange(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        if self.closed {
            self.reconnect();
        }
        let (connection, mut reply) = (self.connection, Vec::new());
        self.feed(Input::Bytes { connection, bytes }, |output| {
            if let Output::Transmit { connection: of, bytes } = output
                && *of == connection
            {
                reply.extend_from_slice(bytes);
            }
            false
        });
        (!reply.is_empty()).then_some(reply)
    }

    fn reconnect(&mut self) {
        self.connection += 1;
        self.closed = false;
        let connection = self.connection;
        self.feed(Input::AcceptedLocally { connection, port: Port::Plain, chain: Vec::new() }, |_| false);
    }
}

#[test]
fn old_firmware_lacks_newer_commands_and_new_firmware_older_ones() {
    let mut old = System::new("5.0");
    assert_eq!(old.ask(&StartConfigurationEx { ipv6: false }), Err(0x803));
    assert_eq!(old.ask(&GetLocalSystemAccount::NEW), Err(0x803));
    assert_eq!((old.hellos, old.ask(&StartConfiguration {}), old.hellos > 0), (0, Ok(()), true));
    let mut new = System::new("16.0");
    assert_eq!(new.ask(&StartConfiguration {}), Err(0x803));
    assert_eq!(new.exchange(&[1, 1, 0, 0, 0x99, 0, 0, 4, 0, 0, 0, 0])[12..], [3, 8, 0, 0]);
}

#[test]
fn a_message_whose_length_is_wrong_is_refused_and_not_passed_over() {
    let mut system = System::new("16.0");
    let good = amthi::request(&GetControlMode {});
    for bad in [[good.as_slice(), &[0]].concat(), {
        let mut bad = good.clone();
        bad[8] = 1;
        bad
    }] {
        assert_eq!(system.exchange(&bad)[12..], [4, 0, 0, 0], "{bad:?}");
    }
    assert_eq!(system.ask(&GetControlMode {}).unwrap().mode, 0);
}

#[test]
fn what_a_local_management_service_asks_is_answered() {
    let mut system = System::new("16.0");
    assert!(system.ask(&GetCodeVersions {}).unwrap().amt().is_some());
    assert_eq!(system.ask(&GetSecurityParameters {}).unwrap().provisioning_state, 0);
    assert_eq!(system.ask(&GetFeaturesState { id: 0 }).unwrap().state.0, [0; 12]);
    assert_eq!(system.ask(&GetFeaturesState { id: 9 }), Err(0x24));
    assert_eq!(system.ask(&GetMeSetupAuditRecord {}), Err(0x814), "nobody has set it up");
}

#[test]
fn the_version_is_said_once_a_session_and_unasked() {
    let mut system = System::new("11.8");
    let (handle, _) = system.firmware.mei_open(system.now, Client::Lme.guid()).unwrap();
    let mut unasked = Vec::new();
    system.feed(Input::Timeout, |output| {
        if let Output::Mei { message, .. } = output {
            unasked.push(Message::decode(message).unwrap());
        }
        false
    });
    let id = system.firmware.id();
    assert_eq!(unasked, [Message::ProtocolVersion { major: 1, minor: 0, trigger: 0, id }]);
    let version = Message::ProtocolVersion { major: 1, minor: 0, trigger: 9, id }.encode();
    let first = system.send(handle, &version);
    assert_eq!(first, [Message::ServiceRequest { service: AUTH.to_owned() }.encode()]);
    assert!(system.send(handle, &version).is_empty(), "two that answer each other would never end");
}

/// MD5 of user, realm and password, in small letters.
fn digest(caller: &mut Caller<System>, password: &str) -> String {
    let realm = caller.get("AMT_GeneralSettings").text("DigestRealm");
    Md5::digest(format!("admin:{realm}:{password}")).iter().map(|b| format!("{b:02x}")).collect()
}

fn arguments(digest: &str) -> String {
    format!(
        "<h:NetAdminPassEncryptionType>2</h:NetAdminPassEncryptionType><h:NetworkAdminPassword>{digest}</h:NetworkAdminPassword>"
    )
}

#[test]
fn the_digest_of_the_password_is_hex_in_letters_of_either_size() {
    let mut system = System::new("11.8");
    let account = system.ask(&GetLocalSystemAccount::NEW).unwrap();
    let mut caller = Caller::new(system, Some(account.password.expose()));
    caller.user = account.user.clone();
    let digest = digest(&mut caller, "H0st!Pass");
    for bad in [digest[1..].to_owned(), digest.replace(|c: char| c.is_ascii_digit(), "g")] {
        assert_eq!(caller.invoke(SERVICE, "Setup", &arguments(&bad)).return_value(), 3, "{bad}");
    }
    assert_eq!(caller.invoke(SERVICE, "Setup", &arguments(&digest.to_uppercase())).return_value(), 0);
    caller.user = "admin".into();
    caller.set_password("H0st!Pass");
    caller.forget();
    assert_eq!(caller.get(SERVICE).text("CurrentControlMode"), "1");
}

#[test]
fn nothing_of_one_setup_serves_for_the_next_and_no_hello_follows_a_users_setup() {
    let mut system = System::new("16.0");
    let account = system.ask(&GetLocalSystemAccount::NEW).unwrap();
    let mut caller = Caller::new(system, Some(account.password.expose()));
    caller.user = account.user.clone();
    let first = caller.get(SERVICE).text("ConfigurationNonce");
    let arguments = arguments(&digest(&mut caller, "H0st!Pass"));
    assert_eq!(caller.invoke(SERVICE, "Setup", &arguments).return_value(), 0);
    caller.user = "admin".into();
    caller.set_password("H0st!Pass");
    caller.forget();
    assert_eq!(caller.invoke(SERVICE, "DisableClientControlMode", "").return_value(), 16, "it is in use");
    assert_eq!(caller.line.ask(&Unprovision { mode: 0 }), Ok(()));
    assert_eq!(caller.line.firmware.phase(), Phase::Pre);
    let fresh = caller.line.ask(&GetLocalSystemAccount::NEW).unwrap();
    assert_ne!(fresh.password, account.password);
    caller.user = fresh.user;
    caller.set_password(fresh.password.expose());
    caller.forget();
    assert_ne!(caller.get(SERVICE).text("ConfigurationNonce"), first);
    assert_eq!(caller.line.hellos, 0);
}

#[test]
fn the_local_port_serves_what_the_chip_vouches_for_from_csme_15_on() {
    let old = System::new("14.0");
    assert!(old.firmware.local_tls(old.now).issuers.is_empty(), "self-signed");
    let new = System::new("21.0");
    let serving = new.firmware.local_tls(new.now);
    assert_eq!((serving.issuers.len(), serving.issuers.last()), (5, Some(&amt_sim::ondie::root())));
    assert_ne!(serving.certificate, new.firmware.tls(new.now).certificate, "the network sees another");
}
