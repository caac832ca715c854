//! Operating machines that are set up, over real sockets and TLS.

use amt::operate::{
    BootPlan, NextBoot, PowerAction, PowerState, Then, audit_log, boot_next, boot_state, change_power, clear_boot,
    clear_event_log, event_log, freeze_event_log, inventory, power_status,
};
use amt::{Device, Transport};
use amt_core::event_log::SensorType;
use amt_core::tls::PeerIdentity;
use amt_core::{DeviceStatus, ErrorCode, SystemId};
use amt_sim::firmware::{MachineTruth, TrueBoot};
use amt_sim::{Fault, SetUp, SimConfig, Simulator};
use amt_wsman::class::amt::AuthorizationService;
use amt_wsman::client::Credentials;
use amt_wsman::op::Request;
use base64::Engine;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

const PASSWORD: &str = "P@ssw0rd-1";

/// One machine that is set up.
struct Lab {
    simulator: Simulator,
    id: SystemId,
    address: SocketAddr,
}

impl Lab {
    async fn new(network: u8, change: impl FnOnce(&mut SimConfig)) -> Self {
        let mut config = SimConfig::new(1);
        config.base_address = Ipv4Addr::new(127, 66, network, 1);
        config.set_up = Some(SetUp::Admin);
        config.admin_password = Some(PASSWORD.into());
        config.time_scale = 50.0;
        change(&mut config);
        let simulator = Simulator::start(config).await.unwrap();
        let machine = simulator.machines()[0];
        Self { id: machine.id, address: (machine.address, 16_993).into(), simulator }
    }

    fn device(&self) -> Device {
        self.device_of("admin", PASSWORD)
    }

    fn device_of(&self, user: &str, password: &str) -> Device {
        let credentials = Credentials::new(user, password.to_owned());
        Device::new(self.address, Transport::Tls(PeerIdentity::Any), credentials).unwrap()
    }

    fn truth(&self) -> MachineTruth {
        self.simulator.truth(self.id).unwrap()
    }

    fn fault(&self, fault: &str) {
        assert!(self.simulator.add_fault(self.id, fault.parse::<Fault>().unwrap()));
    }

    /// Waits for the boot of this number and says what it was.
    async fn boot(&self, number: u64) -> TrueBoot {
        while self.truth().boot_total < number {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.truth().boots.pop().unwrap()
    }

    /// How often the power was asked for.
    fn changes(&self) -> u64 {
        self.truth().requests.get("CIM_PowerManagementService.RequestPowerStateChange").copied().unwrap_or(0)
    }
}

#[tokio::test]
async fn power_is_read_and_changed_and_what_cannot_be_is_not_sent() {
    let lab = Lab::new(1, |_| {}).await;
    let mut device = lab.device();
    let status = power_status(&mut device).await.unwrap();
    assert_eq!(status.state, PowerState::ON);
    assert!(status.available.unwrap().contains(&PowerAction::SoftOff));
    let failure = change_power(&mut device, PowerAction::On).await.unwrap_err();
    assert_eq!((failure.code, lab.changes()), (ErrorCode::WRONG_STATE, 0));
    assert!(failure.hint.contains("possible now: reset, off"), "{}", failure.hint);

    for (action, state) in [
        (PowerAction::Sleep, "asleep"),
        (PowerAction::On, "on"),
        (PowerAction::Hibernate, "hibernated"),
        (PowerAction::On, "on"),
        (PowerAction::Off, "off"),
        (PowerAction::On, "on"),
        (PowerAction::Cycle, "on"),
        (PowerAction::Nmi, "on"),
    ] {
        while lab.truth().boot_total < 1 && action == PowerAction::Off {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let change = change_power(&mut device, action).await.unwrap();
        assert!(!change.seen_only);
        assert_eq!(lab.truth().power, state, "{action}");
        assert_eq!(power_status(&mut device).await.unwrap().state.name(), state);
    }
    lab.simulator.stop().await.unwrap();
}

#[tokio::test]
async fn a_lost_reply_is_answered_by_the_state_and_nothing_is_sent_twice() {
    let lab = Lab::new(2, |_| {}).await;
    let mut device = lab.device();
    lab.fault("CIM_PowerManagementService.RequestPowerStateChange:out:reset");
    let change = change_power(&mut device, PowerAction::Off).await.unwrap();
    assert!(change.seen_only);
    assert_eq!((lab.truth().power.as_str(), lab.changes()), ("off", 1));

    change_power(&mut device, PowerAction::On).await.unwrap();
    lab.fault("CIM_PowerManagementService.RequestPowerStateChange:out:reset");
    let failure = change_power(&mut device, PowerAction::Reset).await.unwrap_err();
    assert!(failure.message.contains("the computer is on now"), "{failure}");
    assert!(failure.hint.contains("not repeated"), "{}", failure.hint);
    assert_eq!(lab.changes(), 3);
    lab.simulator.stop().await.unwrap();
}

#[tokio::test]
async fn a_refusal_names_the_firmwares_reason() {
    let lab = Lab::new(3, |_| {}).await;
    lab.fault("CIM_PowerManagementService.RequestPowerStateChange:in:status=32785");
    let failure = change_power(&mut lab.device(), PowerAction::Reset).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::RETURN_VALUE);
    let Some(DeviceStatus::ReturnValue { value, name, .. }) = &failure.device else { panic!("{failure:?}") };
    assert_eq!((*value, name.as_ref()), (32_785, "NOT_OWNER"));
    lab.simulator.stop().await.unwrap();
}

#[tokio::test]
async fn each_source_is_booted_once_and_a_computer_that_is_off_is_switched_on() {
    let lab = Lab::new(4, |_| {}).await;
    let mut device = lab.device();
    let url = "https://boot.example.com/image.efi".to_owned();
    let all = [NextBoot::Pxe, NextBoot::Disk, NextBoot::Cd, NextBoot::Bios, NextBoot::Https(url.clone())];
    for (number, (next, source)) in
        (1..).zip(all.into_iter().zip(["network", "hard-drive", "optical", "bios-setup", "https"]))
    {
        let mut plan = BootPlan::new(next);
        plan.sol = source == "bios-setup";
        let change = boot_next(&mut device, &plan).await.unwrap().unwrap();
        assert_eq!(change.action, PowerAction::Reset);
        let boot = lab.boot(number).await;
        assert_eq!((boot.source.as_str(), boot.sol), (source, plan.sol));
        assert_eq!(boot.url.is_some(), source == "https");
    }
    assert_eq!(lab.truth().boots.last().unwrap().url, Some(url));
    change_power(&mut device, PowerAction::Cycle).await.unwrap();
    assert_eq!(lab.boot(6).await.source, "default", "the source was for one boot");

    change_power(&mut device, PowerAction::Off).await.unwrap();
    let change = boot_next(&mut device, &BootPlan::new(NextBoot::Pxe)).await.unwrap().unwrap();
    assert_eq!((change.action, lab.boot(7).await.source.as_str()), (PowerAction::On, "network"));
    lab.simulator.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_set_can_be_seen_and_taken_back() {
    let lab = Lab::new(5, |_| {}).await;
    let mut device = lab.device();
    let state = boot_state(&mut device).await.unwrap();
    assert_eq!((state.armed, state.options.len()), (Some(false), 0));
    assert_eq!(state.possible, ["pxe", "disk", "cd", "bios", "https"]);
    let mut plan = BootPlan::new(NextBoot::Bios);
    plan.then = Then::Nothing;
    assert_eq!(boot_next(&mut device, &plan).await.unwrap(), None);
    let state = boot_state(&mut device).await.unwrap();
    assert_eq!((state.armed, state.options), (Some(true), vec!["BIOSSetup".to_owned()]));
    // The options left behind stand in the way of no source.
    plan.next = NextBoot::Pxe;
    boot_next(&mut device, &plan).await.unwrap();
    clear_boot(&mut device).await.unwrap();
    let state = boot_state(&mut device).await.unwrap();
    assert_eq!((state.armed, state.options.len(), lab.truth().boot_order), (Some(false), 0, None));

    plan.then = Then::Power(PowerAction::On);
    let failure = boot_next(&mut device, &plan).await.unwrap_err();
    assert_eq!((failure.code, lab.truth().boot_order), (ErrorCode::WRONG_STATE, None), "nothing is set before");
    plan.then = Then::Start;
    lab.fault("CIM_PowerManagementService.RequestPowerStateChange:in:status=32785");
    boot_next(&mut device, &plan).await.unwrap_err();
    let truth = lab.truth();
    assert_eq!((truth.boot_order, truth.boot_armed), (None, false), "what was set is taken back");
    lab.simulator.stop().await.unwrap();
}

#[tokio::test]
async fn a_machine_in_client_control_mode_wants_its_users_consent() {
    let lab = Lab::new(6, |config| config.set_up = Some(SetUp::Client)).await;
    let mut device = lab.device();
    for next in [NextBoot::Pxe, NextBoot::Bios] {
        let failure = boot_next(&mut device, &BootPlan::new(next)).await.unwrap_err();
        assert!(failure.hint.contains("consent"), "{failure}");
    }
    assert_eq!(lab.changes(), 0);
    assert!(!lab.truth().boot_armed);
    clear_boot(&mut device).await.unwrap();
    change_power(&mut device, PowerAction::Reset).await.unwrap();
    lab.simulator.stop().await.unwrap();
}

#[tokio::test]
async fn boots_over_https_are_for_firmware_and_a_bios_that_have_them() {
    let persona = |text: &str| Some(amt_sim::Persona::parse(&format!("based_on = \"amt-16.0\"\n{text}")).unwrap());
    for (network, persona) in
        [(7, persona("version = \"15.0.23.1706\"\n")), (8, persona("[power]\nhttps_boot = false\n"))]
    {
        let lab = Lab::new(network, |config| config.persona = persona.unwrap().into()).await;
        let plan = BootPlan::new(NextBoot::Https("https://a/b".to_owned()));
        let failure = boot_next(&mut lab.device(), &plan).await.unwrap_err();
        assert_eq!(failure.code, ErrorCode::FIRMWARE_UNSUPPORTED);
        let plan = BootPlan::new(NextBoot::Https("http://a/b".to_owned()));
        let failure = boot_next(&mut lab.device(), &plan).await.unwrap_err();
        assert_eq!(failure.code, ErrorCode::INVALID_ARGUMENT);
        lab.simulator.stop().await.unwrap();
    }
}

#[tokio::test]
async fn events_are_read_over_many_pages_and_a_frozen_log_takes_none() {
    let lab = Lab::new(9, |config| {
        config.persona =
            amt_sim::Persona::parse("based_on = \"amt-16.0\"\n[login]\nfailures_before_lock = 1000\n").unwrap().into();
    })
    .await;
    let mut device = lab.device();
    let log = event_log(&mut device).await.unwrap();
    assert_eq!((log.records.len(), log.frozen, log.capacity), (0, Some(false), Some(390)));
    for _ in 0..3 {
        let failure =
            lab.device_of("admin", "Wr0ng-Pass!").call(&AuthorizationService::get_admin_acl_entry()).await.unwrap_err();
        assert_eq!(failure.code, ErrorCode::WRONG_OR_LOCKED);
        let stranger = lab.device_of("nobody", "Wr0ng-Pass!").call(&AuthorizationService::get_admin_acl_entry()).await;
        assert!(stranger.is_err());
    }
    let log = event_log(&mut device).await.unwrap();
    assert_eq!(log.records.len(), 6);
    assert!(log.records.iter().all(|record| record.sensor_type == SensorType::SECURITY_VIOLATION));
    assert_eq!(log.records[0].text(), "6 failed logins");
    assert_eq!(log.records[5].text(), "1 failed login");

    // Two records a boot, more than an answer holds, up to the log's capacity.
    for number in 1..=200 {
        change_power(&mut device, PowerAction::Reset).await.unwrap();
        lab.boot(number).await;
        if number == 70 {
            let log = event_log(&mut device).await.unwrap();
            assert_eq!((log.records.len(), log.unreadable), (146, 0));
            assert!(log.records.windows(2).all(|pair| pair[0].time >= pair[1].time), "the newest first");
        }
    }
    let log = event_log(&mut device).await.unwrap();
    assert_eq!(log.records.len(), 390, "the oldest have given way");
    assert_eq!(log.records[0].text(), "start: boot of the operating system");

    freeze_event_log(&mut device, true).await.unwrap();
    let failure = clear_event_log(&mut device).await.unwrap_err();
    assert!(failure.hint.contains("--thaw"), "{failure}");
    change_power(&mut device, PowerAction::Reset).await.unwrap();
    lab.boot(201).await;
    let frozen = event_log(&mut device).await.unwrap();
    assert_eq!((frozen.records == log.records, frozen.frozen), (true, Some(true)));
    freeze_event_log(&mut device, false).await.unwrap();
    clear_event_log(&mut device).await.unwrap();
    assert!(event_log(&mut device).await.unwrap().records.is_empty());
    lab.simulator.stop().await.unwrap();
}

#[tokio::test]
async fn the_audit_log_says_who_did_what_and_not_everybody_may_read_it() {
    let lab = Lab::new(10, |_| {}).await;
    let mut device = lab.device();
    assert!(audit_log(&mut device).await.unwrap().records.is_empty());
    let realm = lab.truth().realm;
    for (name, realms) in [("reader", &["20"][..]), ("guest", &["12"])] {
        let ha1 = amt_sim::digest::ha1(name, &realm, PASSWORD);
        let mut request = Request::invoke("AMT_AuthorizationService", "AddUserAclEntryEx")
            .arg("DigestUsername", name)
            .arg("DigestPassword", base64::engine::general_purpose::STANDARD.encode(ha1))
            .arg("AccessPermission", 2);
        for realm in realms {
            request = request.arg("Realms", *realm);
        }
        device.call(&request).await.unwrap();
    }
    for _ in 0..12 {
        change_power(&mut device, PowerAction::Reset).await.unwrap();
    }
    let _ =
        lab.device_of("no\u{e9}", "Wr0ng-Pass!").call(&AuthorizationService::get_admin_acl_entry()).await.unwrap_err();
    let log = audit_log(&mut lab.device_of("reader", PASSWORD)).await.unwrap();
    assert_eq!((log.records.len(), log.total, log.unreadable), (15, 15, 0));
    let names: Vec<_> = log.records.iter().map(|record| record.event_name().unwrap()).collect();
    assert_eq!((names[0], names[2], names[14]), ("user added", "reset", "access with invalid credentials"));
    assert_eq!(log.records[0].initiator.name().as_deref(), Some("admin"));
    assert_eq!(log.records[0].address_text().as_deref(), Some("127.0.0.1"));
    assert_eq!(log.records[14].initiator.name().as_deref(), Some(r"no\xc3\xa9"), "bytes beyond ASCII stay");
    let failure = audit_log(&mut lab.device_of("guest", PASSWORD)).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::SOAP_FAULT);
    assert!(failure.hint.contains("realm 20"), "{failure}");
    lab.simulator.stop().await.unwrap();
}

#[tokio::test]
async fn the_inventory_is_read_whole_and_without_what_the_firmware_refuses() {
    let persona = "based_on = \"amt-16.0\"\n[hardware]\nbattery = true\nmemory_mib = [4096, 16384, 16384]\n";
    let lab = Lab::new(11, |config| config.persona = amt_sim::Persona::parse(persona).unwrap().into()).await;
    let mut device = lab.device();
    let found = inventory(&mut device).await.unwrap();
    assert_eq!((found.id, found.memory_bytes()), (Some(lab.id), 36864 << 20));
    assert_eq!(found.version().map(|version| version.to_string()).as_deref(), Some("16.0.15.1735"));
    assert_eq!(found.chassis.unwrap().model.as_deref(), Some("amt-sim"));
    assert_eq!(found.board.unwrap().model.as_deref(), Some("amt-sim board"));
    assert_eq!(found.bios.unwrap().version.as_deref(), Some("VIRT1.00"));
    assert_eq!((found.processors[0].max_clock_speed, found.memory[2].kind()), (Some(3600), Some("DDR4")));
    assert_eq!((found.media[0].max_media_size, found.batteries.len()), (Some(512_110_000), 1));
    assert_eq!(found.ports[0].mac_address, Some(lab.truth().mac));
    assert!(found.missing.is_empty());

    for fault in ["CIM_Battery.Enumerate:in:status=1", "AMT_SetupAndConfigurationService.GetUuid:in:status=36"] {
        lab.fault(fault);
    }
    let found = inventory(&mut device).await.unwrap();
    assert_eq!((found.id, found.missing, found.batteries.len()), (Some(lab.id), vec!["CIM_Battery"], 0));
    lab.simulator.stop().await.unwrap();
}
